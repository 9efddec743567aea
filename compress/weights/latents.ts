/**
 * Latents by expectation maximisation: each takes the value that costs least under the tables, its own bits and a price for decoding it
 * included; and, softly, the tables that are expected when rows may have any of the classes around their own.
 */

import { SYMBOLS } from '../coder/rans.ts'
import { isFloat } from './elements.ts'
import { DEAD_CLASSES, SATURATED } from './header.ts'
import {
  BIT,
  CLASSES,
  classOf,
  DEAD,
  DEAD_ROW,
  deadLatent,
  type Fit,
  GAP,
  type Grid,
  magnitudeOf,
  medianOf,
  PAD,
  type Sample,
  STRIDE,
  tableOf,
  tablesOf,
} from './scales.ts'

/** A latent takes as long to decode as some thirty elements, so it has to save more than its own bits. */
const LATENT_PRICE = 3 * BIT
/** Elements that a latent has to speak for: a class for each is a table of its own kind, and that is what leaves are for. */
const LEAST_SHARE = 4
/** Below this a class counts as impossible. */
const LEAST_PROBABILITY = 1 / 64
/** Candidates for a latent: its value and up to three steps around, the axis' common value, and death. */
const REACH = 3
const CANDIDATES = 2 * REACH + 3

/** Bits of each value of a latent, from how often it is taken now. */
function latentBits(latent: Int16Array): Map<number, number> {
  const counts = new Map<number, number>()
  for (const value of latent) counts.set(value, (counts.get(value) ?? 0) + 1)
  const bits = new Map<number, number>()
  for (const [value, count] of counts) bits.set(value, Math.round(BIT * Math.log2((latent.length + 2) / count)))
  return bits
}

/** What each latent of an axis would cost at each candidate: its value and up to three steps around, the common value, and death. */
interface Scores {
  /** CANDIDATES for each latent. */
  readonly costs: Float64Array
  /** Around what the steps are. */
  readonly from: Int16Array
  readonly common: number
  readonly dead: number
}

function scoresOf({ values, addends }: Sample, fit: Fit, axis: number, costs: Int32Array): Scores {
  const moves = addends.length > 0
  const [a, b, d] = fit.latents
  const latent = fit.latents[axis]
  const common = medianOf(latent)
  const dead = deadLatent(axis, a)
  const from = latent.map((value) => (value === DEAD_ROW && common !== DEAD_ROW ? common : value))
  const place = (sum: number): number =>
    sum >= DEAD
      ? GAP + Math.min(SATURATED, Math.max(DEAD_CLASSES, sum - DEAD))
      : Math.min(CLASSES + 8, Math.max(-8, sum))
  const scores = new Float64Array(CANDIDATES * latent.length)
  for (let r = 0, i = 0; r < a.length; r++) {
    for (let c = 0; c < b.length; c++) {
      const q = a[r] + b[c]
      for (let k = 0; k < d.length; k++) {
        const at = axis === 0 ? r : axis === 1 ? c : k
        const to = at * CANDIDATES
        const row = values[i] * STRIDE + PAD
        const others = q + d[k] - latent[at] + (moves ? addends[i] : 0)
        i++
        scores[to + 7] += costs[row + place(others + common)]
        scores[to + 8] += costs[row + place(others + dead)]
        if (others >= DEAD || from[at] >= DEAD) {
          for (let j = 0; j <= 2 * REACH; j++) scores[to + j] += costs[row + place(others + from[at] + j - REACH)]
          continue
        }
        const center = row + Math.min(CLASSES + 8, Math.max(-8, others + from[at]))
        scores[to] += costs[center - 3]
        scores[to + 1] += costs[center - 2]
        scores[to + 2] += costs[center - 1]
        scores[to + 3] += costs[center]
        scores[to + 4] += costs[center + 1]
        scores[to + 5] += costs[center + 2]
        scores[to + 6] += costs[center + 3]
      }
    }
  }
  return { costs: scores, from, common, dead }
}

