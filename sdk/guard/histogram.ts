/** Counts of two sets in the same bins. */

import type { Histogram } from './evaluation.ts'

const BINS = 40
/** Outside this share of either set at each end, values count in the outer bins: one stray score must not flatten the rest. */
const STRAY = 0.005

/**
 * The histogram of two sets of values over their common range.
 *
 * @param clean, other at least one value each; infinite ones count in the outer bins, NaN not at all
 * @example
 * histogramOf(Float64Array.of(0, 1), Float64Array.of(4)).edges.length // 41
 */
export function histogramOf(clean: Float64Array, other: Float64Array, bins = BINS): Histogram {
  const ends = [clean, other].flatMap((values) => {
    const sorted = values.filter(Number.isFinite).sort()
    const last = sorted.length - 1
    return last < 0 ? [] : [sorted[Math.floor(STRAY * last)], sorted[Math.ceil((1 - STRAY) * last)]]
  })
  const low = ends.length > 0 ? Math.min(...ends) : 0
  const high = ends.length > 0 && Math.max(...ends) > low ? Math.max(...ends) : low + 1
  const edges = Array.from({ length: bins + 1 }, (_, i) => low + ((high - low) * i) / bins)
  const countsOf = (values: Float64Array): number[] => {
    const counts = new Array<number>(bins).fill(0)
    for (const value of values) {
      if (Number.isNaN(value)) continue
      counts[Math.max(0, Math.min(bins - 1, Math.floor((bins * (value - low)) / (high - low))))]++
    }
    return counts
  }
  return { edges, clean: countsOf(clean), other: countsOf(other) }
}
