/**
 * Whitening: the leading eigen-directions of the covariance, each scaled to variance 1. Isotropic pseudo-negatives make
 * sense only in coordinates where genuine samples are isotropic too: a direction with less variance than the others gives
 * all pseudo-negatives away, and a network learns that alone. Hence no shrinkage; directions that hardly vary are left out.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { classMoments, leadingEigenpairs, tiedCovariance } from '../covariance.ts'
import type { Features } from '../features.ts'

/**
 * Least variance of a direction, as a share of the mean variance of a column. Dividing by less enlarges the rounding of
 * float32 in the graph.
 */
const LEAST_VARIANCE = 1e-4

export interface Whitening {
  readonly mean: Float64Array
  readonly rank: number
  /** rank × columns. */
  readonly matrix: Float64Array
}

/**
 * Fits a whitening of at most `largestRank` directions.
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
  const wanted = Math.min(largestRank, columns)
  const { values, vectors } = leadingEigenpairs(covariance, wanted)
  const rank = values.filter((variance) => variance > (LEAST_VARIANCE * trace) / columns).length
  const matrix = new Float64Array(rank * columns)
  for (let k = 0; k < rank; k++) {
    for (let i = 0; i < columns; i++) matrix[k * columns + i] = vectors[i * wanted + k] / Math.sqrt(values[k])
  }
  return { mean: moments.mean, rank, matrix }
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