/** One step of coordinate descent on one axis; sets the fit's bits. */
export function improve(sample: Sample, fit: Fit, axis: number, costs: Int32Array, mayDie: boolean): void {
  const latent = fit.latents[axis]
  const { costs: scores, from, common, dead } = scoresOf(sample, fit, axis, costs)
  const known = latentBits(latent)
  const unknown = Math.round(BIT * Math.log2(2 * latent.length + 4)) + 2 * BIT
  const count = mayDie ? CANDIDATES : CANDIDATES - 1
  let chosen = 0
  let flat = 0
  for (let at = 0; at < latent.length; at++) {
    let best = Number.POSITIVE_INFINITY
    for (let candidate = 0; candidate < count; candidate++) {
      const near = from[at] === DEAD_ROW ? DEAD_ROW : from[at] + candidate - REACH
      const value = candidate === CANDIDATES - 1 ? dead : candidate === CANDIDATES - 2 ? common : near
      const bits = scores[at * CANDIDATES + candidate] + (latent.length > 1 ? (known.get(value) ?? unknown) : 0)
      if (bits < best) {
        best = bits
        latent[at] = value
      }
    }
    chosen += best
    flat += scores[at * CANDIDATES + CANDIDATES - 2]
  }
  const price = 16 * BIT + latent.length * LATENT_PRICE
  const few = sample.values.length < LEAST_SHARE * latent.length
  if ((few || flat <= chosen + price) && latent.length > 1) latent.fill(common)
  fit.bits = (few ? flat : Math.min(flat, chosen + price)) / BIT
}

/**
 * The expected histogram: every row stands under each of the classes around its own with the probability that it has it, given its
 * elements. Short rows, which could as well have the class beside theirs, so do not make the tables too sure of themselves.
 */
export function expectedHistogram(
  sample: Sample,
  fit: Fit,
  costs: Int32Array,
  grid: Grid,
  origins: readonly number[],
): Float64Array {
  const { values, signs } = sample
  const [a, b, d] = fit.latents
  const { costs: scores, from } = scoresOf(sample, fit, 0, costs)
  const counts = new Float64Array(SYMBOLS * tablesOf(grid))
  const width = b.length * d.length
  const float = isFloat(grid.stream)
  const steps = 2 * REACH + 1
  for (let r = 0; r < a.length; r++) {
    const own = scores.subarray(r * CANDIDATES, r * CANDIDATES + steps)
    const least = own.reduce((x, y) => Math.min(x, y))
    const weights = a[r] >= DEAD ? [] : Array.from(own, (score) => 2 ** ((least - score) / BIT))
    const sum = weights.reduce((x, y) => x + y, 0)
    // A row with hardly a doubt, or a dead one, has the class that it has.
    const possible = weights.flatMap((weight, j) =>
      weight > sum * LEAST_PROBABILITY ? [{ step: from[r] + j - REACH - a[r], weight: weight / sum }] : [],
    )
    const likely = possible.length > 0 ? possible : [{ step: 0, weight: 1 }]
    const total = likely.reduce((x, { weight }) => x + weight, 0)
    for (let i = 0; i < width; i++) {
      const place = r * width + i
      const base = a[r] + b[Math.floor(i / d.length)] + d[i % d.length]
      for (const { step, weight } of likely) {
        const cls = classOf(base + step, sample.addends.length > 0 ? sample.addends[place] : 0, grid)
        const value = values[place]
        const symbol = float ? 2 * magnitudeOf(value, cls, origins) + signs[place] : value & 255
        counts[SYMBOLS * tableOf(grid, cls, value) + symbol] += weight / total
      }
    }
  }
  return counts
}

export function improveAll(sample: Sample, fit: Fit, costs: Int32Array, mayDie: boolean, rounds: number): void {
  for (let round = 0; round < rounds; round++) {
    for (let axis = 0; axis < 3; axis++) {
      if (axis === 0 || fit.latents[axis].length > 1) improve(sample, fit, axis, costs, mayDie)
    }
  }
}
