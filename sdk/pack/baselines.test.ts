import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brotliCompressSync } from 'node:zlib'
import { byteLength, type DType, rng, toBfloat16, toFloat16 } from '../core/index.ts'
import { brotliBytes, orderZeroBytes } from './baselines.ts'

const bytesOf = (array: { buffer: ArrayBufferLike }): Uint8Array => new Uint8Array(array.buffer)

function noise(length: number, seed: number): Uint8Array {
  const random = rng(seed)
  return Uint8Array.from({ length }, () => random.below(256))
}

test('of floats the exponent is coded, and sign and mantissa are not', () => {
  // 1024 numbers of four exponents, equally often: 2 bits each, whatever sign and mantissa are.
  const values = Float64Array.from(
    { length: 1024 },
    (_, i) => (i & 1 ? -1 : 1) * 2 ** ((i >> 1) % 4) * (1 + (i % 7) / 8),
  )
  const bits: [DType, Uint8Array, number][] = [
    ['float64', bytesOf(values), 53 + 2],
    ['float32', bytesOf(Float32Array.from(values)), 24 + 2],
    ['float16', bytesOf(Uint16Array.from(values, toFloat16)), 11 + 2],
    ['bfloat16', bytesOf(Uint16Array.from(values, toBfloat16)), 8 + 2],
  ]
  for (const [dtype, bytes, expected] of bits) assert.equal(orderZeroBytes(dtype, bytes), (1024 * expected) / 8, dtype)
})

test('of every other type each byte place is coded by itself', () => {
  const quarters = Uint8Array.from({ length: 4096 }, (_, i) => (i % 4 === 0 ? 7 : 9))
  const entropy = 0.25 * 2 + 0.75 * Math.log2(4 / 3)
  for (const dtype of ['int8', 'uint8', 'bool', 'int4', 'float8e4m3fn'] as const) {
    assert.equal(orderZeroBytes(dtype, quarters), Math.ceil((4096 * entropy) / 8), dtype)
  }
  const small = bytesOf(Int32Array.from({ length: 1024 }, (_, i) => i % 16))
  assert.equal(orderZeroBytes('int32', small), (1024 * 4) / 8)
  assert.equal(orderZeroBytes('int64', bytesOf(BigInt64Array.from({ length: 8 }, () => -1n))), 0)
  for (const dtype of ['float32', 'int8'] as const) {
    assert.equal(orderZeroBytes(dtype, new Uint8Array(byteLength(dtype, 0))), 0)
  }
})

test('brotli counts what each tensor adds: a repeat nothing, noise all of it', async () => {
  const [one, other] = [noise(600_000, 1), noise(5000, 2)]
  const progress: number[] = []
  const sizes = await brotliBytes([one, other, one, new Uint8Array(0), new Uint8Array(100_000)], {
    onProgress: ({ done }) => progress.push(done),
  })
  const alone = [one, other].map((bytes) => brotliCompressSync(bytes).length)
  assert.ok(Math.abs(sizes[0] - alone[0]) < 64 && Math.abs(sizes[1] - alone[1]) < 64, `${sizes}, alone ${alone}`)
  for (const size of sizes.slice(2)) assert.ok(size < 64, `${sizes}`)
  assert.equal(progress.at(-1), 1_305_000)
  assert.ok(progress.length >= 8, 'large tensors are reported on in between')
})

test('brotli can be aborted', async () => {
  const abort = new AbortController()
  const onProgress = ({ done }: { done: number }): void => {
    if (done > 0) abort.abort()
  }
  const tensors = [noise(3_000_000, 3)]
  await assert.rejects(brotliBytes(tensors, { signal: abort.signal, onProgress }), { code: 'ABORTED' })
})
