/**
 * Second moments of features: class means, one covariance that all classes share ("tied"), how far it is shrunk towards the
 * identity, and its leading eigenvectors. Everything is in float64, in a fixed order. Fit time only.
 */

import { EigenvalueDecomposition, Matrix, QrDecomposition } from 'ml-matrix'
import { rng } from '../sdk/core/index.ts'
import type { Features } from './features.ts'

export interface ClassMoments {
  /** Samples of each class. */
  readonly counts: readonly number[]
  /** The mean of all samples, `[columns]`. */
  readonly mean: Float64Array
  /** The means of the classes less `mean`, `[classes, columns]`. */
  readonly classMeans: Float64Array
}

/**
 * Means of features by class.
 *
 * @param labels the class of each sample, 0 to `classes` − 1
 * @example
 * classMoments({ rows: 2, columns: 1, data: Float32Array.of(1, 3) }, [0, 0], 1).mean // [2]
 */
export function classMoments(
  { rows, columns, data }: Features,
  labels: ArrayLike<number>,
  classes: number,
): ClassMoments {
  const counts = new Array<number>(classes).fill(0)
  const classMeans = new Float64Array(classes * columns)
  for (let row = 0; row < rows; row++) {
    counts[labels[row]]++
    const at = labels[row] * columns
    for (let i = 0; i < columns; i++) classMeans[at + i] += data[row * columns + i]
  }
  const mean = new Float64Array(columns)
  for (let c = 0; c < classes; c++) for (let i = 0; i < columns; i++) mean[i] += classMeans[c * columns + i] / rows
  for (let c = 0; c < classes; c++) {
    for (let i = 0; i < columns; i++) classMeans[c * columns + i] = classMeans[c * columns + i] / counts[c] - mean[i]
  }
  return { counts, mean, classMeans }
}

/** Samples whose outer products are summed in one sweep over the matrix: it is read and written a fourth as often. */
const TOGETHER = 4

/**
 * The tied covariance: the mean of (f − μ_class)(f − μ_class)ᵀ, divided by samples − classes, which makes it unbiased.
 *
 * @returns `[columns, columns]`, symmetric
 */
export function tiedCovariance(
  { rows, columns, data }: Features,
  labels: ArrayLike<number>,
  { mean, classMeans, counts }: ClassMoments,
): Float64Array {
  const sum = new Float64Array(columns * columns)
  const block = new Float64Array(TOGETHER * columns)
  for (let start = 0; start < rows; start += TOGETHER) {
    block.fill(0)
    for (let k = 0; k < TOGETHER && start + k < rows; k++) {
      const from = (start + k) * columns
      const own = labels[start + k] * columns
      for (let i = 0; i < columns; i++) block[k * columns + i] = data[from + i] - mean[i] - classMeans[own + i]
    }
    const [a, b, c, d] = [0, 1, 2, 3].map((k) => block.subarray(k * columns, (k + 1) * columns))
    for (let i = 0; i < columns; i++) {
      const [ai, bi, ci, di] = [a[i], b[i], c[i], d[i]]
      const at = i * columns
      for (let j = i; j < columns; j++) sum[at + j] += ai * a[j] + bi * b[j] + ci * c[j] + di * d[j]
    }
  }
  for (let i = 0; i < columns; i++) {
    for (let j = i; j < columns; j++) {
      sum[i * columns + j] /= rows - counts.length
      sum[j * columns + i] = sum[i * columns + j]
    }
  }
  return sum
}

/**
 * How far to shrink a covariance towards a multiple of the identity (Ledoit, Wolf, "A well-conditioned estimator for
 * large-dimensional covariance matrices", J. Multivariate Analysis 2004, lemma 3.3): λ = min(1, b² / d²), d² = ‖S − mI‖²,
 * b² = (Σ_k ‖x_k‖⁴ / n − ‖S‖²) / n, m = tr S / columns, in the Frobenius norm.
 *
 * @param covariance S, `[columns, columns]`
 * @param fourthMoment the mean over samples of ‖x‖⁴, x less the mean of its class
 * @param samples n
 */
export function ledoitWolf(covariance: Float64Array, fourthMoment: number, samples: number): number {
  const columns = Math.sqrt(covariance.length)
  let trace = 0
  let squares = 0
  for (let i = 0; i < columns; i++) trace += covariance[i * (columns + 1)]
  for (const value of covariance) squares += value * value
  const distance = squares - (trace * trace) / columns
  const noise = (fourthMoment - squares) / samples
  return distance <= 0 ? 1 : Math.min(1, Math.max(0, noise / distance))
}

export interface Eigenpairs {
  /** The largest eigenvalues, descending. */
  readonly values: Float64Array
  /** `[size, values.length]`: one eigenvector a column. */
  readonly vectors: Float64Array
}

/** Above this size only the leading part is computed: a full decomposition of 1,700 columns takes a minute. */
const FULL_DECOMPOSITION = 640
const SWEEPS = 4
const EXTRA = 16

/**
 * The leading eigenpairs of a symmetric matrix. Large matrices by subspace iteration from a seeded random start and
 * Rayleigh–Ritz (Halko, Martinsson, Tropp, SIAM Review 2011, algorithms 4.4 and 5.3).
 *
 * @param symmetric `[size, size]`
 * @param rank how many
 * @example
 * leadingEigenpairs(Float64Array.of(2, 0, 0, 3), 1).values // Float64Array [3]
 */
export function leadingEigenpairs(symmetric: Float64Array, rank: number): Eigenpairs {
  const size = Math.sqrt(symmetric.length)
  const matrix = Matrix.from1DArray(size, size, symmetric)
  const width = rank + EXTRA
  if (size <= FULL_DECOMPOSITION || width >= size) return descending(matrix, undefined, rank)
  const random = rng(0)
  let basis = Matrix.zeros(size, width)
  for (let i = 0; i < size; i++) for (let j = 0; j < width; j++) basis.set(i, j, random.uniform() - 0.5)
  for (let sweep = 0; sweep < SWEEPS; sweep++) basis = new QrDecomposition(matrix.mmul(basis)).orthogonalMatrix
  return descending(basis.transpose().mmul(matrix.mmul(basis)), basis, rank)
}

/** Eigenpairs of a small matrix, its vectors taken back through the basis that it is written in. */
function descending(small: Matrix, basis: Matrix | undefined, rank: number): Eigenpairs {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(small, { assumeSymmetric: true })
  const order = realEigenvalues
    .map((_, i) => i)
    .sort((a, b) => realEigenvalues[b] - realEigenvalues[a])
    .slice(0, rank)
  const chosen = eigenvectorMatrix.subMatrixColumn(order)
  const vectors = basis ? basis.mmul(chosen) : chosen
  return {
    values: Float64Array.from(order, (i) => realEigenvalues[i]),
    vectors: Float64Array.from(vectors.to1DArray()),
  }
}
