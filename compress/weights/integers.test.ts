/** Integers whose rows and columns have scales of their own cost about what their entropy is when these are known. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rng } from '../../sdk/core/index.ts'
import { encodeWeights } from './encode.ts'

/** Rounded Gaussians with these scales, and their entropy in bytes: for each scale, of the distribution itself. */
function drawn(rows: readonly number[], columns: readonly number[]): { bytes: Uint8Array; entropy: number } {
  const random = rng(7)
  const gaussian = (): number =>
    Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform())
  const values = new Int8Array(rows.length * columns.length)
  let bits = 0
  rows.forEach((row, r) => {
    columns.forEach((column, c) => {
      const scale = row * column
      const value = Math.max(-128, Math.min(127, Math.round(scale * gaussian())))
      values[r * columns.length + c] = value
      // The mass of an interval by its middle, which from a scale of one on is close; below that nearly all are 0.
      const density = Math.exp(-((value / scale) ** 2) / 2) / (scale * Math.sqrt(2 * Math.PI))
      bits += scale < 0.2 ? 0 : -Math.log2(Math.min(1, density))
    })
  })
  return { bytes: new Uint8Array(values.buffer), entropy: bits / 8 }
}

const sizeOf = async (shape: number[], bytes: Uint8Array): Promise<number> => {
  const { chunks } = await encodeWeights([{ dtype: 'int8', shape, bytes }])
  return chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0)
}

test('rows and columns far below the scale of the whole tensor have classes of their own', async () => {
  const rows = Array.from({ length: 128 }, (_, r) => 40 / 2 ** (r % 5))
  const columns = Array.from({ length: 256 }, (_, c) => 1 / 2 ** ((c >> 2) % 2))
  const { bytes, entropy } = drawn(rows, columns)
  const size = await sizeOf([128, 256], bytes)
  assert.ok(size < 1.04 * entropy, `${size} bytes, entropy ${entropy}`)
})

test('dead rows and dead columns cost next to nothing', async () => {
  const rows = Array.from({ length: 128 }, (_, r) => (r % 2 ? 30 : 0.01))
  const columns = Array.from({ length: 256 }, (_, c) => (c % 4 === 1 ? 0.001 : 1))
  const { bytes, entropy } = drawn(rows, columns)
  const size = await sizeOf([128, 256], bytes)
  assert.ok(size < 1.06 * entropy, `${size} bytes, entropy ${entropy}`)
})
