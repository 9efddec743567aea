import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPackage } from '../container/read.ts'
import { bytesSource, rng, type Tensor } from '../core/index.ts'
import { makeGraph, makeModel, makeNode, makeTensor, makeValue, writeModel } from '../onnx/index.ts'
import { pack } from '../pack/pack.ts'
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

  const { runnable } = await loadPackage(source, { trust: 'unsigned' }, {})
  assert.ok(runnable.externalData)
  assert.ok(runnable.model.length < 4096, `the graph holds weights: ${runnable.model.length} bytes`)
})
