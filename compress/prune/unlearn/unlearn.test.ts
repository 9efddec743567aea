import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Model, makeNode, makeUntypedOutput, makeValue, payloadOf } from '../../../sdk/onnx/index.ts'
import { Net } from '../net.fixture.ts'
import { execute } from '../session.fixture.ts'
import { copyOf } from '../weights.ts'
import {
  CLASSES,
  cluster,
  convNet,
  FLAT,
  IMAGE,
  mixer,
  outputsOf,
  perceptron,
  samplesFor,
  TOKENS,
} from './classifier.fixture.ts'
import { unlearn } from './unlearn.ts'

const FORGOTTEN = 2
const OTHERS = [0, 1, 3]

/** Share of new samples of some classes that are taken for what they are. */
async function accuracy(model: Model, classes: readonly number[], dims: readonly number[]): Promise<number> {
  const { data } = (await outputsOf(model, cluster(classes, 120, dims, 99)))[model.graph.output[0].name]
  let right = 0
  for (let row = 0; row < 120; row++) {
    const scores = Array.from(data.slice(row * CLASSES, (row + 1) * CLASSES), Number)
    if (scores.indexOf(Math.max(...scores)) === classes[row % classes.length]) right++
  }
  return right / 120
}

const weightsOf = (model: Model): Map<string, string> =>
  new Map(model.graph.initializer.map((tensor) => [tensor.name, Array.from(payloadOf(tensor).data as never).join()]))

for (const [name, make, dims, edit] of [
  ['Gemm', () => perceptron(), FLAT, 'zero'],
  ['Gemm before a softmax', () => perceptron({ softmax: true }), FLAT, 'zero'],
  ['convolutions', () => convNet(), IMAGE, 'zero'],
  ['blocks with LayerNormalization', mixer, TOKENS, 'negate'],
] as const) {
  test(`a class is forgotten and the others are not: ${name}`, async () => {
    const model = await make()
    assert.ok((await accuracy(model, [FORGOTTEN], dims)) > 0.9 && (await accuracy(model, OTHERS, dims)) > 0.9)
    const stages = new Set<string>()
    const { model: edited, report } = await unlearn(
      model,
      samplesFor([FORGOTTEN], 100, dims, 5),
      samplesFor(OTHERS, 300, dims, 6),
      execute,
      { onProgress: ({ stage }) => stages.add(stage) },
    )
    assert.equal(report.class, FORGOTTEN)
    assert.equal(report.edit, edit)
    assert.ok(report.forgotten && report.forget.after <= 0.02 && report.forget.before > 0.9)
    assert.ok((await accuracy(edited, [FORGOTTEN], dims)) <= 0.05)
    assert.ok((await accuracy(edited, OTHERS, dims)) >= (await accuracy(model, OTHERS, dims)) - 0.05)
    assert.ok(report.retain && report.retain.samples === 90 && report.retain.disagreement < 0.1)
    assert.ok(stages.has('refit') && stages.has('search'))
    for (const { edited: made, changed, weights } of report.layers)
      assert.ok(made > 0 && changed > made && changed <= weights)
    const [before, after] = [weightsOf(model), weightsOf(edited)]
    const touched = [...before].filter(([name, text]) => after.get(name) !== text).length
    assert.equal(touched, 2 * report.layers.length, 'weight and bias of those layers, and nothing else')
  })
}

test('what is not forgotten is said: here features are positions, and a convolution cannot tell those apart', async () => {
  const model = await convNet({ dense: false })
  const { report } = await unlearn(
    model,
    samplesFor([FORGOTTEN], 60, IMAGE, 5),
    samplesFor(OTHERS, 120, IMAGE, 6),
    execute,
  )
  assert.ok(!report.forgotten && report.forget.after > 0.02)
})

