/**
 * The Mahalanobis score in plain TypeScript: the reference that the head in the graph must equal, and what a device uses
 * after `addClass`.
 *
 * Lee, Lee, Lee, Shin, "A simple unified framework for detecting out-of-distribution samples and adversarial attacks", NeurIPS
 * 2018, eq. 2: min_c (f − μ_c)ᵀ Σ⁻¹ (f − μ_c). Where the basis leaves directions out, those count with their mean variance
 * (probabilistic principal components: Tipping, Bishop 1999): without them the detector would be blind there.
 */

import { checkFeatures, type Features } from '../features.ts'
import { backgroundWhitening, type Mahalanobis, SMALLEST_NORM, widen } from './detector.ts'

/** A sample in the coordinates of a detector. */
export interface Whitened {
  /** `[rows, rank]` */
  readonly z: Float64Array
  /** What the basis leaves out, as squared standard deviations, `[rows]`. */
  readonly rest: Float64Array
  /** x, `[rows, columns]`: centred and scaled features. */
  readonly x: Float64Array
}

/** Takes features, checked before, into the coordinates of a detector. */
export function whiten(detector: Mahalanobis, { rows, data }: Features): Whitened {
  const { columns, rank, center, inverseScale, whitening, restPrecision, normalised } = detector
  const basis = widen(detector.basis)
  const x = new Float64Array(rows * columns)
  const z = new Float64Array(rows * rank)
  const rest = new Float64Array(rows)
  const y = new Float64Array(rank)
  for (let row = 0; row < rows; row++) {
    const from = row * columns
    let squares = 0
    if (normalised) for (let i = 0; i < columns; i++) squares += data[from + i] * data[from + i]
    const norm = normalised ? Math.max(Math.sqrt(squares), SMALLEST_NORM) : 1
    y.fill(0)
    for (let i = 0; i < columns; i++) {
      const value = (data[from + i] / norm - center[i]) * inverseScale[i]
      x[from + i] = value
      for (let j = 0; j < rank; j++) y[j] += value * basis[i * rank + j]
    }
    for (let j = 0; j < rank; j++) {
      if (whitening.length === rank) z[row * rank + j] = y[j] * whitening[j]
      else for (let k = 0; k < rank; k++) z[row * rank + j] += y[k] * whitening[k * rank + j]
    }
    if (restPrecision === 0) continue
    let energy = 0
    for (let i = 0; i < columns; i++) {
      let left = x[from + i]
      for (let j = 0; j < rank; j++) left -= y[j] * basis[i * rank + j]
      energy += left * left
    }
    rest[row] = energy * restPrecision
  }
  return { z, rest, x }
}

/**
 * Scores samples by their squared distance to the nearest class.
 *
 * @param features `[rows, columns]`, from the layers that the detector was fitted on
 * @returns one score a sample, in squared standard deviations; larger is stranger. A relative detector's may be negative.
 * @throws HardpackError `INVALID_ARGUMENT` for another number of columns, NaN or infinity.
 * @example
 * const strange = scoreMahalanobis(detector, features).map((score) => score > threshold)
 */
export function scoreMahalanobis(detector: Mahalanobis, features: Features): Float64Array {
  const { rank, columns, classes, relative } = detector
  checkFeatures('Mahalanobis features', features, columns)
  const { z, rest } = whiten(detector, features)
  const means = widen(detector.means)
  const background = relative ? backgroundWhitening(detector) : undefined
  const scores = new Float64Array(features.rows)
  for (let row = 0; row < features.rows; row++) {
    const at = row * rank
    let nearest = Number.POSITIVE_INFINITY
    for (let c = 0; c < classes.length; c++) {
      let distance = 0
      for (let j = 0; j < rank; j++) distance += (z[at + j] - means[c * rank + j]) ** 2
      nearest = Math.min(nearest, distance)
    }
    if (!background) {
      scores[row] = nearest + rest[row]
      continue
    }
    // The directions left out count the same for every class and for the background.
    let distance = 0
    for (let j = 0; j < rank; j++) {
      let sum = 0
      for (let k = 0; k < rank; k++) sum += z[at + k] * background[k * rank + j]
      distance += sum * sum
    }
    scores[row] = nearest - distance
  }
  return scores
}
