import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeGraph, makeModel, makeNode, makeTensor, makeValue } from './build.ts'
import { embed, openBatch } from './embed.ts'
import { readModel, writeModel } from './model.ts'
import { runOrt } from './ort-oracle.ts'
import { create } from './proto.ts'
import { convModel, functionModel, ifModel, ir3Model, randomTensor, SAMPLES, sparseModel } from './sample-models.ts'
import { signatureOf } from './signature.ts'

const plain = (model: ReturnType<typeof makeModel>) => readModel(writeModel(model))

/** An empty model with the inputs of another, which it embeds twice: its outputs are those of the two embeddings. */
function twice(model: ReturnType<typeof makeModel>) {
  const opsets = Object.fromEntries(model.opsetImport.map(({ domain, version }) => [domain, Number(version)]))
  const fed = signatureOf(model).inputs
  const inputs = fed.map(({ name, dtype, shape }) => makeValue(`outer_${name}`, dtype, shape))
  const outer = makeModel(makeGraph('outer', { nodes: [], inputs, outputs: [] }), {
    opsets: { '': opsets[''] },
    irVersion: 3,
  })
  const feeds = Object.fromEntries(fed.map(({ name }) => [name, `outer_${name}`]))
  for (const prefix of ['a', 'b']) {
    const names = embed(outer, model, { prefix, inputs: feeds })
    for (const name of Object.values(names)) outer.graph.output.push(makeValue(name, 'float32', [null, null]))
  }
  return outer
}

for (const [name, sample] of Object.entries(SAMPLES)) {
  test(`embedded twice, it gives what it gives alone: ${name}`, async () => {
    const { model, feeds } = sample()
    const before = writeModel(model)
    const outer = twice(model)
    const alone = await runOrt(before, feeds)
    const outerFeeds = Object.fromEntries(Object.entries(feeds).map(([key, tensor]) => [`outer_${key}`, tensor]))
    const inside = await runOrt(writeModel(outer), outerFeeds)
    for (const prefix of ['a', 'b']) assert.deepEqual(inside[`${prefix}/y`].bytes, alone.y.bytes)
    assert.deepEqual(writeModel(model), before, 'the model itself is as it was')
  })
}

test('payloads are shared, not copied', () => {
  const { model } = convModel()
  const outer = twice(model)
  const shared = outer.graph.initializer.filter(({ rawData }) => rawData === model.graph.initializer[0].rawData)
  assert.deepEqual(
    shared.map(({ name }) => name),
    ['a/kernel', 'b/kernel'],
  )
})

test('an inner value of the embedded model, and an input that replaces an initializer', async () => {
  const { model, feeds } = ir3Model()
  const w = randomTensor([16, 8], 77)
  const outer = makeModel(
    makeGraph('outer', {
      nodes: [],
      inputs: [makeValue('image', 'float32', [1, 16])],
      outputs: [],
      initializers: [makeTensor('other', w)],
    }),
    { opsets: { '': 8 } },
  )
  const names = embed(outer, model, { prefix: 'm', inputs: { x: 'image', w: 'other' } })
  assert.deepEqual(names, { y: 'm/y' })
  assert.deepEqual(
    outer.graph.initializer.map(({ name }) => name),
    ['other'],
  )
  outer.graph.output.push(makeValue('m/y', 'float32', [1, 8]))
  const { 'm/y': y } = await runOrt(writeModel(outer), { image: feeds.x })
  const [x, data] = [feeds.x.data as Float32Array, w.data as Float32Array]
  const expected = Array.from({ length: 8 }, (_, j) => x.reduce((sum, value, i) => sum + value * data[8 * i + j], 0))
  new Float32Array(y.bytes.buffer).forEach((value, j) => {
    assert.ok(Math.abs(value - expected[j]) < 1e-5)
  })
  const inner = embed(makeModel(makeGraph('outer', { nodes: [], outputs: [] })), convModel().model, {
    prefix: 'c',
    inputs: { x: 'image' },
    outputs: ['active', 'x'],
  })
  assert.deepEqual(inner, { active: 'c/active', x: 'image' })
})

test('a value in a branch that is named like an input of the embedded model is still its own', () => {
  const { model } = ifModel()
  const branch = model.graph.node[0].attribute[0].g!
  branch.node[0].output = ['condition']
  branch.node[1].input = ['x', 'condition']
  const outer = twice(model)
  const renamed = outer.graph.node[0].attribute[0].g!
  assert.deepEqual(renamed.node[1].input, ['outer_x', 'a/condition'])
  assert.deepEqual(renamed.node[1].output, ['a/y_then'])
})

test('opsets: another ai.onnx is refused, other domains are merged', () => {
  const { model } = functionModel()
  const outer = (version: number) =>
    makeModel(makeGraph('outer', { nodes: [], outputs: [] }), { opsets: { '': version } })
  const options = { prefix: 'm', inputs: { x: 'x' } }
  assert.throws(() => embed(outer(13), model, options), {
    code: 'UNSUPPORTED_MODEL',
    message: 'A model inside another expected ai.onnx 13, got 17. Export both models with the same opset.',
  })
  const into = outer(17)
  embed(into, model, options)
  assert.deepEqual(
    into.opsetImport.map(({ domain, version }) => [domain, version]),
    [
      ['', 17],
      ['local', 1],
    ],
  )
})

test('functions: the same one is carried once, another of that name is refused', () => {
  const { model } = functionModel()
  const into = twice(model)
  assert.equal(into.functions.length, 1)
  embed(into, plain(model), { prefix: 'c', inputs: { x: 'x' } })
  assert.equal(into.functions.length, 1)
  const other = plain(model)
  other.functions[0].node.push(makeNode('Identity', ['y'], ['z']))
  assert.throws(() => embed(into, other, { prefix: 'd', inputs: { x: 'x' } }), {
    message: /Two models expected the same function "local:Dense", got different ones/,
  })
})

test('names that do not exist, and inputs without a value', () => {
  const { model } = sparseModel()
  const into = twice(model)
  assert.throws(() => embed(into, model, { prefix: 'm', inputs: {} }), /expected a value for its input "x", got none/)
  assert.throws(() => embed(into, model, { prefix: 'm', inputs: { x: 'x', q: 'x' } }), /inputs out of "x", got "q"/)
  assert.throws(
    () => embed(into, model, { prefix: 'm', inputs: { x: 'x' }, outputs: ['nowhere'] }),
    /expected outputs that its graph makes, got "nowhere"/,
  )
})

test('a fixed batch of 1 is opened, and then a batch runs', async () => {
  const { model } = convModel()
  model.graph.input = [makeValue('x', 'float32', [1, 1, 8, 8])]
  model.graph.output = [makeValue('y', 'float32', [1, 10])]
  model.graph.valueInfo.push(create('ValueInfoProto', makeValue('active', 'float32', [1, 8, 8, 8])))
  const before = writeModel(model)
  const open = openBatch(model, 'n')
  assert.deepEqual(signatureOf(open).inputs[0].shape, ['n', 1, 8, 8])
  assert.deepEqual(signatureOf(open).outputs[0].shape, ['n', 10])
  assert.deepEqual(writeModel(model), before)
  const { y } = await runOrt(writeModel(open), { x: randomTensor([3, 1, 8, 8], 5) })
  assert.deepEqual(y.dims, [3, 10])
  const other = openBatch(ir3Model().model, 'n')
  assert.deepEqual(
    other.graph.input.map(({ type }) =>
      type?.tensorType?.shape?.dim.map((dim) => dim.dimParam || Number(dim.dimValue)),
    ),
    [
      ['n', 16],
      [16, 8],
    ],
  )
})
