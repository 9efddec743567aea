/**
 * Fitting the Mahalanobis detector (Lee et al. 2018, eq. 1): a Gaussian for each class, with one covariance for all. Without
 * labels there is one class: the Gaussian one-class baseline.
 *
 * `last-layer`, `concat` and `per-layer` are this fit on other columns of the features. Numbers are scaled by their own
 * deviation within classes first, so that shrinkage does not depend on the scale of a layer.
 */

import { HardpackError, toFloat16 } from '../../sdk/core/index.ts'
import { type ClassMoments, classMoments, leadingEigenpairs, ledoitWolf, tiedCovariance } from '../covariance.ts'
import { checkFeatures, type Features } from '../features.ts'
import { type Mahalanobis, SMALLEST_NORM } from './detector.ts'

export interface Labels {
  /** The class of each sample, 0 to names.length − 1. */
  readonly classes: ArrayLike<number>
  readonly names: readonly string[]
}

export interface MahalanobisOptions {
  /**
   * Directions kept, at most 256; the others count with their mean variance. All of them unless told, where there are at
   * most 256, else the leading 64: two reads of a wide basis are most of what the detector costs a large model.
   */
  rank?: number
  /** λ of (1 − λ)Σ + λI, in (0, 1], or `ledoit-wolf`, the default, which takes it from the samples. */
  shrinkage?: number | 'ledoit-wolf'
  /** Ren, Fort, Liu, Roy, Padhy, Lakshminarayanan, "A simple fix to Mahalanobis distance for improving near-OOD detection", 2021. */
  relative?: boolean
  /** Müller, Hein, "Mahalanobis++: improving OOD detection via feature normalization", ICML 2025. */
  normalised?: boolean
}

export const MAX_RANK = 256
const DEFAULT_RANK = 64
/** With fewer directions λ could be 0, and Σ singular. */
const SMALLEST_SHRINKAGE = 1e-6
/** Added to every variance, as a share of their mean: a unit that is dead in all samples must not divide by zero. */
const VARIANCE_FLOOR = 1e-6

/** What float16 holds. */
const LARGEST_MEAN = 65504

const refuse = (expected: string, got: string, hint?: string): never => {
  throw new HardpackError('INVALID_ARGUMENT', `A Mahalanobis fit expected ${expected}, got ${got}.`, { hint })
}

function checkLabels({ rows }: Features, { classes, names }: Labels): void {
  if (classes.length !== rows) refuse(`${rows} labels, one a sample`, `${classes.length}`)
  const counts = names.map(() => 0)
  for (let row = 0; row < rows; row++) {
    if (!(classes[row] in counts)) refuse(`labels from 0 to ${names.length - 1}`, `${classes[row]} in sample ${row}`)
    counts[classes[row]]++
  }
  const few = counts.findIndex((count) => count < 2)
  if (few >= 0) {
    refuse(
      'at least 2 samples a class',
      `${counts[few]} of "${names[few]}"`,
      'Give more samples of it, or leave the class out.',
    )
  }
}

/** Each row divided by its L2 norm. */
function normalise({ rows, columns, data }: Features): Features {
  const divided = new Float32Array(data.length)
  for (let row = 0; row < rows; row++) {
    const values = data.subarray(row * columns, (row + 1) * columns)
    const norm = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
    divided.set(
      values.map((value) => value / Math.max(norm, SMALLEST_NORM)),
      row * columns,
    )
  }
  return { rows, columns, data: divided }
}

/** The mean over samples of ‖x‖⁴, x less its class mean, scaled. */
function fourthMoment(
  { rows, columns, data }: Features,
  labels: ArrayLike<number>,
  { mean, classMeans }: ClassMoments,
  inverseScale: Float32Array,
): number {
  let total = 0
  for (let row = 0; row < rows; row++) {
    let squares = 0
    for (let i = 0; i < columns; i++) {
      squares += ((data[row * columns + i] - mean[i] - classMeans[labels[row] * columns + i]) * inverseScale[i]) ** 2
    }
    total += squares * squares
  }
  return total / rows
}

/** Σ scaled to a correlation matrix and the scale, after the floor of the variances. */
function standardise(covariance: Float64Array, columns: number): Float32Array {
  let trace = 0
  for (let i = 0; i < columns; i++) trace += covariance[i * (columns + 1)]
  if (!(trace > 0)) {
    refuse(
      'features that vary within a class',
      'the same numbers in every sample of it',
      'Check the inputs, and which layers are tapped.',
    )
  }
  const floor = (VARIANCE_FLOOR * trace) / columns
  const inverseScale = new Float32Array(columns)
  for (let i = 0; i < columns; i++) {
    covariance[i * (columns + 1)] += floor
    inverseScale[i] = 1 / Math.sqrt(covariance[i * (columns + 1)])
  }
  for (let i = 0; i < columns; i++) {
    for (let j = 0; j < columns; j++) covariance[i * columns + j] *= inverseScale[i] * inverseScale[j]
  }
  return inverseScale
}

