/**
 * Learning of the line circuit: for a segment, the axis, lags and coefficients whose linear prediction leaves the least variance, by least
 * squares on the history that a decoder will have. A Gaussian that is predicted with R² takes ½ log₂(1 - R²) bits less.
 */

import { type Lines, MAX_LAGS, predict, shiftOf } from './lines.ts'
import { type OrderedTile, orderedTiles } from './tiles.ts'

/** A coefficient takes about this many bits. */
const COEFFICIENT_BITS = 5
/** Bits that lines have to save before they are tried. */
const LEAST_GAIN = 96
/** Lags that are tried along rows and columns; along taps all up to a limit. */
const NEAR_LAGS = 4
const FAR_LAGS = 32
/** Taps up to which each is fitted on its own. */
const MAX_TAPS = 64
/** Bits that an element saves when R² of its magnitude is known: a Gaussian's magnitudes vary by 0.57 squared means. */
const SPREAD_BITS = 0.8
const RIDGE = 1e-3

/** Sums of products h(t - i) · h(t - j) over the places of each line t: `of(t, i, j)`, 0 where a line is not there. */
interface Moments {
  readonly lines: number
  /** Whether lines are told apart. */
  readonly perLine: boolean
  of(line: number, i: number, j: number): number
}

/** Products of every pair of lines: for taps. */
function tapMoments(tiles: readonly OrderedTile[], values: Float64Array): Moments {
  const { lines } = tiles[0]
  const sums = new Float64Array(lines * lines)
  for (const { order, length } of tiles) {
    for (let a = 0; a < lines; a++) {
      for (let b = 0; b <= a; b++) {
        let sum = 0
        for (let s = 0; s < length; s++) sum += values[order[a * length + s]] * values[order[b * length + s]]
        sums[a * lines + b] += sum
        if (a !== b) sums[b * lines + a] += sum
      }
    }
  }
  const of = (line: number, i: number, j: number): number =>
    i > line || j > line ? 0 : sums[(line - i) * lines + line - j]
  return { lines, perLine: true, of }
}

/** Products of lines at most `NEAR_LAGS` apart, all lines together. */
function nearMoments(tiles: readonly OrderedTile[], values: Float64Array): Moments {
  const size = NEAR_LAGS + 1
  const sums = new Float64Array(size * size)
  for (const { order, length } of tiles) {
    const data = new Float64Array(order.length)
    for (let at = 0; at < order.length; at++) data[at] = values[order[at]]
    for (let i = 0; i < size; i++) {
      for (let j = 0; j <= i; j++) {
        let sum = 0
        for (let at = i * length; at < data.length; at++) sum += data[at - i * length] * data[at - j * length]
        sums[i * size + j] += sum
        if (i !== j) sums[j * size + i] += sum
      }
    }
  }
  return { lines: 1, perLine: false, of: (_, i, j) => sums[i * size + j] }
}

/** Solves A x = b for a symmetric positive definite A, with a ridge, by Gaussian elimination. */
function solve(a: readonly number[][], b: readonly number[]): number[] {
  const n = b.length
  const ridge = (RIDGE * a.reduce((sum, row, i) => sum + row[i], 0)) / Math.max(1, n) + 1e-9
  const rows = a.map((row, i) => [...row.map((value, j) => value + (i === j ? ridge : 0)), b[i]])
  for (let i = 0; i < n; i++) {
    for (let k = i + 1; k < n; k++) {
      const factor = rows[k][i] / rows[i][i]
      for (let j = i; j <= n; j++) rows[k][j] -= factor * rows[i][j]
    }
  }
  const x = new Array<number>(n).fill(0)
  for (let i = n - 1; i >= 0; i--) {
    x[i] = rows[i].slice(i + 1, n).reduce((sum, value, j) => sum - value * x[i + 1 + j], rows[i][n]) / rows[i][i]
  }
  return x
}

/** Least squares of some lines on their lags: coefficients, and the sums of squares before and after. */
interface Fitted {
  readonly coefficients: readonly number[]
  readonly before: number
  readonly after: number
}

