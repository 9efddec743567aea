/**
 * Conformal p-values (Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005; Bates, Candès, Lei,
 * Romano, Sesia, "Testing for outliers with conformal p-values", Annals of Statistics 2023, eq. 2). For a score of the
 * same distribution as the calibration scores, P(p ≤ α) ≤ α for every α, whatever that distribution is.
 */

import { HardpackError } from '../../sdk/core/index.ts'

/** Which scores are strange: large ones, or both large and small ones (energy: attacks also make it abnormally low). */
export type Side = 'upper' | 'both'

/** Scores of calibration samples, ascending. */
export type ScoreTable = Float32Array | Float64Array

/**
 * The p-value of a score. With side `upper`, the share of calibration scores, itself counted, that are at least as large.
 * With side `both`, twice the smaller of that share and its mirror image, at most 1. Both are valid in finite samples:
 * for `both` by the union bound, and where no two scores are equal it is the exact conformal p-value of |rank − middle|.
 *
 * @param calibration scores of inputs that were not fitted on, ascending
 * @param score the score of the input in question; for a Float32Array of calibration scores, round it by `Math.fround` first
 * @returns `upper`: (1 + #{i : calibration_i ≥ score}) / (n + 1), in (0, 1]
 * @throws HardpackError `INVALID_ARGUMENT` for no calibration scores, or a score that is NaN.
 * @example
 * conformalPValue(Float64Array.of(1, 2, 3), 2.5) // 0.5
 */
export function conformalPValue(calibration: ScoreTable, score: number, side: Side = 'upper'): number {
  const n = calibration.length
  if (n === 0 || Number.isNaN(score)) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `A p-value expected calibration scores and a number, got ${n} scores and ${score}.`,
      {
        hint: 'Calibrate on inputs that the detector was not fitted on.',
      },
    )
  }
  const below = countBelow(calibration, score)
  const atLeast = 1 + n - below
  if (side === 'upper') return atLeast / (n + 1)
  const atMost = 1 + countUpTo(calibration, score, below)
  return Math.min(1, (2 * Math.min(atLeast, atMost)) / (n + 1))
}

/**
 * The p-value with equal scores counted by half: its mean is ½, ties or not, where that of p-values is above. It is the mean
 * of the smoothed p-value (Vovk et al. 2005) over its chance, so a martingale that is linear in p may bet on it. For
 * monitors; no promise about P(p ≤ α).
 *
 * @returns (#{i : calibration_i > score} + ½·(1 + #{i : calibration_i = score})) / (n + 1), or for both sides twice the
 *   distance of that from the nearer end
 * @example
 * midPValue(Float64Array.of(1, 2, 2), 2) // 0.375
 */
export function midPValue(calibration: ScoreTable, score: number, side: Side = 'upper'): number {
  const n = calibration.length
  const lower = countBelow(calibration, score)
  const upper = n - countUpTo(calibration, score, lower)
  const middle = (upper + (n + 1 - upper - lower) / 2) / (n + 1)
  return side === 'upper' ? middle : 2 * Math.min(middle, 1 - middle)
}

/**
 * The scores that are not rejected when the `rank` smallest p-values are: those in [low, high].
 *
 * @param rank k of `levelFor`: rejected is p ≤ k / (n + 1)
 * @returns bounds for reports, infinite where a side rejects nothing
 * @example
 * acceptedScores(Float64Array.of(1, 2, 3), 1) // { low: -Infinity, high: 3 }: 3.1 has p = 1/4
 */
export function acceptedScores(
  calibration: ScoreTable,
  rank: number,
  side: Side = 'upper',
): { readonly low: number; readonly high: number } {
  const tail = side === 'upper' ? rank : rank >> 1
  const high = tail >= 1 ? calibration[calibration.length - tail] : Number.POSITIVE_INFINITY
  return { low: side === 'both' && tail >= 1 ? calibration[tail - 1] : Number.NEGATIVE_INFINITY, high }
}

/** How many scores of a table are smaller than a score. */
function countBelow(table: ScoreTable, score: number): number {
  let low = 0
  let high = table.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (table[middle] < score) low = middle + 1
    else high = middle
  }
  return low
}

/** How many scores of a table are not larger than a score, of which so many are smaller. */
function countUpTo(table: ScoreTable, score: number, below: number): number {
  if (table[below] !== score) return below
  let low = below
  let high = table.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (table[middle] <= score) low = middle + 1
    else high = middle
  }
  return low
}
