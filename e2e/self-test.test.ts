/**
 * The golden self-test against runtimes that are wrong: the real `node` target, whose answers are spoiled on the way out
 * at chosen optimisation levels, as onnxruntime-node's are for an int8 keyword spotter on AVX2.
 */

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { bytesSource, HardpackError, type Tensor } from '../sdk/core/index.ts'
import { type Model, open } from '../sdk/node.ts'
import { pack, parity } from '../sdk/pack/index.ts'
import { fake } from '../targets/fake.ts'
import { node } from '../targets/node.ts'
import { OPTIMIZATION_LEVELS, type OptimizationLevel, type Target } from '../targets/types.ts'
import { wasm } from '../targets/wasm-node.ts'
import { readDigits } from './models/digits.ts'

const onnx = await readFile(fileURLToPath(new URL('../../e2e/models/mnist-cnn-int8.onnx', import.meta.url)))
const { bytes } = await pack(onnx, { name: 'digits' })
const untrusted = { trust: 'unsigned' } as const

interface SpoiledTarget extends Target {
  /** Sessions that are open now. */
  readonly open: Set<OptimizationLevel>
}

type Spoil = (tensor: Tensor, feeds: Readonly<Record<string, Tensor>>) => Tensor

/** Each class gets its neighbour's logit: numbers of the right size and distribution, and every answer wrong. */
const rotated: Spoil = ({ dtype, shape, data }) => {
  const logits = data as Float32Array
  return { dtype, shape, data: logits.map((_, i) => logits[(i + 1) % logits.length]) }
}

/** `target` with its outputs spoiled at some levels. */
function spoiled(target: Target, levels: readonly OptimizationLevel[], spoil: Spoil = rotated): SpoiledTarget {
  const open = new Set<OptimizationLevel>()
  return {
    name: `spoiled ${target.name}`,
    open,
    probe: (options) => target.probe(options),
    async create(graph, options = {}) {
      const { optimization = 'all' } = options
      const session = await target.create(graph, options)
      open.add(optimization)
      return {
        inputs: session.inputs,
        outputs: session.outputs,
        async run(feeds, options) {
          const outputs = await session.run(feeds, options)
          if (!levels.includes(optimization)) return outputs
          return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, spoil(tensor, feeds)]))
        },
        async close() {
          open.delete(optimization)
          await session.close()
        },
      }
    },
  }
}

const outcomes = (model: Model): (string | undefined)[][] =>
  model.report().attempts.map(({ target, optimization, outcome }) => [target, optimization, outcome])

async function accuracy(model: Model, count: number): Promise<number> {
  const { images, labels } = readDigits(count)
  let right = 0
  for (let i = 0; i < count; i++) {
    const { outputs } = await model.run({ image: images.subarray(784 * i, 784 * (i + 1)) })
    const logits = outputs.logits.data as Float32Array
    if (logits.indexOf(Math.max(...logits)) === labels[i]) right++
  }
  return right / count
}

test('a right runtime is taken at its fastest level', async () => {
  const model = await open(bytes, { targets: [node()], ...untrusted })
  assert.deepEqual(outcomes(model), [['node', 'all', 'accepted']])
  await model.close()
})

test('wrong at all and extended: it steps down to basic, says so, and then answers rightly', async () => {
  const target = spoiled(node(), ['all', 'extended'])
  const model = await open(bytes, { targets: [target], ...untrusted })
  assert.deepEqual(outcomes(model), [
    ['spoiled node', 'all', 'wrong-answer'],
    ['spoiled node', 'extended', 'wrong-answer'],
    ['spoiled node', 'basic', 'accepted'],
  ])
  const { target: name, optimization, selfTest, attempts } = model.report()
  assert.deepEqual([name, optimization], ['spoiled node', 'basic'])
  assert.ok(selfTest.maxAbsDiff <= selfTest.tolerance)
  for (const { reason, maxAbsDiff = 0, tolerance = 0 } of attempts.slice(0, 2)) {
    assert.match(reason ?? '', /^Output "logits" is \S+ away from the reference, tolerance \S+\.$/)
    assert.ok(maxAbsDiff > tolerance)
  }
  assert.deepEqual([...target.open], ['basic'], 'the sessions that were not taken are closed')
  assert.ok((await accuracy(model, 50)) > 0.9)
  await model.close()
  assert.equal(target.open.size, 0)
})

test('wrong only where values are large: the second golden case shows it', async () => {
  const saturating: Spoil = (tensor, { image }) =>
    (image.data as Float32Array).some((pixel) => Math.abs(pixel) > 1) ? rotated(tensor, {}) : tensor
  const model = await open(bytes, { targets: [spoiled(node(), ['all'], saturating)], ...untrusted })
  assert.equal(model.report().optimization, 'extended')
  await model.close()
})

test('NaN in place of an answer is a wrong answer', async () => {
  const nan: Spoil = (tensor) => ({ ...tensor, data: (tensor.data as Float32Array).map(() => Number.NaN) })
  const model = await open(bytes, { targets: [spoiled(node(), ['all'], nan)], ...untrusted })
  assert.deepEqual(outcomes(model)[0], ['spoiled node', 'all', 'wrong-answer'])
  await model.close()
})

