/**
 * How well scores separate abnormal inputs from clean ones (higher = more abnormal). Clean inputs are *all* clean inputs,
 * those that the model mistakes included.
 *
 * Names: a *detection* is an abnormal input above the threshold, a *false alarm* a clean one. "TNR at 95 % TPR" of the
 * out-of-distribution literature (Lee et al. 2018) calls clean inputs the positives: it is the share of abnormal inputs
 * detected where 95 % of the clean ones pass, that is at 5 % false alarms; its complement is "FPR at 95 % TPR".
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { clopperPearson, type Rate } from './interval.ts'

/** Points from (0, 0) to (1, 1), one for every different score: what is at or above it is called abnormal. */
export interface RocCurve {
  /** Share of clean inputs called abnormal, ascending. */
  readonly falseAlarms: Float64Array
  /** Share of abnormal inputs called abnormal, ascending. */
  readonly detections: Float64Array
  /** Descending from Infinity. */
  readonly thresholds: Float64Array
}

export interface Auroc {
  /** P(abnormal > clean) + ½ P(abnormal = clean). */
  readonly auroc: number
  /** Of DeLong. */
  readonly standardError: number
  /** 95 %. On the logit scale, so that it stays within [0, 1]. */
  readonly low: number
  readonly high: number
}

/**
 * The ROC curve.
 *
 * @param clean scores of clean inputs
 * @param abnormal scores of abnormal inputs
 * @throws HardpackError `INVALID_ARGUMENT` for no scores of either kind, or NaN.
 * @example
 * const { falseAlarms, detections } = rocCurve(cleanScores, oodScores)
 */
export function rocCurve(clean: ArrayLike<number>, abnormal: ArrayLike<number>): RocCurve {
  const negatives = sorted('clean', clean)
  const positives = sorted('abnormal', abnormal)
  const falseAlarms = [0]
  const detections = [0]
  const thresholds = [Number.POSITIVE_INFINITY]
  let i = negatives.length
  let j = positives.length
  while (i > 0 || j > 0) {
    const threshold = Math.max(
      negatives[i - 1] ?? Number.NEGATIVE_INFINITY,
      positives[j - 1] ?? Number.NEGATIVE_INFINITY,
    )
    while (i > 0 && negatives[i - 1] === threshold) i--
    while (j > 0 && positives[j - 1] === threshold) j--
    falseAlarms.push(1 - i / negatives.length)
    detections.push(1 - j / positives.length)
    thresholds.push(threshold)
  }
  return {
    falseAlarms: Float64Array.from(falseAlarms),
    detections: Float64Array.from(detections),
    thresholds: Float64Array.from(thresholds),
  }
}

const NORMAL_975 = 1.959963984540054

/**
 * The area under the ROC curve, which is the Mann–Whitney statistic with ties counted by half, and its 95 % interval by
 * DeLong, DeLong and Clarke-Pearson (Biometrics 1988), in O(n log n) by mid-ranks (Sun, Xu 2014). Where the two kinds do not
 * overlap, DeLong's error is 0 however few they are; then the interval is Clopper and Pearson's for as many disjoint pairs.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for no scores of either kind, or NaN.
 * @example
 * auroc([1, 2, 3], [2, 4]).auroc // 0.75
 */
export function auroc(clean: ArrayLike<number>, abnormal: ArrayLike<number>): Auroc {
  const negatives = sorted('clean', clean)
  const positives = sorted('abnormal', abnormal)
  // Structural components: for each input, the share of the other kind on its right side.
  const overClean = placements(positives, negatives)
  const overAbnormal = placements(negatives, positives)
  const area = mean(overClean)
  const standardError = Math.sqrt(variance(overClean) / positives.length + variance(overAbnormal) / negatives.length)
  if (standardError === 0 || area <= 0 || area >= 1) {
    const pairs = Math.min(positives.length, negatives.length)
    const { low, high } = clopperPearson(Math.round(area * pairs), pairs)
    return { auroc: area, standardError, low, high }
  }
  const logit = Math.log(area / (1 - area))
  const width = (NORMAL_975 * standardError) / (area * (1 - area))
  return {
    auroc: area,
    standardError,
    low: 1 / (1 + Math.exp(width - logit)),
    high: 1 / (1 + Math.exp(-width - logit)),
  }
}

/**
 * The share of abnormal inputs detected at the lowest threshold that lets at least a given share of clean inputs pass:
 * "TNR at 95 % TPR" of Lee et al. 2018 and others. With scores equal to the threshold passing.
 *
 * @param passing 0.95 unless said
 * @returns the detected share, with its 95 % interval for this threshold
 * @throws HardpackError `INVALID_ARGUMENT` for no scores of either kind, NaN, or a share outside (0, 1].
 * @example
 * tnrAtTpr([1, 2, 3, 4], [3, 5, 6], 0.75).rate // 0.667: above 3
 */
export function tnrAtTpr(clean: ArrayLike<number>, abnormal: ArrayLike<number>, passing = 0.95): Rate {
  const negatives = sorted('clean', clean)
  const positives = sorted('abnormal', abnormal)
  if (!(passing > 0 && passing <= 1)) {
    throw new HardpackError('INVALID_ARGUMENT', `A share of clean inputs expected a number in (0, 1], got ${passing}.`)
  }
  // Not ⌈0.95 · 100⌉ = 96, which rounding makes of it.
  const needed = Math.ceil(passing * negatives.length - 1e-9)
  const threshold = negatives[needed - 1]
  return clopperPearson(positives.filter((score) => score > threshold).length, positives.length)
}

/**
 * The share of inputs called abnormal at a level of p-values: false alarms where the inputs are clean, detections where
 * they are not.
 *
 * @param p p-values of inputs
 * @param alpha p ≤ α is called abnormal
 * @returns the rate with its 95 % interval
 * @throws HardpackError `INVALID_ARGUMENT` for no p-values, or NaN.
 * @example
 * rejectionRate([0.2, 0.01, 0.6, 0.05], 0.05).rate // 0.5
 */
export function rejectionRate(p: ArrayLike<number>, alpha: number): Rate {
  const values = sorted('p', p)
  return clopperPearson(values.filter((value) => value <= alpha).length, values.length)
}

function sorted(which: string, scores: ArrayLike<number>): Float64Array {
  const copy = Float64Array.from(scores).sort()
  // NaN sorts to the end.
  if (copy.length === 0 || Number.isNaN(copy[copy.length - 1])) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `A metric expected ${which} scores that are numbers, got ${copy.length === 0 ? 'none' : 'NaN'}.`,
    )
  }
  return copy
}

/** For each value, the share of the others below it, equal ones by half; all ascending. */
function placements(values: Float64Array, others: Float64Array): Float64Array {
  let below = 0
  let atMost = 0
  return values.map((value) => {
    while (below < others.length && others[below] < value) below++
    while (atMost < others.length && others[atMost] <= value) atMost++
    return (below + atMost) / 2 / others.length
  })
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Unbiased; 0 for a single value. */
function variance(values: Float64Array): number {
  if (values.length < 2) return 0
  const center = mean(values)
  return values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1)
}
