import assert from 'node:assert/strict'
import { test } from 'node:test'
import { node } from '../../targets/node.ts'
import { bytesOf, bytesSource, equal, type Tensor } from '../core/index.ts'
import { type Model, makeGraph, makeModel, makeNode, makeTensor, makeValue, writeModel } from '../onnx/index.ts'
import { open } from '../open/open.ts'
import { inspect } from './inspect.ts'
import { pack } from './pack.ts'
import { unpack } from './verify.ts'

const weights = (rows: number, columns: number): Tensor => ({
  dtype: 'float32',
  shape: [rows, columns],
  data: Float32Array.from({ length: rows * columns }, (_, i) => Math.fround(((i * 7919) % 1009) / 1009 - 0.5)),
})

/** y = (x · w) · v, with x of open batch. */
function model(w = weights(8, 40), v = weights(40, 8)): Model {
  return makeModel(
    makeGraph('g', {
      inputs: [makeValue('x', 'float32', ['batch', 8])],
      outputs: [makeValue('y', 'float32', ['batch', 8])],
      initializers: [makeTensor('w', w), makeTensor('v', v)],
      nodes: [makeNode('MatMul', ['x', 'w'], ['h']), makeNode('MatMul', ['h', 'v'], ['y'])],
    }),
  )
}

test('packed twice: the same bytes; unpacked: the same file; opened: the bits of onnxruntime', async () => {
  const onnx = writeModel(model())
  const { bytes } = await pack(onnx, { name: 'm' })
  assert.ok(equal((await pack(onnx, { name: 'm' })).bytes, bytes))
  assert.ok(equal(await unpack(bytesSource(bytes), { trust: 'unsigned' }), onnx))

  const x: Tensor = { dtype: 'float32', shape: [3, 8], data: weights(3, 8).data }
  const session = await node().create({ model: onnx }, { optimization: 'all' })
  const expected = await session.run({ x })
  await session.close()
  const opened = await open(bytes, { targets: [node()], trust: 'unsigned' })
  const { outputs } = await opened.run({ x: x.data })
  assert.deepEqual(outputs.y.shape, [3, 8])
  assert.ok(equal(bytesOf(outputs.y), bytesOf(expected.y)))
  await opened.close()
})

test('tensors with the same bytes are stored once, and come back as two', async () => {
  const same = weights(20, 20)
  const once = (shape: [number, number]): Tensor => ({ ...same, shape })
  const graph = makeGraph('g', {
    inputs: [makeValue('x', 'float32', [1, 20])],
    outputs: [makeValue('y', 'float32', [1, 20])],
    initializers: [makeTensor('w', once([20, 20])), makeTensor('v', once([20, 20]))],
    nodes: [makeNode('MatMul', ['x', 'w'], ['h']), makeNode('MatMul', ['h', 'v'], ['y'])],
  })
  const onnx = writeModel(makeModel(graph))
  const { bytes } = await pack(onnx, { name: 'm' })
  const { tensors } = await inspect(bytesSource(bytes), { trust: 'unsigned' })
  assert.deepEqual(
    tensors.map(({ name, rawBytes }) => [name, rawBytes]),
    [
      ['w', 1600],
      ['v', 1600],
    ],
  )
  assert.equal(tensors[1].circuit, 'repeat')
  assert.equal(tensors[1].packedBytes, 0)
  assert.ok(equal(await unpack(bytesSource(bytes), { trust: 'unsigned' }), onnx))
})

test('an output whose rank the model does not say gets the one that it has', async () => {
  const unknown = model()
  const tensorType = unknown.graph.output[0].type?.tensorType
  assert.ok(tensorType)
  tensorType.shape = null
  const { bytes } = await pack(writeModel(unknown), { name: 'm' })
  const { outputs } = await inspect(bytesSource(bytes), { trust: 'unsigned' })
  assert.deepEqual(outputs, [{ name: 'y', dtype: 'float32', shape: ['y_0', 'y_1'] }])
})

test('a tensor name that a manifest cannot hold is shortened there, and whole in the file', async () => {
  const long = `${'ä'.repeat(200)}\n`
  const graph = makeGraph('g', {
    inputs: [makeValue('x', 'float32', [1, 20])],
    outputs: [makeValue('y', 'float32', [1, 20])],
    initializers: [makeTensor(long, weights(20, 20))],
    nodes: [makeNode('MatMul', ['x', long], ['y'])],
  })
  const onnx = writeModel(makeModel(graph))
  const { bytes } = await pack(onnx, { name: 'm' })
  const { tensors } = await inspect(bytesSource(bytes), { trust: 'unsigned' })
  assert.equal(tensors[0].name, 'ä'.repeat(128))
  assert.ok(equal(await unpack(bytesSource(bytes), { trust: 'unsigned' }), onnx))
})
