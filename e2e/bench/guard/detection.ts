/** What the guard finds: every set against all clean test images, those that the classifier gets wrong included. */

import { type Auroc, auroc, tnrAtTpr } from '../../../detectors/metrics/index.ts'
import type { Scored } from './packages.ts'

export interface DetectionRow {
  readonly set: string
  readonly images: number
  readonly detector: string
  /** In percent, with its 95 % interval. */
  readonly auroc: number
  readonly low: number
  readonly high: number
  /** Share of the set that is found, in percent, where 95 % of the clean images pass (Lee et al. 2018: clean is positive). */
  readonly tnrAtTpr95: number
  /** Share of the set with p ≤ 0.05, in percent. */
  readonly detected: number
}

const FLAGGED = 0.05

/** One row a detector, and one for the guard as a whole. */
export function detectionOf(set: string, clean: Scored, other: Scored): DetectionRow[] {
  const row = (detector: string, negatives: Float64Array, positives: Float64Array, p: Float64Array): DetectionRow => {
    const area: Auroc = auroc(negatives, positives)
    const { rate } = tnrAtTpr(negatives, positives)
    return {
      set,
      images: positives.length,
      detector,
      auroc: 100 * area.auroc,
      low: 100 * area.low,
      high: 100 * area.high,
      tnrAtTpr95: 100 * rate,
      detected: (100 * p.filter((value) => value <= FLAGGED).length) / p.length,
    }
  }
  const strange = (p: Float64Array): Float64Array => p.map((value) => -value)
  return [
    row('guard as a whole', strange(clean.p), strange(other.p), other.p),
    ...Object.entries(other.detectors).map(([detector, { scores, p }]) =>
      row(detector, clean.detectors[detector].scores, scores, p),
    ),
  ]
}
