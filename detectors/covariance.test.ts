import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classMoments, leadingEigenpairs, ledoitWolf, tiedCovariance } from './covariance.ts'
import { waveLabels, waves } from './mahalanobis/waves.fixture.ts'

const near = (actual: number, expected: number, tolerance = 1e-6): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)), `${actual} for ${expected}`)

const moments = classMoments(waves, waveLabels.classes, 3)
const covariance = tiedCovariance(waves, waveLabels.classes, moments)

test('the tied covariance and its eigenvalues are those of numpy', () => {
  const firstRow = [
    0.5789762157199334, 0.05034773364916992, 0.05336655984342916, 0.0560827997312117, 0.06204024532302117,
  ]
  firstRow.forEach((value, j) => {
    near(covariance[j], value)
    near(covariance[5 * j], value)
  })
  const values = [0.7988913630451275, 0.540467798798544, 0.5213981960257822, 0.5148971703975853, 0.49762547068225316]
  leadingEigenpairs(covariance, 5).values.forEach((value, i) => {
    near(value, values[i])
  })
})

test('the number of samples need not divide by the block', () => {
  for (const rows of [57, 58, 59]) {
    const fewer = { rows, columns: 5, data: waves.data.subarray(0, rows * 5) }
    const own = classMoments(fewer, waveLabels.classes, 3)
    const got = tiedCovariance(fewer, waveLabels.classes, own)
    let expected = 0
    for (let row = 0; row < rows; row++) {
      const c = row % 3
      const deviation = (j: number) => fewer.data[row * 5 + j] - own.mean[j] - own.classMeans[c * 5 + j]
      expected += (deviation(1) * deviation(3)) / (rows - 3)
    }
    near(got[1 * 5 + 3], expected, 1e-12)
  }
})

test('Ledoit–Wolf is the definition summed sample by sample (numpy)', () => {
  // Deviations scaled by 1 to 5, and their covariance over n.
  const x = Array.from({ length: 60 }, (_, row) =>
    Array.from(
      { length: 5 },
      (_, j) => (j + 1) * (waves.data[row * 5 + j] - moments.mean[j] - moments.classMeans[(row % 3) * 5 + j]),
    ),
  )
  const plain = new Float64Array(25)
  for (let i = 0; i < 5; i++)
    for (let j = 0; j < 5; j++) for (const row of x) plain[i * 5 + j] += (row[i] * row[j]) / 60
  const fourth = x.reduce((sum, row) => sum + row.reduce((s, v) => s + v * v, 0) ** 2 / 60, 0)
  near(ledoitWolf(plain, fourth, 60), 0.12055508767119091)
  assert.equal(ledoitWolf(Float64Array.of(2, 0, 0, 2), 8, 10), 1, 'a multiple of the identity is its own target')
})

test('large matrices: leading eigenpairs satisfy their equation', () => {
  // Σ_k w_k u_k u_kᵀ + I, u the discrete cosine basis: eigenvalues w_k + 1 are known.
  const size = 700
  const weights = [90, 60, 40, 25, 16]
  const u = weights.map((_, k) =>
    Array.from({ length: size }, (_, i) => Math.sqrt(2 / size) * Math.cos((Math.PI * (k + 1) * (i + 0.5)) / size)),
  )
  const matrix = new Float64Array(size * size)
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      matrix[i * size + j] = weights.reduce((sum, w, k) => sum + w * u[k][i] * u[k][j], i === j ? 1 : 0)
    }
  }
  const { values, vectors } = leadingEigenpairs(matrix, 5)
  weights.forEach((w, k) => {
    near(values[k], w + 1, 1e-6)
    const along = u[k].reduce((sum, value, i) => sum + value * vectors[i * 5 + k], 0)
    near(Math.abs(along), 1, 1e-6)
  })
})
