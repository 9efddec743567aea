import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesSource, rng, type Tensor } from '../core/index.ts'
import { makeGraph, makeModel, makeNode, makeTensor, makeValue, writeModel } from '../onnx/index.ts'
import { brotliBytes, orderZeroBytes } from './baselines.ts'
import { inspect, sumOf } from './inspect.ts'
import { pack } from './pack.ts'

const UNSIGNED = { trust: 'unsigned' } as const

/** Values of uniform magnitude, so that order-0 is about as good as anything, and a tensor of one value. */
function tensors(): Record<'noise' | 'again' | 'constant', Tensor> {
  const random = rng(1)
  const noise = Float32Array.from({ length: 4096 }, () => random.uniform() - 0.5)
  const weights = (data: Float32Array): Tensor => ({ dtype: 'float32', shape: [64, 64], data })
  return { noise: weights(noise), again: weights(noise.slice()), constant: weights(new Float32Array(4096).fill(0.5)) }
}

async function packed(): Promise<Uint8Array> {
  const graph = makeGraph('g', {
    inputs: [makeValue('x', 'float32', [1, 64])],
    outputs: [makeValue('y', 'float32', [1, 64])],
    initializers: Object.entries(tensors()).map(([name, tensor]) => makeTensor(name, tensor)),
    nodes: [
      makeNode('MatMul', ['x', 'noise'], ['h']),
      makeNode('MatMul', ['h', 'again'], ['i']),
      makeNode('MatMul', ['i', 'constant'], ['y']),
    ],
  })
  return (await pack(writeModel(makeModel(graph)), { name: 'g', effort: 'fast' })).bytes
}

const bytesOf = ({ data }: Tensor): Uint8Array => new Uint8Array(data.buffer)

test('baselines are those of the decoded bytes, and totals are sums', async () => {
  const { tensors: found, weights } = await inspect(bytesSource(await packed()), { ...UNSIGNED, baselines: true })
  const raw = Object.values(tensors()).map(bytesOf)
  const brotli = await brotliBytes(raw)
  found.forEach((tensor, i) => {
    assert.equal(tensor.orderZeroBytes, orderZeroBytes('float32', raw[i]))
    assert.equal(tensor.brotliBytes, brotli[i])
    assert.deepEqual([tensor.elements, tensor.rawBytes], [4096, 16384])
    assert.equal(tensor.bitsPerWeight, tensor.packedBytes / 512)
  })
  assert.ok(found[2].packedBytes < 0.05 * found[0].packedBytes, 'tensors that share a chunk cost what is theirs')
  assert.deepEqual([found[1].circuit, found[1].packedBytes], ['repeat', 0])
  assert.deepEqual(weights, sumOf(found))
  assert.equal(weights.packedBytes, found[0].packedBytes + found[2].packedBytes)
  assert.equal(weights.brotliBytes, brotli[0] + brotli[1] + brotli[2])
})

test('brotli is left out above its limit, and both baselines by default', async () => {
  const source = bytesSource(await packed())
  for (const [options, keys] of [
    [{ baselines: true, brotliLimit: 3 * 16384 }, ['orderZeroBytes', 'brotliBytes']],
    [{ baselines: true, brotliLimit: 3 * 16384 - 1 }, ['orderZeroBytes']],
    [{}, []],
  ] as const) {
    const { tensors: found, weights } = await inspect(source, { ...UNSIGNED, ...options })
    for (const sizes of [...found, weights]) {
      assert.deepEqual(
        ['orderZeroBytes', 'brotliBytes'].filter((key) => key in sizes),
        keys,
      )
    }
  }
})

test('an effort that there is not is refused before any work', async () => {
  const effort = 'turbo' as 'best'
  await assert.rejects(pack(new Uint8Array(0), { name: 'g', effort }), {
    code: 'INVALID_ARGUMENT',
    message: 'The effort expected fast, default or best, got "turbo". Leave it out for default.',
  })
})
