/**
 * Whitening: the leading eigen-directions of the covariance, each scaled to variance 1. Isotropic pseudo-negatives make
 * sense only in coordinates where genuine samples are isotropic too.
 */

import { EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { HardpackError } from '../../sdk/core/index.ts'
import type { Features } from '../features.ts'

/**
 * Directions with less than this share of the mean variance are left out: float32 noise, or units that never fire. Divided
 * by its tiny deviation such a direction would be the first thing that a network learns.
 */
const VARIANCE_FLOOR = 1e-4

export interface Whitening {
  readonly mean: Float64Array
  readonly rank: number
  /** rank × columns. */
  readonly matrix: Float64Array
}

function meanOf({ rows, columns, data }: Features): Float64Array {
  const mean = new Float64Array(columns)
  for (let row = 0, at = 0; row < rows; row++) for (let i = 0; i < columns; i++, at++) mean[i] += data[at] / rows
  return mean
}

/** Row by row, columns × columns; four samples at a time. */
function covarianceOf({ rows, columns, data }: Features, mean: Float64Array): Float64Array {
  const covariance = new Float64Array(columns * columns)
  const block = Array.from({ length: 4 }, () => new Float64Array(columns))
  for (let row = 0; row < rows; row += 4) {
    block.forEach((x, k) => {
      for (let i = 0; i < columns; i++) x[i] = row + k < rows ? data[(row + k) * columns + i] - mean[i] : 0
    })
    const [x0, x1, x2, x3] = block
    for (let i = 0; i < columns; i++) {
      const [a0, a1, a2, a3] = [x0[i], x1[i], x2[i], x3[i]]
      if (a0 === 0 && a1 === 0 && a2 === 0 && a3 === 0) continue
      for (let j = i, at = i * columns + i; j < columns; j++, at++) {
        covariance[at] += a0 * x0[j] + a1 * x1[j] + a2 * x2[j] + a3 * x3[j]
      }
    }
  }
  for (let i = 0; i < columns; i++) {
    for (let j = i; j < columns; j++) {
      covariance[i * columns + j] /= rows - 1
      covariance[j * columns + i] = covariance[i * columns + j]
    }
  }
  return covariance
}

/**
 * Fits a whitening of at most `rank` directions.
 *
 * @throws HardpackError `INVALID_ARGUMENT` when all samples are the same.
 */
export function fitWhitening(features: Features, rank: number): Whitening {
  const { columns } = features
  const mean = meanOf(features)
  const covariance = covarianceOf(features, mean)
  const matrix = Matrix.from1DArray(columns, columns, covariance)
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true })
  const floor = (VARIANCE_FLOOR * realEigenvalues.reduce((sum, value) => sum + value, 0)) / columns
  const leading = realEigenvalues
    .map((variance, at) => ({ variance, at }))
    .filter(({ variance }) => variance > floor)
    .sort((a, b) => b.variance - a.variance)
    .slice(0, rank)
  if (!(floor > 0 && leading.length > 0)) {
    throw new HardpackError('INVALID_ARGUMENT', 'Hyp-OC features expected samples that differ, got constant ones.', {
      hint: 'Check that different inputs reach the model.',
    })
  }
  const whitening = new Float64Array(leading.length * columns)
  leading.forEach(({ variance, at }, row) => {
    const scale = 1 / Math.sqrt(variance)
    for (let i = 0; i < columns; i++) whitening[row * columns + i] = scale * eigenvectorMatrix.get(i, at)
  })
  return { mean, rank: leading.length, matrix: whitening }
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
