/**
 * A new class on the device: class-incremental use of the tied Gaussian (Lee et al. 2018, section 2.3). The mean of the new
 * class is added, and the covariance becomes that of all samples so far. In z the old covariance is I, so the new one
 * is (n·I + scatter) / (n + new), a matrix of rank × rank, and the features of the old samples are not needed.
 */

import { HardpackError, toFloat16 } from '../../sdk/core/index.ts'
import { checkFeatures, type Features } from '../features.ts'
import { cholesky, inverseTransposed, type Mahalanobis, widen } from './detector.ts'
import { whiten } from './score.ts'

/**
 * Where the new class lies off the basis, its direction joins the basis: else every sample of it would be as strange as
 * before. The old classes lie at 0 on it.
 */
function withDirectionOf(detector: Mahalanobis, features: Features): Mahalanobis {
  const { columns, rank, restPrecision, whitening, classes } = detector
  if (restPrecision === 0) return detector
  const { x } = whiten(detector, features)
  const direction = new Float64Array(columns)
  for (let i = 0; i < x.length; i++) direction[i % columns] += x[i] / features.rows
  const basis = widen(detector.basis)
  const along = new Float64Array(rank)
  for (let i = 0; i < columns; i++) for (let j = 0; j < rank; j++) along[j] += direction[i] * basis[i * rank + j]
  for (let i = 0; i < columns; i++) for (let j = 0; j < rank; j++) direction[i] -= along[j] * basis[i * rank + j]
  const norm = Math.hypot(...direction)
  if (norm ** 2 * restPrecision < 1) return detector

  const wider = rank + 1
  const grown = new Uint16Array(columns * wider)
  for (let i = 0; i < columns; i++) {
    grown.set(detector.basis.subarray(i * rank, (i + 1) * rank), i * wider)
    grown[i * wider + rank] = toFloat16(direction[i] / norm)
  }
  const diagonal = whitening.length === rank
  const matrix = new Float32Array(diagonal ? wider : wider * wider)
  if (diagonal) matrix.set(whitening)
  else for (let j = 0; j < rank; j++) matrix.set(whitening.subarray(j * rank, (j + 1) * rank), j * wider)
  matrix[matrix.length - 1] = Math.sqrt(restPrecision)
  const means = new Uint16Array(classes.length * wider)
  for (let c = 0; c < classes.length; c++) means.set(detector.means.subarray(c * rank, (c + 1) * rank), c * wider)
  return { ...detector, rank: wider, basis: grown, whitening: matrix, means }
}

/**
 * Adds a class to a detector.
 *
 * @param name of the new class
 * @param features `[rows, columns]` of samples of it, at least two, from the layers that the detector was fitted on
 * @returns a new detector; the old one is as it was
 * @throws HardpackError `INVALID_ARGUMENT` for fewer than two samples, a name that is taken, another number of columns, NaN.
 * @example
 * const wider = addClass(detector, 'sandal', featuresOfSandals)
 */
export function addClass(detector: Mahalanobis, name: string, features: Features): Mahalanobis {
  checkFeatures('Features of the new class', features, detector.columns)
  const { rows } = features
  const refuse = (expected: string, got: string): never => {
    throw new HardpackError('INVALID_ARGUMENT', `A new class expected ${expected}, got ${got}.`)
  }
  if (rows < 2) refuse('at least 2 samples', `${rows}`)
  if (detector.classes.includes(name)) refuse('a name of its own', `"${name}", which is there already`)

  const widened = withDirectionOf(detector, features)
  const { rank, counts, classes } = widened
  const { z } = whiten(widened, features)
  const mean = new Float64Array(rank)
  for (let i = 0; i < z.length; i++) mean[i % rank] += z[i] / rows
  const before = counts.reduce((sum, count) => sum + count, 0) - classes.length
  const covariance = new Float64Array(rank * rank)
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < rank; i++) {
      const deviation = (z[row * rank + i] - mean[i]) / (before + rows - 1)
      for (let j = 0; j < rank; j++) covariance[i * rank + j] += deviation * (z[row * rank + j] - mean[j])
    }
  }
  for (let i = 0; i < rank; i++) covariance[i * (rank + 1)] += before / (before + rows - 1)
  const change = inverseTransposed(cholesky(covariance, rank), rank)

  const product = (left: Float64Array): Float64Array => {
    const result = new Float64Array(left.length)
    for (let row = 0; row < left.length; row += rank) {
      for (let k = 0; k < rank; k++) {
        for (let j = k; j < rank; j++) result[row + j] += left[row + k] * change[k * rank + j]
      }
    }
    return result
  }
  const { whitening } = widened
  const full = new Float64Array(rank * rank)
  if (whitening.length === rank) for (let i = 0; i < rank; i++) full[i * (rank + 1)] = whitening[i]
  else full.set(whitening)
  const means = Float64Array.from([...widen(widened.means), ...mean])
  return {
    ...widened,
    classes: [...classes, name],
    counts: [...counts, rows],
    whitening: Float32Array.from(product(full)),
    means: Uint16Array.from(product(means), toFloat16),
  }
}
