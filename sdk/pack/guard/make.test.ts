import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { node } from '../../../targets/node.ts'
import type { ErrorCode, Tensor } from '../../core/index.ts'
import { rng } from '../../core/index.ts'
import { makeGraph, makeModel, makeNode, makeTensor, makeValue, writeModel } from '../../onnx/index.ts'
import { open } from '../../open/open.ts'
import { type PackOptions, pack } from '../pack.ts'
import { type SampleSet, tensorSamples } from '../samples/index.ts'
import type { GuardOptions } from './make.ts'
import { checkSamples, policyOf } from './policy.ts'

const WIDTH = 6

/** x → Relu(x·w) → logits of three classes → perhaps their softmax, by way of other nodes. */
function network({
  batch = 'n' as number | string,
  inputs = 1,
  classes = 3,
  softmaxThen = undefined as string | undefined,
  axis = 1,
} = {}): Uint8Array {
  const { uniform } = rng(3)
  const random = (rows: number, columns: number): Tensor => ({
    dtype: 'float32',
    shape: [rows, columns],
    data: Float32Array.from({ length: rows * columns }, () => uniform() - 0.5),
  })
  const second = inputs > 1
  const graph = makeGraph('network', {
    nodes: [
      makeNode('MatMul', ['x', 'w'], ['hidden']),
      makeNode('Relu', ['hidden'], ['active']),
      ...(second ? [makeNode('Add', ['active', 'more'], ['sum'])] : []),
      makeNode('MatMul', [second ? 'sum' : 'active', 'v'], ['y']),
      ...(softmaxThen
        ? [makeNode('Softmax', ['y'], ['softmax'], { axis }), makeNode(softmaxThen, ['softmax'], ['p'])]
        : []),
    ],
    inputs: [makeValue('x', 'float32', [batch, WIDTH]), ...(second ? [makeValue('more', 'float32', [batch, 16])] : [])],
    outputs: [makeValue(softmaxThen ? 'p' : 'y', 'float32', [batch, classes])],
    initializers: [makeTensor('w', random(WIDTH, 16)), makeTensor('v', random(16, classes))],
  })
  return writeModel(makeModel(graph))
}

function samples(count: number, seed: number, make?: (uniform: () => number, i: number) => number): SampleSet {
  const { uniform } = rng(seed)
  const data = Float32Array.from({ length: count * WIDTH }, (_, i) => make?.(uniform, i) ?? uniform() * 2 - 1)
  return tensorSamples('samples', { dtype: 'float32', shape: [count, WIDTH], data })
}

const FIT = samples(120, 1)
const CALIBRATE = samples(420, 2)
let model: Uint8Array
before(() => {
  model = network()
})

const made = (guard: Partial<GuardOptions>, of = model, options: Partial<PackOptions> = {}) =>
  pack(of, {
    name: 'network',
    effort: 'fast',
    second: node({ threads: 1 }),
    guard: { fit: FIT, calibrate: CALIBRATE, targets: [node({ threads: 1 })], ...guard },
    ...options,
  })
const opened = (bytes: Uint8Array) => open(bytes, { targets: [node({ threads: 1 })], trust: 'unsigned' })

