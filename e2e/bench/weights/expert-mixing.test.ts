/** The bounds against sources whose entropy is known. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rng } from '../../../sdk/core/index.ts'
import { predictCausally, transposed } from './causal-regression.ts'
import { Experts, type Field } from './expert-mixing.ts'

/** Independent Gaussians of unit variance. */
function gaussians(count: number, seed: number): Float64Array {
  const random = rng(seed)
  return Float64Array.from({ length: count }, () => {
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()))
    return radius * Math.cos(2 * Math.PI * random.uniform())
  })
}

/** Rows that share three directions, which make up half of their variance. */
function lowRank(rows: number, columns: number, seed: number): Float64Array {
  const noise = gaussians(rows * columns, seed)
  const left = gaussians(rows * 3, seed + 1)
  const right = gaussians(columns * 3, seed + 2)
  return noise.map((own, i) => {
    const [r, c] = [Math.floor(i / columns), i % columns]
    const common = left[3 * r] * right[3 * c] + left[3 * r + 1] * right[3 * c + 1] + left[3 * r + 2] * right[3 * c + 2]
    return Math.sqrt(0.5) * (own + common / Math.sqrt(3))
  })
}

function integers(values: Float64Array, rows: number, columns: number): Field {
  return {
    rows,
    columns,
    inner: 1,
    values: values.map((value) => Math.max(-128, Math.min(127, Math.round(20 * value)))),
    edges: Float64Array.from({ length: 257 }, (_, symbol) => symbol - 128.5),
    floor: 1 / 12,
    unitOf: () => 1,
  }
}

test('a prediction does not see what comes later, and in noise there is nothing to predict', () => {
  const matrix = Float32Array.from(lowRank(64, 48, 3))
  const expected = predictCausally(matrix, 64, 48, 1)
  const other = matrix.slice()
  const at = 50 * 48 + 20
  for (let i = at; i < other.length; i++) other[i] = -3 * other[i] + 1
  assert.deepEqual(predictCausally(other, 64, 48, 1).subarray(0, at + 1), expected.subarray(0, at + 1))
  const noise = Float32Array.from(gaussians(64 * 48, 8))
  const error = predictCausally(noise, 64, 48, 8).reduce((sum, mean, i) => sum + (noise[i] - mean) ** 2, 0)
  assert.ok(error > 0.97 * noise.reduce((sum, x) => sum + x * x, 0))
})

test('a transposed matrix transposed is the matrix', () => {
  const matrix = Float32Array.from(gaussians(15, 1))
  assert.deepEqual(transposed(transposed(matrix, 3, 5), 5, 3), matrix)
})

test('independent Gaussians take their entropy, and not less', () => {
  const entropy = Math.log2(20 * Math.sqrt(2 * Math.PI * Math.E))
  const { mixed, counted } = new Experts(true).lengthOf(integers(gaussians(128 * 256, 5), 128, 256))
  for (const bits of [mixed / (128 * 256), counted / (128 * 256)]) {
    assert.ok(bits > entropy - 0.01 && bits < entropy + 0.1, `${bits} bits, entropy ${entropy}`)
  }
})

test('regression finds directions that rows share, which other experts cannot', () => {
  const field = integers(lowRank(256, 128, 9), 256, 128)
  const without = new Experts(false).lengthOf(field).mixed / (256 * 128)
  const regressed = new Experts(true).lengthOf(field).mixed / (256 * 128)
  // Half of the variance is half a bit; directions have to be learnt, and the place of each row in them.
  assert.ok(regressed < without - 0.15 && regressed > without - 0.55, `${without} bits, ${regressed} with regression`)
})
