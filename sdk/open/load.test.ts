import assert from 'node:assert/strict'
import { test } from 'node:test'
import { node } from '../../targets/node.ts'
import { readPackage } from '../container/read.ts'
import { bytesOf, bytesSource, equal, rng, type Tensor } from '../core/index.ts'
import { makeGraph, makeModel, makeNode, makeTensor, makeValue, writeModel } from '../onnx/index.ts'
import { inspect } from '../pack/inspect.ts'
import { pack } from '../pack/pack.ts'
import { unpack } from '../pack/verify.ts'
import { loadPackage } from './load.ts'

function noise(shape: [number, number], seed: number): Tensor {
  const random = rng(seed)
  const data = Float32Array.from({ length: shape[0] * shape[1] }, () => random.uniform() - 0.5)
  return { dtype: 'float32', shape, data }
}

test('a weight that spans chunks lies in one piece, so that a runtime reads it where it was decoded', async () => {
  const graph = makeGraph('g', {
    inputs: [makeValue('x', 'float32', [1, 1])],
    outputs: [makeValue('y', 'float32', [1, 1])],
    initializers: [
      makeTensor('u', noise([1, 602], 1)),
      makeTensor('v', noise([602, 1001], 2)),
      makeTensor('w', noise([1001, 1], 3)),
    ],
    nodes: [
      makeNode('MatMul', ['x', 'u'], ['a']),
      makeNode('MatMul', ['a', 'v'], ['b']),
      makeNode('MatMul', ['b', 'w'], ['y']),
    ],
  })
  const { bytes } = await pack(writeModel(makeModel(graph)), { name: 'm' })
  const source = bytesSource(bytes)
  const { manifest } = await readPackage(source, { trust: 'unsigned' })
  const [first] = manifest.graphs[0].tensors[1].ranges
  assert.ok(manifest.graphs[0].tensors[1].ranges.length > 1, 'a weight spans chunks')
  assert.notEqual(manifest.chunks[first.chunk].rawLength % 8, 0, 'and its first chunk ends off the alignment')

  const { passes } = await loadPackage(source, { trust: 'unsigned' }, {})
  const [{ runnable }] = passes
  assert.ok(runnable.externalData)
  assert.ok(runnable.model.length < 4096, `the graph holds weights: ${runnable.model.length} bytes`)
})

test('rows that repeat are stored once, and a runtime gets them in one piece all the same', async () => {
  const [u, v] = [noise([64, 128], 1), noise([128, 64], 2)]
  const w = noise([64, 128], 3)
  ;(w.data as Float32Array).set((u.data as Float32Array).subarray(20 * 128, 50 * 128), 10 * 128)
  ;(v.data as Float32Array).set((v.data as Float32Array).subarray(0, 40 * 64), 70 * 64)
  const graph = makeGraph('g', {
    inputs: [makeValue('x', 'float32', [1, 64])],
    outputs: [makeValue('y', 'float32', [1, 128])],
    initializers: [makeTensor('u', u), makeTensor('v', v), makeTensor('w', w)],
    nodes: [
      makeNode('MatMul', ['x', 'u'], ['a']),
      makeNode('MatMul', ['a', 'v'], ['b']),
      makeNode('MatMul', ['b', 'w'], ['y']),
    ],
  })
  const onnx = writeModel(makeModel(graph))
  const { bytes } = await pack(onnx, { name: 'm' })
  assert.ok(equal(await unpack(bytesSource(bytes), { trust: 'unsigned' }), onnx))
  const { tensors } = await inspect(bytesSource(bytes), { trust: 'unsigned' })
  assert.deepEqual(
    tensors.map(({ name, circuit }) => [name, circuit]),
    [
      ['u', 'A'],
      ['v', 'A+repeat'],
      ['w', 'A+repeat'],
    ],
  )
  const [whole, ...parts] = tensors.map(({ packedBytes, rawBytes }) => packedBytes / rawBytes)
  assert.ok(parts[0] < 0.75 * whole && parts[1] < 0.6 * whole, 'what is shared counts where it is first')

  const { passes } = await loadPackage(bytesSource(bytes), { trust: 'unsigned' }, {})
  const [{ runnable, golden }] = passes
  assert.ok(runnable.model.length < 4096, `the graph holds weights: ${runnable.model.length} bytes`)
  assert.ok((runnable.externalData?.[0].data.length ?? 0) <= onnx.length + 8192)
  const [before, after] = await Promise.all(
    [{ model: onnx }, runnable].map(async (model) => {
      const session = await node({ threads: 1 }).create(model, { optimization: 'disabled' })
      return session.run(golden[0].inputs).finally(() => session.close())
    }),
  )
  assert.ok(equal(bytesOf(before.y), bytesOf(after.y)))
})
