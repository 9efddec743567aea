/**
 * What a fitted Mahalanobis detector is made of, and the small dense algebra that a device may need (`addClass`, `relative`).
 *
 * A sample f becomes x = (f − center) ∘ inverseScale, then y = x·V with V `[columns, rank]` orthonormal, then
 * z = y ∘ w (or y·W once a class was added), in which every class has covariance I.
 */

import { fromFloat16 } from '../../sdk/core/index.ts'

export interface Mahalanobis {
  readonly kind: 'mahalanobis'
  /** Subtract the distance to one Gaussian of all classes (Ren et al. 2021). */
  readonly relative: boolean
  /** Divide features by their L2 norm first (Müller and Hein 2025). */
  readonly normalised: boolean
  /** Names of the classes. */
  readonly classes: readonly string[]
  /** Samples that each class was fitted on. */
  readonly counts: readonly number[]
  readonly columns: number
  readonly rank: number
  /** λ, how far the covariance was shrunk. */
  readonly shrinkage: number
  /** The mean of all samples, `[columns]`. */
  readonly center: Float32Array
  /** 1 / the standard deviation of each number within its class, `[columns]`. */
  readonly inverseScale: Float32Array
  /** V, `[columns, rank]`, float16 bit patterns. */
  readonly basis: Uint16Array
  /** w `[rank]`, or W `[rank, rank]`. */
  readonly whitening: Float32Array
  /** Means of the classes as z, `[classes, rank]`, float16 bit patterns. */
  readonly means: Uint16Array
  /** 1 / σ², σ² the mean variance in a direction that V leaves out; 0 where it leaves out none. */
  readonly restPrecision: number
}

/** Divisors of norms are at least this, so that a sample of zeros stays one. */
export const SMALLEST_NORM = 1e-12

/** Float16 bit patterns as numbers. */
export function widen(halves: Uint16Array): Float64Array {
  return Float64Array.from(halves, fromFloat16)
}

/**
 * The lower triangle L of LLᵀ = A. A matrix of rank × rank, at most 256, on a device: too small to ship a library for.
 *
 * @param symmetric A, `[size, size]`, positive definite
 */
export function cholesky(symmetric: Float64Array, size: number): Float64Array {
  const lower = new Float64Array(size * size)
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = symmetric[i * size + j]
      for (let k = 0; k < j; k++) sum -= lower[i * size + k] * lower[j * size + k]
      lower[i * size + j] = i === j ? Math.sqrt(sum) : sum / lower[j * size + j]
    }
  }
  return lower
}

/** L⁻ᵀ of a lower triangle L: z·L⁻ᵀ has covariance I where z has LLᵀ. */
export function inverseTransposed(lower: Float64Array, size: number): Float64Array {
  const upper = new Float64Array(size * size)
  for (let column = 0; column < size; column++) {
    for (let i = column; i < size; i++) {
      let sum = i === column ? 1 : 0
      for (let k = column; k < i; k++) sum -= lower[i * size + k] * upper[column * size + k]
      upper[column * size + i] = sum / lower[i * size + i]
    }
  }
  return upper
}

/**
 * What whitens z for the background Gaussian of the relative distance, `[rank, rank]`. All samples together have covariance
 * I + Σ_c (n_c / n) μ_c μ_cᵀ in z: within classes plus between them.
 */
export function backgroundWhitening({ counts, means, rank }: Mahalanobis): Float64Array {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const mu = widen(means)
  const covariance = new Float64Array(rank * rank)
  for (let i = 0; i < rank; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = i === j ? 1 : 0
      for (let c = 0; c < counts.length; c++) sum += (counts[c] / total) * mu[c * rank + i] * mu[c * rank + j]
      covariance[i * rank + j] = sum
      covariance[j * rank + i] = sum
    }
  }
  return inverseTransposed(cholesky(covariance, rank), rank)
}