test('second half, and layers by name', async () => {
  const model = await perceptron()
  const names = model.graph.node.filter(({ opType }) => opType === 'Gemm').map(({ output }) => output[0])
  const sets = [samplesFor([1], 60, FLAT, 5), samplesFor([0, 2, 3], 120, FLAT, 6)] as const
  const { report } = await unlearn(model, ...sets, execute)
  assert.deepEqual(
    report.layers.map(({ name }) => name),
    names.slice(1, 3),
  )
  const only = await unlearn(model, ...sets, execute, { layers: [names[2]], edit: 'negate' })
  assert.deepEqual(
    only.report.layers.map(({ name, op }) => [name, op]),
    [[names[2], 'Gemm']],
  )
  assert.equal(only.report.edit, 'negate')
  await assert.rejects(unlearn(model, ...sets, execute, { layers: [names[3]] }), {
    code: 'INVALID_ARGUMENT',
    message: /Layers to edit expected some of ".*", got "Gemm_6"/,
  })
})

test('a batch that is fixed stays so', async () => {
  const model = await perceptron()
  model.graph.input = [makeValue('x', 'float32', [1, ...FLAT])]
  const { model: edited, report } = await unlearn(
    model,
    samplesFor([1], 60, FLAT, 5),
    samplesFor([0, 2, 3], 120, FLAT, 6),
    execute,
  )
  assert.ok(report.forgotten)
  assert.deepEqual(edited.graph.input, model.graph.input)
})

test('without samples to retain, the smallest share of components that does it', async () => {
  const model = await perceptron()
  const { model: edited, report } = await unlearn(model, samplesFor([FORGOTTEN], 100, FLAT, 5), undefined, execute)
  assert.equal(report.retain, undefined)
  assert.ok(report.forget.after < report.forget.before)
  for (const { edited: made, changed, weights } of report.layers) {
    assert.equal(made, Math.round(report.strength * weights))
    assert.equal(changed, made)
  }
  assert.ok((await accuracy(edited, [FORGOTTEN], FLAT)) < 0.9)
  const hard = await unlearn(model, samplesFor([FORGOTTEN], 100, FLAT, 5), undefined, execute, { target: -1 })
  assert.ok(!hard.report.forgotten && hard.report.forget.after <= report.forget.after)
})

test('what cannot be unlearned is said in a sentence', async () => {
  const model = await perceptron()
  const [forget, retain] = [samplesFor([1], 60, FLAT, 5), samplesFor([0, 2], 60, FLAT, 6)]
  await assert.rejects(unlearn(model, samplesFor([1], 9, FLAT, 5), retain, execute), {
    code: 'INVALID_INPUT',
    message: /Samples to forget expected at least 10, got 9/,
  })
  await assert.rejects(unlearn(model, forget, samplesFor([1], 2, FLAT, 5), execute), {
    code: 'INVALID_INPUT',
    message: /Samples to retain expected at least 10, got 2/,
  })
  const regression = new Net(FLAT)
  const value = regression.linear(regression.relu(regression.linear(regression.input, 12, 6)), 6, 1)
  await assert.rejects(unlearn(regression.model(value), forget, retain, execute), {
    code: 'UNSUPPORTED_MODEL',
    message: /expected an output of float32 with a score for each of two classes or more, got ".*" \[.*1\]/,
  })
  const shallow = new Net(FLAT)
  const last = shallow.linear(shallow.input, 12, 4)
  await assert.rejects(unlearn(shallow.model(last), forget, retain, execute), {
    code: 'UNSUPPORTED_MODEL',
    message: /expected hidden layers .* got none/,
  })
  const abort = new AbortController()
  const stop = { signal: abort.signal, onProgress: () => abort.abort() }
  await assert.rejects(unlearn(model, forget, retain, execute, stop), { code: 'ABORTED' })
})

test('an output that is not class scores is passed over', async () => {
  const model = await perceptron()
  const [{ name }] = model.graph.output
  const sum = makeNode('ReduceSum', [name], ['sum'], { keepdims: 1 })
  const two = copyOf(model, {
    graph: copyOf(model.graph, {
      node: [...model.graph.node, sum],
      output: [makeUntypedOutput('sum'), ...model.graph.output],
    }),
  })
  const { report } = await unlearn(two, samplesFor([3], 60, FLAT, 5), samplesFor([0, 1, 2], 90, FLAT, 6), execute)
  assert.equal(report.class, 3)
})
