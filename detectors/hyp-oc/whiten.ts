/**
 * Whitening: the leading eigen-directions of the covariance, each scaled to variance 1, or less where it hardly varies.
 * Isotropic pseudo-negatives make sense only in coordinates where genuine samples are isotropic too.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { classMoments, leadingEigenpairs, ledoitWolf, tiedCovariance } from '../covariance.ts'
import type { Features } from '../features.ts'

/** Least shrinkage, for many samples: units that never fire are not blown up. */
const LEAST_SHRINKAGE = 1e-4

export interface Whitening {
  readonly mean: Float64Array
  readonly rank: number
  /** rank × columns. */
  readonly matrix: Float64Array
  /** Standard deviation of genuine samples in each direction after whitening; near 1 for many samples. */
  readonly deviations: Float64Array
}

/** The mean over samples of ‖f − mean‖⁴. */
function fourthMomentOf({ rows, columns, data }: Features, mean: Float64Array): number {
  let sum = 0
  for (let row = 0; row < rows; row++) {
    let squares = 0
    for (let i = 0; i < columns; i++) squares += (data[row * columns + i] - mean[i]) ** 2
    sum += squares * squares
  }
  return sum / rows
}

/**
 * Fits a whitening of at most `rank` directions. The covariance is shrunk towards a multiple of I by as much as the number of
 * samples asks for (Ledoit, Wolf 2004).
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
  const shrinkage = Math.max(LEAST_SHRINKAGE, ledoitWolf(covariance, fourthMomentOf(features, moments.mean), rows))
  const shrunk = values.map((value) => (1 - shrinkage) * value + (shrinkage * trace) / columns)
  const matrix = new Float64Array(rank * columns)
  const deviations = new Float64Array(rank)
  for (let k = 0; k < rank; k++) {
    const scale = 1 / Math.sqrt(shrunk[k])
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