test('what no guard can be made of is refused in one sentence', async () => {
  const labelled = { ...FIT, labels: Int32Array.from({ length: 120 }, (_, i) => (i === 7 ? 1 : 0)) }
  const constant = samples(120, 1, () => 0.5)
  const broken = samples(120, 1, (uniform, i) => (i === 40 ? Number.NaN : uniform()))
  const cases: [ErrorCode, RegExp, Partial<GuardOptions>, Uint8Array?][] = [
    ['UNSUPPORTED_MODEL', /one input, got 2/, {}, network({ inputs: 2 })],
    [
      'INVALID_ARGUMENT',
      /runs with the model, such as max-softmax, got feature-squeezing/,
      { detectors: [{ kind: 'feature-squeezing' }] },
    ],
    ['INVALID_ARGUMENT', /got none/, { detectors: [] }],
    ['UNSUPPORTED_MODEL', /a number for each of two classes or more, got "y"/, {}, network({ classes: 1 })],
    ['INVALID_ARGUMENT', /logits expected one of the model's values.*got "z"/, { logits: 'z' }],
    ['INVALID_ARGUMENT', /A tap expected .* got "hiden"/, { taps: ['hiden'] }],
    ['INVALID_ARGUMENT', /2 samples/, { fit: labelled, detectors: [{ kind: 'mahalanobis' }] }],
    ['INVALID_ARGUMENT', /constant|differ|spread|var/i, { fit: constant, detectors: [{ kind: 'mahalanobis' }] }],
    ['UNSUPPORTED_MODEL', /finite/, { fit: samples(120, 1, () => Number.NaN) }],
    ['INVALID_INPUT', /finite/, { fit: broken }],
    ['INVALID_ARGUMENT', /at least 197 clean samples to calibrate on, got 196/, { calibrate: samples(196, 2) }],
    [
      'INVALID_ARGUMENT',
      /at least 99 clean samples to calibrate on, got 98/,
      { calibrate: samples(98, 2), detectors: [{ kind: 'max-softmax' }] },
    ],
    ['INVALID_ARGUMENT', /0 < reject ≤ flag < 1, got 0.2 and 0.1/, { policy: { flag: 0.1, reject: 0.2 } }],
    ['INVALID_ARGUMENT', /withhold from never, .* got maybe/, { policy: { withhold: 'maybe' } }],
    ['INVALID_ARGUMENT', /a band of two p-values/, { band: [0.5, 0.1] }],
    ['INVALID_ARGUMENT', /room for 0 to 4096 classes, got 0.5/, { room: 0.5 }],
    [
      'INVALID_ARGUMENT',
      /Room for classes expected the detector mahalanobis/,
      { room: 1, detectors: [{ kind: 'max-softmax' }] },
    ],
    ['INVALID_ARGUMENT', /not relative/, { room: 1, detectors: [{ kind: 'mahalanobis', variant: 'relative' }] }],
    ['INVALID_ARGUMENT', /samples to fit on .* got none/, { fit: samples(0, 1) }],
  ]
  for (const [code, message, guard, of] of cases) {
    const failure = await made(guard, of).then(
      () => undefined,
      (error) => error,
    )
    assert.deepEqual([failure?.code, message.test(failure?.message)], [code, true], `${message}: ${failure?.message}`)
    assert.doesNotMatch(failure.message, /undefined|onnxruntime_src/)
  }
})

test('a policy of which some is given', () => {
  assert.deepEqual(policyOf(), {
    flag: 0.05,
    reject: 0.01,
    confidence: 0,
    combination: 'simes',
    withhold: 'indeterminate',
  })
  assert.equal(policyOf({ flag: 0.001 }).reject, 0.001)
  assert.equal(policyOf({ reject: 0.2 }).flag, 0.2)
  assert.equal(policyOf({ flag: undefined, confidence: undefined }).confidence, 0)
  // 99 samples give 0.01, and 299 give it in 95 of 100 calibration sets (Vovk 2012).
  for (const [samples, sides, confidence] of [
    [99, ['upper'], 0],
    [197, ['upper', 'upper'], 0],
    [199, ['both'], 0],
    [299, ['upper'], 0.95],
  ] as const) {
    const policy = policyOf({ confidence })
    checkSamples(samples, sides, policy)
    assert.throws(() => checkSamples(samples - 1, sides, policy), { message: new RegExp(`at least ${samples} clean`) })
  }
})

test('a model of a fixed batch is fitted, calibrated and judged like one of any batch', async () => {
  const [open, fixed] = [await made({}), await made({}, network({ batch: 7 }))]
  const [a, b] = [await opened(open.bytes), await opened(fixed.bytes)]
  const x = await CALIBRATE.batch([0, 1, 2, 3, 4, 5, 6])
  const [mine, theirs] = [await a.run({ x }), await b.run({ x })]
  assert.equal(theirs.verdicts?.length, 7)
  for (const [i, verdict] of (theirs.verdicts ?? []).entries()) {
    assert.ok(Math.abs(verdict.p - (mine.verdicts?.[i].p ?? 0)) < 0.02)
  }
  await Promise.all([a.close(), b.close()])
})

test('golden inputs are those of the model, also where a device may add classes', async () => {
  const { bytes } = await made({ room: 2 }, model, { golden: [{ x: await FIT.batch([0, 1]) }] })
  const it = await opened(bytes)
  assert.deepEqual(Object.keys(it.exampleInputs()), ['x'])
  assert.equal((await it.run(it.exampleInputs())).verdicts?.length, 2)
  await it.close()
})

test('two-sided energy, and a detector for each layer', async () => {
  const { bytes } = await made({
    detectors: [{ kind: 'energy' }, { kind: 'mahalanobis', variant: 'per-layer' }],
    taps: ['hidden', 'active'],
  })
  const it = await opened(bytes)
  const names = it.report().guard?.detectors.map(({ name }) => name)
  assert.deepEqual(names, ['energy', 'mahalanobis hidden', 'mahalanobis active'])
  const calm = await it.run({ x: { dtype: 'float32', shape: [1, WIDTH], data: new Float32Array(WIDTH).fill(40) } })
  assert.equal(calm.verdict?.action, 'reject')
  await it.close()
})

test('a model that ends in a softmax has the scores of its logits, and hands those to later passes', async () => {
  const detectors: GuardOptions['detectors'] = [
    { kind: 'max-softmax' },
    { kind: 'mahalanobis' },
    { kind: 'second-opinion', model: network() },
  ]
  const x = await CALIBRATE.batch([0, 1, 2, 3])
  const scoresOf = async (of: Uint8Array): Promise<Record<string, number>[]> => {
    const it = await opened((await made({ detectors }, of)).bytes)
    const { verdicts = [] } = await it.run({ x })
    await it.close()
    return verdicts.map(({ reasons }) =>
      Object.fromEntries(reasons.map(({ detector, score }) => [detector, Math.fround(score)])),
    )
  }
  const expected = await scoresOf(model)
  for (const [softmaxThen, axis] of [
    ['Identity', 1],
    ['Flatten', -1],
    // Over the batch: no probabilities of classes.
    ['Identity', 0],
  ] as const) {
    const got = await scoresOf(network({ softmaxThen, axis }))
    for (const [i, scores] of expected.entries()) {
      assert.deepEqual(Object.keys(got[i]).sort(), ['mahalanobis', 'max-softmax', 'second-opinion'])
      for (const [name, score] of Object.entries(scores)) {
        assert.ok(
          Math.abs(got[i][name] - score) < 1e-5 * Math.max(1, Math.abs(score)),
          `${name}: ${got[i][name]}, ${score}`,
        )
      }
      assert.ok(Math.abs(got[i]['second-opinion']) < 1e-5)
    }
  }
})