function fitOn(moments: Moments, lines: readonly number[], lags: readonly number[]): Fitted {
  const sum = (i: number, j: number): number => lines.reduce((total, line) => total + moments.of(line, i, j), 0)
  const b = lags.map((lag) => sum(0, lag))
  const coefficients = solve(
    lags.map((i) => lags.map((j) => sum(i, j))),
    b,
  ).map(quantised)
  // What the rounded coefficients leave: y² - 2 Σ c b + Σ c c A.
  const before = sum(0, 0)
  let after = before
  lags.forEach((i, x) => {
    after -= 2 * coefficients[x] * b[x]
    lags.forEach((j, y) => {
      after += coefficients[x] * coefficients[y] * sum(i, j)
    })
  })
  return { coefficients, before, after: Math.max(after, before * 1e-6) }
}

const quantised = (value: number): number => Math.max(-128, Math.min(127, Math.round(64 * value))) / 64

const gainOf = ({ before, after }: Fitted, count: number): number =>
  before > 0 ? (count / 2) * Math.log2(before / after) : 0

/** The lags that gain most, one after the other, as long as one pays. */
function chooseLags(moments: Moments, most: number, count: number): number[] {
  const all = Array.from({ length: moments.lines }, (_, line) => line)
  const lags: number[] = []
  let known = 0
  while (lags.length < Math.min(most, MAX_LAGS)) {
    let best = { gain: known + 2 * COEFFICIENT_BITS, lag: 0 }
    for (let lag = 1; lag <= most; lag++) {
      if (lags.includes(lag)) continue
      const gain = gainOf(fitOn(moments, all, [...lags, lag]), count)
      if (gain > best.gain) best = { gain, lag }
    }
    if (best.lag === 0) break
    lags.push(best.lag)
    known = best.gain
  }
  return lags.sort((a, b) => a - b)
}

interface Coefficients {
  readonly values: Int8Array
  readonly perLine: boolean
  /** Bits saved, less those that the coefficients take. */
  readonly gain: number
}

const NOTHING: Coefficients = { values: new Int8Array(0), perLine: false, gain: Number.NEGATIVE_INFINITY }

/** Coefficients for all lines, or where it saves more for each. */
function coefficientsFor(moments: Moments, lags: readonly number[], count: number): Coefficients {
  const all = Array.from({ length: moments.lines }, (_, line) => line)
  const shared = fitOn(moments, all, lags)
  const common = {
    values: Int8Array.from(shared.coefficients, (value) => 64 * value),
    perLine: false,
    gain: gainOf(shared, count) - COEFFICIENT_BITS * lags.length,
  }
  if (!moments.perLine) return common
  const each = all.map((line) => fitOn(moments, [line], lags))
  const values = Int8Array.from(
    each.flatMap(({ coefficients }, line) => coefficients.map((value, j) => (lags[j] <= line ? 64 * value : 0))),
  )
  const used = values.reduce((sum, value) => sum + (value === 0 ? 0.3 : 1), 0)
  const gain = each.reduce((sum, one) => sum + gainOf(one, count / moments.lines), 0) - COEFFICIENT_BITS * used
  return gain > common.gain ? { values, perLine: true, gain } : common
}

/** What least squares says about one axis. */
export interface Proposal {
  /** Without `shifts`, which take real costs to choose. */
  readonly lines: Lines
  /** Estimated bits saved by the mean and by the spread. */
  readonly gain: number
}

