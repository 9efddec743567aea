import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Model, makeValue, readModel, writeModel } from '../../sdk/onnx/index.ts'
import { ARCHITECTURES } from './architectures.fixture.ts'
import { foldShapes } from './fold-shapes.ts'
import { Net } from './net.fixture.ts'
import { OPSETS } from './opsets.fixture.ts'
import { errorBetween } from './oracle.fixture.ts'
import { execute, randomSamples } from './ort.fixture.ts'
import type { Samples } from './types.ts'

const operators = ({ graph }: Model): string[] => graph.node.map(({ opType }) => opType)

async function assertAlike(model: Model, folded: Model, samples: Samples): Promise<void> {
  for (const batch of [1, 2, 5]) {
    const feeds = { x: await samples.batch(Array.from({ length: batch }, (_, i) => i)) }
    const [before, after] = await Promise.all(
      [model, folded].map(async (each) => (await execute(writeModel(each))).run(feeds)),
    )
    assert.deepEqual(Object.keys(after), Object.keys(before))
    for (const [name, tensor] of Object.entries(before)) assert.ok(errorBetween(after[name], tensor) <= 1e-6, name)
  }
}

for (const { name, shape, build, opset } of [...ARCHITECTURES, ...OPSETS]) {
  test(`${name}: the same outputs with folded shapes, in batches of any size`, async () => {
    const model = readModel(writeModel(build(new Net(shape, opset))))
    const samples = randomSamples(shape, 5)
    const folded = await foldShapes(model, samples, execute)
    await assertAlike(model, folded, samples)
    assert.ok(folded.graph.node.length <= model.graph.node.length)
  })
}

/** [n, 6, 4] to heads [n, 2, 6, 2] and back, by sizes as exporters compute them. */
function heads(): Model {
  const net = new Net([6, 4])
  const [batch, tokens] = [0, 1].map((axis) => net.size(net.input, axis))
  const split = net.node('Transpose', [net.view(net.input, [batch, tokens, 2, -1])], { perm: [0, 2, 1, 3] })
  const scaled = net.node('Mul', [split, net.node('Cast', [net.size(split, 3)], { to: 1 })])
  return net.model(net.view(net.node('Transpose', [scaled], { perm: [0, 2, 1, 3] }), [batch, tokens, 4]))
}

test('sizes that the inputs settle are constants, and the batch is −1', async () => {
  const model = heads()
  const samples = randomSamples([6, 4], 5)
  const folded = await foldShapes(model, samples, execute)
  assert.deepEqual(operators(folded), ['Reshape', 'Transpose', 'Mul', 'Transpose', 'Reshape'])
  await assertAlike(model, folded, samples)
})

test('a size that follows the batch stays computed where it is no size of a Reshape', async () => {
  const net = new Net([4])
  const batch = net.node('Cast', [net.size(net.input, 0)], { to: 1 })
  const model = net.model(net.node('Mul', [net.input, batch]))
  const samples = randomSamples([4], 5)
  const folded = await foldShapes(model, samples, execute)
  assert.ok(operators(folded).includes('Shape'))
  await assertAlike(model, folded, samples)
})

test('with a fixed batch all sizes are constants, but for what the model gives', async () => {
  const net = new Net([6, 4])
  const shape = net.node('Identity', [net.node('Shape', [net.input])])
  const model = net.model(net.node('Reshape', [net.relu(net.input), shape]), shape)
  model.graph.input = [makeValue('x', 'float32', [2, 6, 4])]
  const folded = await foldShapes(model, randomSamples([6, 4]), execute)
  assert.deepEqual(operators(folded), ['Identity', 'Relu', 'Reshape'])
  const feeds = { x: await randomSamples([6, 4]).batch([0, 1]) }
  const [before, after] = await Promise.all(
    [model, folded].map(async (each) => (await execute(writeModel(each))).run(feeds)),
  )
  assert.deepEqual(after, before)
})

test('integers that are computed from data are no sizes, though both runs agree on them', async () => {
  const net = new Net([4])
  const largest = net.node('ArgMax', [net.node('Abs', [net.input])], { axis: 1, keepdims: 1 })
  const always = net.node('Cast', [net.node('Mul', [largest, net.ints([0])])], { to: 1 })
  const model = net.model(net.node('Add', [net.input, always]))
  assert.deepEqual(operators(await foldShapes(model, randomSamples([4]), execute)), operators(model))
})

test('a model that takes inputs of any size is left as it is', async () => {
  const model = heads()
  model.graph.input = [makeValue('x', 'float32', ['n', 'tokens', 4])]
  assert.equal(await foldShapes(model, randomSamples([6, 4]), execute), model)
})
