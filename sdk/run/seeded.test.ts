import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { bytesOf, fromFloat16 } from '../core/index.ts'
import { seededTensor } from './seeded.ts'

test('the bits of a seed are part of the format: they never change', () => {
  const digests = (
    ['float32', 'float16', 'bfloat16', 'float64', 'int8', 'uint8', 'int32', 'int64', 'bool'] as const
  ).map((dtype) =>
    createHash('sha256')
      .update(bytesOf(seededTensor(dtype, [3, 5], 42, 128)))
      .digest('hex')
      .slice(0, 8),
  )
  assert.deepEqual(digests, DIGESTS)
})

const DIGESTS = [
  'a444f673',
  'a1e36e5a',
  'b50e8cac',
  'bbc3a349',
  '15a480d6',
  'b0c22149',
  'b54aa8d2',
  'f9246ec6',
  '1dba7333',
]

test('floats lie in [-amplitude, amplitude), spread over it, and are multiples of 2^-23 of it', () => {
  const { data } = seededTensor('float32', [4096], 1, 128)
  const values = [...(data as Float32Array)]
  assert.ok(Math.min(...values) >= -128 && Math.max(...values) < 128)
  assert.ok(Math.min(...values) < -120 && Math.max(...values) > 120)
  assert.ok(values.every((value) => Number.isInteger((value / 128) * 2 ** 23)))
  assert.ok(Math.abs(values.reduce((sum, value) => sum + value, 0) / values.length) < 5)
})

test('the float16 of a seed is the rounded float32 of it', () => {
  const half = seededTensor('float16', [64], 9, 1)
  const single = seededTensor('float32', [64], 9, 1)
  half.data.forEach((bits, i) => {
    assert.ok(Math.abs(fromFloat16(Number(bits)) - Number(single.data[i])) <= 2 ** -11)
  })
})

test('bytes span all values, wide integers stay below the amplitude', () => {
  const bytes = new Set([...(seededTensor('uint8', [8192], 3, 1).data as Uint8Array)])
  assert.equal(bytes.size, 256)
  assert.ok((seededTensor('int64', [500], 3, 2).data as BigInt64Array).every((value) => value === 0n || value === 1n))
})

test('a type without a seeded form is refused with what to do', () => {
  assert.throws(() => seededTensor('float8e5m2', [1], 1, 1), { code: 'UNSUPPORTED_MODEL', message: /--golden/ })
})