/** How many directions to keep: as told, or by default what the samples can give. */
function rankFor(columns: number, freedom: number, told: number | undefined): number {
  if (told === undefined) return Math.min(columns <= MAX_RANK ? columns : DEFAULT_RANK, freedom)
  const most = Math.min(MAX_RANK, columns)
  if (!(Number.isInteger(told) && told >= 1 && told <= most)) refuse(`a rank from 1 to ${most}`, `${told}`)
  if (told > freedom) {
    refuse(
      `at least ${told} more samples than classes for rank ${told}`,
      `${freedom} more`,
      'Give more samples or a lower rank.',
    )
  }
  return told
}

/**
 * Fits the detector.
 *
 * @param features `[rows, columns]`, of clean samples that will not serve for calibration
 * @param labels the class of each sample and the names of the classes; without them one class, `all`
 * @returns numbers, strings and typed arrays only; basis and means rounded to float16, so that a package stays small
 * @throws HardpackError `INVALID_ARGUMENT` for NaN, fewer than two samples in a class, features without variance, labels that
 *   do not fit, a rank or shrinkage out of range.
 * @example
 * const detector = fitMahalanobis(features, { classes: [0, 1, 0, 1], names: ['cat', 'dog'] })
 */
export function fitMahalanobis(features: Features, labels?: Labels, options: MahalanobisOptions = {}): Mahalanobis {
  const { rank: toldRank, shrinkage = 'ledoit-wolf', relative = false, normalised = false } = options
  checkFeatures('Mahalanobis features', features)
  const { rows, columns } = features
  const { classes, names } = labels ?? { classes: new Uint8Array(rows), names: ['all'] }
  checkLabels(features, { classes, names })
  if (relative && names.length < 2) refuse('two classes or more for the relative distance', `${names.length}`)
  if (shrinkage !== 'ledoit-wolf' && !(shrinkage > 0 && shrinkage <= 1)) {
    refuse('a shrinkage above 0 and at most 1, or "ledoit-wolf"', `${shrinkage}`)
  }
  const rank = rankFor(columns, rows - names.length, toldRank)

  const taken = normalised ? normalise(features) : features
  const moments = classMoments(taken, classes, names.length)
  const correlation = tiedCovariance(taken, classes, moments)
  const inverseScale = standardise(correlation, columns)
  const lambda = Math.max(
    SMALLEST_SHRINKAGE,
    shrinkage === 'ledoit-wolf'
      ? ledoitWolf(correlation, fourthMoment(taken, classes, moments, inverseScale), rows)
      : shrinkage,
  )
  for (let i = 0; i < correlation.length; i++) correlation[i] *= 1 - lambda
  for (let i = 0; i < columns; i++) correlation[i * (columns + 1)] += lambda

  const { values, vectors } = leadingEigenpairs(correlation, rank)
  let kept = 0
  for (const value of values) kept += value
  let trace = 0
  for (let i = 0; i < columns; i++) trace += correlation[i * (columns + 1)]
  const whitening = Float32Array.from(values, (value) => 1 / Math.sqrt(value))
  const means = new Uint16Array(names.length * rank)
  for (let c = 0; c < names.length; c++) {
    for (let j = 0; j < rank; j++) {
      let sum = 0
      for (let i = 0; i < columns; i++) {
        sum += moments.classMeans[c * columns + i] * inverseScale[i] * vectors[i * rank + j]
      }
      const mean = sum * whitening[j]
      if (!(Math.abs(mean) <= LARGEST_MEAN)) {
        refuse(
          `class means within ${LARGEST_MEAN} standard deviations`,
          `${mean} for "${names[c]}"`,
          'Leave out the layer that is constant within classes.',
        )
      }
      means[c * rank + j] = toFloat16(mean)
    }
  }
  return {
    kind: 'mahalanobis',
    relative,
    normalised,
    classes: [...names],
    counts: moments.counts,
    columns,
    rank,
    shrinkage: lambda,
    center: Float32Array.from(moments.mean),
    inverseScale,
    basis: Uint16Array.from(vectors, toFloat16),
    whitening,
    means,
    restPrecision: rank < columns ? (columns - rank) / (trace - kept) : 0,
  }
}