test('wrong at every level: the next target runs the model, and the report says why', async () => {
  const wrong = spoiled(node(), OPTIMIZATION_LEVELS)
  const model = await open(bytes, { targets: [wrong, wasm()], ...untrusted })
  assert.deepEqual(outcomes(model), [
    ...OPTIMIZATION_LEVELS.map((level) => ['spoiled node', level, 'wrong-answer']),
    ['wasm', 'all', 'accepted'],
  ])
  assert.equal(model.report().target, 'wasm')
  assert.equal(wrong.open.size, 0)
  assert.ok((await accuracy(model, 50)) > 0.9)
  await model.close()
})

test('a target that is not there, and one that refuses the model, are passed over with their reasons', async () => {
  const parts = { inputs: [], outputs: [], compute: () => ({}) }
  const absent = fake({ name: 'absent', ...parts, faults: { probe: 'there is no adapter' } })
  const refusing = fake({
    name: 'refusing',
    ...parts,
    faults: { create: new HardpackError('UNSUPPORTED_MODEL', 'The runtime expected another operator.') },
  })
  const model = await open(bytes, { targets: [absent, refusing, node()], ...untrusted })
  assert.deepEqual(
    model.report().attempts.map(({ target, outcome, reason }) => [target, outcome, reason]),
    [
      ['absent', 'unavailable', 'there is no adapter'],
      ...OPTIMIZATION_LEVELS.map(() => ['refusing', 'failed', 'The runtime expected another operator.']),
      ['node', 'accepted', undefined],
    ],
  )
  await model.close()

  await assert.rejects(open(bytes, { targets: [absent, refusing], ...untrusted }), {
    code: 'TARGET_UNAVAILABLE',
    message: /there is no adapter.*refusing \(all, extended, basic, disabled\): The runtime expected another operator/,
  })
  await assert.rejects(open(bytes, { targets: [], ...untrusted }), { code: 'TARGET_UNAVAILABLE' })
})

test('a level that does not load is stepped over; a device that is gone is not asked again', async () => {
  const at = (code: 'UNSUPPORTED_MODEL' | 'DEVICE_LOST'): Target => ({
    ...node(),
    name: code,
    create: (graph, options) =>
      options?.optimization === 'all'
        ? Promise.reject(new HardpackError(code, `${code}.`))
        : node().create(graph, options),
  })
  const model = await open(bytes, { targets: [at('DEVICE_LOST'), at('UNSUPPORTED_MODEL')], ...untrusted })
  assert.deepEqual(
    model.report().attempts.map(({ target, optimization, code }) => [target, optimization, code]),
    [
      ['DEVICE_LOST', 'all', 'DEVICE_LOST'],
      ['UNSUPPORTED_MODEL', 'all', 'UNSUPPORTED_MODEL'],
      ['UNSUPPORTED_MODEL', 'extended', undefined],
    ],
  )
  await model.close()
})

test('no target right: SELF_TEST_FAILED lists what each did, and no session stays open', async () => {
  const targets = [spoiled(node(), OPTIMIZATION_LEVELS), spoiled(wasm(), OPTIMIZATION_LEVELS)]
  await assert.rejects(open(bytes, { targets, ...untrusted }), (error: HardpackError) => {
    assert.equal(error.code, 'SELF_TEST_FAILED')
    for (const target of targets) {
      for (const level of OPTIMIZATION_LEVELS)
        assert.match(error.message, new RegExp(`${target.name} \\([^)]*${level}[^)]*\\): Output "logits"`))
    }
    return true
  })
  assert.deepEqual(
    targets.map(({ open }) => open.size),
    [0, 0],
  )
})

test('parity gives a wrong target a row with its difference, not an error', async () => {
  const [right, wrong] = await parity(bytesSource(bytes), [node(), spoiled(node(), OPTIMIZATION_LEVELS)], untrusted)
  assert.deepEqual([right.available, right.withinTolerance], [true, true])
  assert.deepEqual([wrong.available, wrong.withinTolerance, wrong.latencyMs], [true, false, null])
  assert.ok((wrong.maxAbsDiff ?? 0) > 1)
  assert.match(wrong.reason ?? '', /away from the reference/)
})

test('pack refuses a model on which the two reference runtimes disagree', async () => {
  for (const options of [
    { second: spoiled(wasm(), ['disabled']) },
    { reference: spoiled(node({ threads: 1 }), ['disabled']) },
  ]) {
    await assert.rejects(pack(onnx, { name: 'digits', ...options }), {
      code: 'REFERENCE_MISMATCH',
      message: /agree on output "logits" within \S+, got a difference of \S+\. .*--golden/,
    })
  }
})

test('the reference is the model with optimisation disabled: faster levels may be wrong while packing', async () => {
  const fast: OptimizationLevel[] = ['all', 'extended', 'basic']
  const again = await pack(onnx, {
    name: 'digits',
    reference: spoiled(node({ threads: 1 }), fast),
    second: spoiled(wasm(), fast),
  })
  assert.deepEqual(again.bytes, bytes)
})
