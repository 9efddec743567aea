/**
 * The leaf dictionary: segments whose symbols are alike share a set of tables. Sets are found by maximum-likelihood clustering, bottom
 * up: as long as two sets cost less together than apart (symbols and the tables' own description), or there are too many, the pair that
 * costs least to join becomes one. Then every segment takes the set under which it costs least.
 */

import { SYMBOLS } from '../coder/rans.ts'

/** Bits that a symbol with a count takes in the description of a table, and a table as such. */
const SYMBOL_BITS = 3.5
const TABLE_BITS = 24
/** Histograms that the clustering begins with: the largest ones; the others choose at the end. */
const SEEDS = 40
const SEED_COUNT = 256

/** Bits of a histogram under its own tables, their description included. */
export function ownBits(histogram: Float64Array): number {
  let bits = 0
  for (let start = 0; start < histogram.length; start += SYMBOLS) {
    let total = 0
    let used = 0
    let sum = 0
    for (let i = start; i < start + SYMBOLS; i++) {
      const count = histogram[i]
      if (count === 0) continue
      total += count
      sum += count * Math.log2(count)
      used++
    }
    if (total > 0) bits += total * Math.log2(total) - sum + used * SYMBOL_BITS + TABLE_BITS
  }
  return bits
}

/** Bits of each symbol under the tables of a histogram. */
export function costsUnder(histogram: Float64Array): Float64Array {
  const costs = new Float64Array(histogram.length)
  for (let start = 0; start < histogram.length; start += SYMBOLS) {
    let total = 0
    for (let i = start; i < start + SYMBOLS; i++) total += histogram[i]
    for (let i = start; i < start + SYMBOLS; i++) {
      costs[i] = total === 0 ? 20 : Math.min(20, Math.log2((total + 1) / (histogram[i] + 0.05)))
    }
  }
  return costs
}

export function bitsUnder(histogram: Float64Array, costs: Float64Array): number {
  let bits = 0
  for (let i = 0; i < histogram.length; i++) if (histogram[i] > 0) bits += histogram[i] * costs[i]
  return bits
}

function sumOf(histograms: readonly Float64Array[], length: number): Float64Array {
  const sum = new Float64Array(length)
  for (const histogram of histograms) for (let i = 0; i < length; i++) sum[i] += histogram[i]
  return sum
}

export interface Leaves {
  /** Histograms of the sets. */
  readonly sets: readonly Float64Array[]
  /** The set of each histogram given. */
  readonly choice: readonly number[]
}

/** Joins the pair that costs least, until joining costs and there are at most `most` sets. */
function joined(seeds: readonly Float64Array[], most: number): Float64Array[] {
  const sets = seeds.map((histogram) => ({ histogram, bits: ownBits(histogram) }))
  const together = (a: number, b: number): number =>
    ownBits(sumOf([sets[a].histogram, sets[b].histogram], sets[a].histogram.length)) - sets[a].bits - sets[b].bits
  const losses = sets.map((_, a) => sets.map((_, b) => (a < b ? together(a, b) : Number.POSITIVE_INFINITY)))
  while (sets.length > 1) {
    let best = { loss: Number.POSITIVE_INFINITY, a: 0, b: 1 }
    losses.forEach((row, a) => {
      row.forEach((loss, b) => {
        if (loss < best.loss) best = { loss, a, b }
      })
    })
    if (best.loss >= 0 && sets.length <= most) break
    const { a, b } = best
    const histogram = sumOf([sets[a].histogram, sets[b].histogram], sets[a].histogram.length)
    sets[a] = { histogram, bits: ownBits(histogram) }
    sets.splice(b, 1)
    losses.splice(b, 1)
    for (const row of losses) row.splice(b, 1)
    for (let i = 0; i < sets.length; i++) {
      if (i < a) losses[i][a] = together(i, a)
      else if (i > a) losses[a][i] = together(a, i)
    }
  }
  return sets.map((set) => set.histogram)
}

/**
 * At most `most` sets of tables for histograms of the same length.
 *
 * @example
 * const { sets, choice } = leavesOf(histograms, 8)
 */
export function leavesOf(histograms: readonly Float64Array[], most: number): Leaves {
  const length = histograms[0].length
  const sizes = histograms.map((histogram) => histogram.reduce((sum, count) => sum + count, 0))
  const largest = histograms.map((_, i) => i).sort((a, b) => sizes[b] - sizes[a] || a - b)
  const seeds = largest.slice(0, SEEDS).filter((i, place) => place === 0 || sizes[i] >= SEED_COUNT)
  const first = joined(
    seeds.map((i) => histograms[i]),
    most,
  )
  const costs = first.map(costsUnder)
  const chosen = histograms.map((histogram) => {
    const bits = costs.map((own) => bitsUnder(histogram, own))
    return bits.indexOf(Math.min(...bits))
  })
  const used = first.map((_, set) => set).filter((set) => chosen.includes(set))
  return {
    sets: used.map((set) =>
      sumOf(
        histograms.filter((_, i) => chosen[i] === set),
        length,
      ),
    ),
    choice: chosen.map((set) => used.indexOf(set)),
  }
}
