/**
 * Interpolated ranks: what goes into a combined statistic in the place of p-values. Between two scores of the table the
 * rank runs linearly from one's p-value to the other's, and beyond the largest score it falls towards 0, so inputs that are
 * strange to different degrees differ. P-values themselves would all be 1/(n + 1) there, and the ties would make the combined
 * test conservative (half the rate at n = 40). No p-value: only the second table gives the result its meaning.
 *
 * Only + − × ÷ in a fixed order, so that a table made in one engine means the same in another.
 */

import type { ScoreTable, Side } from './conformal.ts'

/** The tail beyond the table halves over the distance between its largest score and this share from the top. */
const TAIL_SHARE = 1 / 20

/**
 * The interpolated rank of a score.
 *
 * @param table scores, ascending, at least one
 * @returns a number in (0, 1], small = strange; at a score of the table its p-value
 * @example
 * interpolatedRank(Float32Array.of(1, 2, 3), 2.5, 'upper') // 0.625: between 3/4 at 2 and 2/4 at 3
 */
export function interpolatedRank(table: ScoreTable, score: number, side: Side): number {
  const upper = upperRank(table, score, 1)
  return side === 'upper' ? upper : Math.min(1, 2 * Math.min(upper, upperRank(table, -score, -1)))
}

/** The rank from above of a score in the table, or in the negated table with sign −1. */
function upperRank(table: ScoreTable, score: number, sign: 1 | -1): number {
  const n = table.length
  const at = (i: number): number => (sign > 0 ? table[i] : -table[n - 1 - i])
  const countBelow = (value: number): number => {
    let low = 0
    let high = n
    while (low < high) {
      const middle = (low + high) >>> 1
      if (at(middle) < value) low = middle + 1
      else high = middle
    }
    return low
  }
  const below = countBelow(score)
  if (below === 0) return 1
  const left = at(below - 1)
  const leftBelow = below > 1 && at(below - 2) === left ? countBelow(left) : below - 1
  const leftP = (1 + n - leftBelow) / (n + 1)
  if (below === n) {
    const scale = left - at(Math.floor((n - 1) * (1 - TAIL_SHARE)))
    return (leftP * scale + (score - left) / (n + 1) ** 2) / (scale + (score - left))
  }
  const rightP = (1 + n - below) / (n + 1)
  return rightP + ((leftP - rightP) * (at(below) - score)) / (at(below) - left)
}
