/**
 * Whitening: the leading eigen-directions of the covariance, each scaled to variance 1, or less where it hardly varies.
 * Isotropic pseudo-negatives make sense only in coordinates where genuine samples are isotropic too.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { classMoments, leadingEigenpairs, tiedCovariance } from '../covariance.ts'
import type { Features } from '../features.ts'

/** Added to every variance, as a share of the mean variance of a column: units that never fire are not blown up. */
const SHRINKAGE = 1e-3

export interface Whitening {
  readonly mean: Float64Array
  readonly rank: number
  /** rank × columns. */
  readonly matrix: Float64Array
  /** Standard deviation of each direction after whitening, up to 1. */
  readonly deviations: Float64Array
}

/**
 * Fits a whitening of at most `rank` directions.
 *
 * @throws HardpackError `INVALID_ARGUMENT` when all samples are the same.
 */
export function fitWhitening(features: Features, largestRank: number): Whitening {
  const { rows, columns } = features
  const labels = new Uint8Array(rows)
  const moments = classMoments(features, labels, 1)
  const covariance = tiedCovariance(features, labels, moments)
  let trace = 0
  for (let i = 0; i < columns; i++) trace += covariance[i * (columns + 1)]
  if (!(trace > 0)) {
    throw new HardpackError('INVALID_ARGUMENT', 'Hyp-OC features expected samples that differ, got constant ones.', {
      hint: 'Check that different inputs reach the model.',
    })
  }
  const rank = Math.min(largestRank, columns)
  const { values, vectors } = leadingEigenpairs(covariance, rank)
  const matrix = new Float64Array(rank * columns)
  const deviations = new Float64Array(rank)
  for (let k = 0; k < rank; k++) {
    const scale = 1 / Math.sqrt(values[k] + (SHRINKAGE * trace) / columns)
    deviations[k] = scale * Math.sqrt(Math.max(values[k], 0))
    for (let i = 0; i < columns; i++) matrix[k * columns + i] = scale * vectors[i * rank + k]
  }
  return { mean: moments.mean, rank, matrix, deviations }
}

/** rows × rank: the whitened samples. */
export function whiten({ mean, rank, matrix }: Whitening, { rows, columns, data }: Features): Float64Array {
  const z = new Float64Array(rows * rank)
  const centred = new Float64Array(columns)
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i++) centred[i] = data[row * columns + i] - mean[i]
    for (let k = 0, at = 0; k < rank; k++) {
      let sum = 0
      for (let i = 0; i < columns; i++, at++) sum += matrix[at] * centred[i]
      z[row * rank + k] = sum
    }
  }
  return z
}
