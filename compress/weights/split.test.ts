import assert from 'node:assert/strict'
import { test } from 'node:test'
import { splitTensors } from './split.ts'

test('a chunk never gets more segments than a reader takes', () => {
  const tensors = Array.from(
    { length: 70000 },
    () => ({ dtype: 'uint8', shape: [1], bytes: new Uint8Array(1) }) as const,
  )
  const chunks = splitTensors(tensors)
  assert.deepEqual(
    chunks.map((parts) => parts.length),
    [65536, 70000 - 65536],
  )
})

test('a small last chunk joins the one before', () => {
  const tensor = (length: number) => ({ dtype: 'uint8', shape: [length], bytes: new Uint8Array(length) }) as const
  const chunks = splitTensors([tensor(1 << 20), tensor(1 << 17), tensor(1 << 17), tensor(1000)])
  assert.deepEqual(
    chunks.map((parts) => parts.length),
    [4],
  )
})