function propose(axis: number, sizes: readonly number[], history: Int16Array, reach: number): Proposal | undefined {
  const tiles = orderedTiles(axis, sizes)
  const count = history.length
  if (tiles[0].lines < 2) return undefined
  const taps = axis === 2 && sizes[2] <= MAX_TAPS
  const momentsOf = taps ? tapMoments : nearMoments
  const far = Math.min(taps ? FAR_LAGS : NEAR_LAGS, tiles[0].lines - 1, reach)
  const mean = momentsOf(tiles, Float64Array.from(history))
  const average = history.reduce((sum, h) => sum + Math.abs(h), 0) / count
  const spread = momentsOf(
    tiles,
    Float64Array.from(history, (h) => Math.abs(h) - average),
  )

  const chosen = chooseLags(mean, far, count)
  const near = chosen.length > 0 ? chosen : chooseLags(spread, far, count)
  // Taps that each have coefficients may need lags that do not pay for all of them alike.
  const all = taps && far <= MAX_LAGS ? Array.from({ length: far }, (_, i) => i + 1) : near
  const [lags, means] = [near, all]
    .filter((own) => own.length > 0)
    .map((own) => [own, coefficientsFor(mean, own, count)] as const)
    .reduce((best, next) => (best[1].gain < next[1].gain ? next : best), [[] as number[], NOTHING] as const)
  if (lags.length === 0) return undefined
  const spreads = coefficientsFor(spread, lags, count)
  const perLine = means.perLine || spreads.perLine
  const repeated = ({ values, perLine: own }: Coefficients): Int8Array =>
    perLine && !own ? Int8Array.from({ length: lags.length * sizes[2] }, (_, i) => values[i % lags.length]) : values
  const spreadGain = SPREAD_BITS * 2 * Math.max(0, spreads.gain) * Math.LN2
  const hasSpread = spreadGain > LEAST_GAIN
  const gain = Math.max(0, means.gain) + (hasSpread ? spreadGain : 0)
  if (gain < LEAST_GAIN) return undefined
  const lines = {
    axis,
    lags,
    perLine,
    mean: repeated(means.gain > 0 ? means : { ...means, values: means.values.map(() => 0) }),
    spread: hasSpread ? repeated(spreads) : new Int8Array(0),
    shifts: new Int8Array(0),
  }
  return { lines, gain }
}

/**
 * Of some axes the one that saves most, if any does.
 *
 * @param history of the segment, in natural order
 * @param reach the largest lag that is tried
 */
export function proposeLines(
  sizes: readonly number[],
  history: Int16Array,
  axes: readonly number[],
  reach: number,
): Proposal | undefined {
  let best: Proposal | undefined
  for (const axis of axes) {
    const proposal = sizes[axis] > 1 ? propose(axis, sizes, history, reach) : undefined
    if (proposal && proposal.gain > (best?.gain ?? 0)) best = proposal
  }
  return best
}

/** Calls `visit` for each element of a segment: its place, the history of its tile in coded order, and where it is in that. */
function eachPlace(
  axis: number,
  sizes: readonly number[],
  history: Int16Array,
  visit: (place: number, ordered: Int16Array, line: number, length: number, at: number) => void,
): void {
  for (const { order, lines, length } of orderedTiles(axis, sizes)) {
    const ordered = Int16Array.from(order, (place) => history[place])
    for (let line = 0, i = 0; line < lines; line++) {
      for (let at = 0; at < length; at++, i++) visit(order[i], ordered, line, length, at)
    }
  }
}

/** The predicted magnitudes of a segment, in natural order. */
export function spreadsOf(lines: Lines, sizes: readonly number[], history: Int16Array): Int16Array {
  const spreads = new Int16Array(history.length)
  eachPlace(lines.axis, sizes, history, (place, ordered, line, length, at) => {
    spreads[place] = predict(lines, lines.spread, ordered, line, length, at, true)
  })
  return spreads
}

/** What the lines say of each element of a segment, in natural order. */
export function contextsOf(
  lines: Lines,
  sizes: readonly number[],
  history: Int16Array,
): { means: Int16Array; shifts: Int8Array } {
  const means = new Int16Array(history.length)
  const shifts = new Int8Array(history.length)
  const moves = lines.shifts.length > 0
  eachPlace(lines.axis, sizes, history, (place, ordered, line, length, at) => {
    means[place] = predict(lines, lines.mean, ordered, line, length, at, false)
    const spread = moves ? predict(lines, lines.spread, ordered, line, length, at, true) : 0
    shifts[place] = shiftOf(lines, line, spread)
  })
  return { means, shifts }
}
