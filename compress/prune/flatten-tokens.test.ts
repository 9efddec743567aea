import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Model, makeValue, readModel, writeModel } from '../../sdk/onnx/index.ts'
import { ARCHITECTURES } from './architectures.fixture.ts'
import { flattenTokens } from './flatten-tokens.ts'
import { foldShapes } from './fold-shapes.ts'
import { analyse } from './groups/analyse.ts'
import { Net } from './net.fixture.ts'
import { observeValues } from './observe.ts'
import { OPSETS } from './opsets.fixture.ts'
import { errorBetween } from './oracle.fixture.ts'
import { execute, randomSamples } from './ort.fixture.ts'

/** Those in which more biases join their products than nodes are needed where tokens are no rows. */
const FLATTENED = ['ViT, fused qkv', 'ViT, split qkv', 'ViT, separate qkv', 'Swin', 'a table of words']

const unitsOf = async (model: Model, shape: readonly number[]) =>
  analyse(model, await observeValues(model, randomSamples(shape), execute)).groups.map(({ units }) => units)

for (const { name, shape, build, opset } of [...ARCHITECTURES, ...OPSETS]) {
  test(`${name}: the same outputs with tokens as rows, in batches of any size`, async () => {
    const model = readModel(writeModel(build(new Net(shape, opset))))
    const samples = randomSamples(shape, 5)
    const folded = await foldShapes(model, samples, execute)
    const flat = await flattenTokens(folded, samples, execute)
    assert.equal(flat !== folded, FLATTENED.includes(name))
    for (const batch of [1, 2, 5]) {
      const feeds = { x: await samples.batch(Array.from({ length: batch }, (_, i) => i)) }
      const [before, after] = await Promise.all(
        [model, flat].map(async (each) => (await execute(writeModel(each))).run(feeds)),
      )
      assert.deepEqual(Object.keys(after), Object.keys(before))
      for (const [output, tensor] of Object.entries(before)) assert.ok(errorBetween(after[output], tensor) <= 1e-6)
    }
    assert.deepEqual(await unitsOf(flat, shape), await unitsOf(folded, shape))
  })
}

/** Two blocks of attention with one head. */
function blocks(net: Net): string {
  let x = net.add(net.transpose(net.input, [0, 2, 1]), net.weight([5, 6]))
  for (let block = 0; block < 2; block++) {
    const normal = net.layerNorm(x, 6)
    const [q, k, v] = [0, 1, 2].map(() => net.reshape(net.linear(normal, 6, 6), [-1, 5, 1, 6]))
    const scores = net.node('Softmax', [net.node('MatMul', [q, net.transpose(k, [0, 1, 3, 2])])], { axis: -1 })
    x = net.add(x, net.linear(net.reshape(net.node('MatMul', [scores, v]), [-1, 5, 6]), 6, 6))
    x = net.add(x, net.linear(net.node('Relu', [net.linear(net.layerNorm(x, 6), 6, 8)]), 8, 6))
  }
  return net.layerNorm(x, 6)
}

const SAMPLES = randomSamples([6, 5], 4)

async function ranksOf(model: Model): Promise<(number | undefined)[]> {
  const observed = await observeValues(model, SAMPLES, execute)
  const constants = new Set(model.graph.initializer.map(({ name }) => name))
  return model.graph.node
    .filter(({ opType, input }) => opType === 'MatMul' && constants.has(input[1]))
    .map(({ output }) => observed.get(output[0])?.shape.length)
}

test('every linear layer over tokens is a product of two matrices; only two nodes are added', async () => {
  const net = new Net([6, 5])
  const model = net.model(net.node('ReduceMean', [blocks(net)], { axes: [1], keepdims: 0 }))
  const flat = await flattenTokens(model, SAMPLES, execute)
  assert.deepEqual([new Set(await ranksOf(model)), new Set(await ranksOf(flat))], [new Set([3]), new Set([2])])
  assert.equal(flat.graph.node.length, model.graph.node.length + 2)
})

test('an output of the graph keeps its shape and its name, with a fixed batch, too', async () => {
  const net = new Net([6, 5])
  const model = net.model(blocks(net))
  model.graph.input = [makeValue('x', 'float32', [2, 6, 5])]
  const flat = await flattenTokens(model, SAMPLES, execute)
  assert.deepEqual(new Set(await ranksOf(flat)), new Set([2]))
  const feeds = { x: await SAMPLES.batch([3, 1]) }
  const [before, after] = await Promise.all(
    [model, flat].map(async (each) => (await execute(writeModel(each))).run(feeds)),
  )
  const [name] = Object.keys(before)
  assert.deepEqual(after[name].shape, [2, 5, 6])
  assert.ok(errorBetween(after[name], before[name]) <= 1e-6)
})

test('a model that takes inputs of any size, or of a shape that nobody said, is left as it is', async () => {
  const net = new Net([6, 5])
  const model = net.model(blocks(net))
  const unknown = makeValue('x', 'float32', ['n', 6, 5])
  if (unknown.type?.tensorType) unknown.type.tensorType.shape = null
  for (const input of [makeValue('x', 'float32', ['n', 6, 'tokens']), unknown]) {
    model.graph.input = [input]
    assert.equal(await flattenTokens(model, SAMPLES, execute), model)
    assert.equal(await foldShapes(model, SAMPLES, execute), model)
  }
})

test('values with a second size that follows the batch are no rows; half of a batch is no constant', async () => {
  const net = new Net([6, 5])
  const tokens = net.transpose(net.input, [0, 2, 1])
  const block = (x: string): string => net.add(x, net.linear(net.relu(net.linear(net.layerNorm(x, 6), 6, 8)), 8, 6))
  const x = block(block(tokens))
  const everyone = net.transpose(net.reshape(tokens, [1, -1, 6]), [0, 2, 1])
  const likeness = net.node('MatMul', [net.node('Softmax', [x], { axis: -1 }), everyone])
  const nearest = block(net.add(x, net.node('ReduceMean', [likeness], { axes: [-1], keepdims: 1 })))
  const half = net.node('Div', [net.size(net.input, 0), net.ints([2])])
  const first = net.node('Slice', [nearest, net.ints([0]), half, net.ints([0])])
  const model = net.model(net.node('ReduceMean', [block(block(first))], { axes: [1], keepdims: 0 }))
  const flat = await flattenTokens(await foldShapes(model, SAMPLES, execute), SAMPLES, execute)
  assert.notEqual(flat.graph.node.length, model.graph.node.length)
  for (const batch of [2, 4, 6]) {
    const feeds = { x: await SAMPLES.batch(Array.from({ length: batch }, (_, i) => i % 4)) }
    const [before, after] = await Promise.all(
      [model, flat].map(async (each) => (await execute(writeModel(each))).run(feeds)),
    )
    for (const [output, tensor] of Object.entries(before)) assert.ok(errorBetween(after[output], tensor) <= 1e-6)
  }
})
