/**
 * Scales: for a segment a view rows × columns × inner with latent classes a_r, b_c, d_k, which start from root mean squares, on a grid
 * of quarter octaves for floats (where q mod 4 chooses the table and ⌊q / 4⌋ octaves are subtracted from the exponent) and half
 * octaves for integers (a table each); the symbols under these classes, and what each of them costs. `latents.ts` improves them.
 *
 * Logarithms are used in learning only; decoding never sees one. So the bytes are the same on every machine as far as `Math.log2`
 * is, and about latents it decides by costs that are rounded to 1/256 bit.
 */

import { SYMBOLS } from '../coder/rans.ts'
import { DELTA16, FLOAT16, isFloat, NIBBLE, QUARTERS } from './elements.ts'
import { DEAD_CLASSES, ESCAPE, MAX_PATTERN, SATURATED, ZERO } from './header.ts'

/** A segment as learning sees it. */
export interface Sample {
  /** `top` of a float; the symbol of an integer; of a difference its symbol and, above that, the quarter octave of its base. */
  readonly values: Uint16Array
  /** 1 where a float is negative; empty for integers. */
  readonly signs: Uint8Array
  readonly dims: readonly number[]
  /** Added to each class; empty for nothing. */
  readonly addends: Int16Array
}

/** A segment's view and latents: class of (r, c, k) = latents[0][r] + latents[1][c] + latents[2][k]. */
export interface Fit {
  readonly latents: readonly Int16Array[]
  /** Estimated bits of symbols and latents, without planes. */
  bits: number
}

export const CLASSES = DEAD_CLASSES
/** The scale of integers that are all 0, in half octaves: that of rounding, the root of 1/12. */
const ROUNDING = -4
/**
 * Classes of integers: half octaves from the scale of rounding to that of the largest byte, and eight below for what crosses there, as the
 * elements of a dead column in a dead row: classes of a file are sums, and only learning could keep them at a least one.
 */
const BELOW_ROUNDING = 8
const INTEGER_CLASSES = 24 + BELOW_ROUNDING
/** Classes of differences, each of which has four tables. */
const DELTA_CLASSES = 12
/** Latents from here on make all their elements dead. */
export const DEAD = 512
/** The latent of a dead row: its elements have the last class, whatever the others say. */
export const DEAD_ROW = 2 * DEAD
/** How far below dead rows the elements of dead columns lie: three octaves, as living rows do not carry the gain of a dead one. */
const FADED = 12
/** Steps below the usual scale from which an element is dead: 24 octaves. */
const FAR = 96
/** Costs have room around the classes for candidates outside. */
export const STRIDE = 512
export const PAD = 128
/** Costs of dead classes begin this far behind those of the living, which candidates may overstep. */
export const GAP = 64
/** Costs are in 1/256 bit. */
export const BIT = 256
const FORBIDDEN = 64 * BIT
/** The least cost of an escape: where they are many they would be cheap, and dead rows would stay under a living class. */
const ESCAPE_PRICE = 5 * BIT
/** Scale of a row without a single finite, nonzero element, until a base is known. */
export const SILENT = 0x7fff

export interface Grid {
  readonly stream: number
  readonly values: number
  readonly steps: number
  readonly classes: number
  /** Squared magnitude in the middle of each value's interval, in units that a double holds. */
  readonly energy: Float64Array
  /** Subtracted from a scale's steps to give its class. */
  base: number
  /** Scale of dead elements, in steps; `undefined` where there are none. */
  dead: number | undefined
  /** Latents are those of the file, whose sums are classes. */
  settled: boolean
}

/** An integer by its symbol: signed, or for Δ streams with 128 in the middle. */
function integerOf(stream: number, symbol: number): number {
  if (stream >= DELTA16) return symbol - 128
  return stream === NIBBLE ? (symbol << 28) >> 28 : (symbol << 24) >> 24
}

export function gridOf(stream: number): Grid {
  if (!isFloat(stream)) {
    const values = stream >= DELTA16 ? QUARTERS * SYMBOLS : SYMBOLS
    const energy = Float64Array.from({ length: values }, (_, value) => integerOf(stream, value & 255) ** 2 + 1 / 12)
    const classes = stream >= DELTA16 ? DELTA_CLASSES : INTEGER_CLASSES
    return { stream, values, steps: 2, classes, energy, base: 0, dead: undefined, settled: false }
  }
  const values = stream === FLOAT16 ? 128 : 1024
  const infinite = values - 4
  const energy = Float64Array.from({ length: values }, (_, top) => {
    if (top === 0 || top >= infinite) return 0
    const magnitude = (1 + ((top & 3) + 0.5) / 4) * 2 ** (top >> 2)
    return magnitude * magnitude
  })
  return { stream, values, steps: 4, classes: CLASSES, energy, base: 0, dead: undefined, settled: false }
}

const stepsOf = (energy: number, grid: Grid): number => Math.round((grid.steps / 2) * Math.log2(energy))

/** Every way to divide the dimensions into leading rows, columns and inner ones, with a pattern that fits. */
export function viewsOf(dims: readonly number[]): [number, number, number][] {
  const product = (from: number, to: number): number => dims.slice(from, to).reduce((p, d) => p * d, 1)
  const views: [number, number, number][] = []
  for (let i = 0; i < Math.max(1, dims.length); i++) {
    for (let j = i + 1; j <= dims.length; j++) {
      const view: [number, number, number] = [product(0, i), product(i, j), product(j, dims.length)]
      if (view[1] * view[2] <= MAX_PATTERN) views.push(view)
    }
  }
  return views.length > 0 ? views : [[1, 1, 1]]
}

/** Classes from root mean squares: of rows, then of columns over them, then of inner positions over both. */
export function startFit(sample: Sample, view: readonly number[], grid: Grid, silent: number): Fit {
  const { values, addends } = sample
  const latents = view.map((size) => new Int16Array(size))
  const scale = [0, 1, 2].map((axis) => new Float64Array(view[axis]).fill(1))
  const [rows, columns, inner] = view
  for (let axis = 0; axis < 3; axis++) {
    const size = view[axis]
    const sum = new Float64Array(size)
    const weight = new Float64Array(size)
    for (let r = 0, i = 0; r < rows; r++) {
      for (let c = 0; c < columns; c++) {
        const known = scale[0][r] * scale[1][c]
        for (let k = 0; k < inner; k++, i++) {
          const energy = grid.energy[values[i]]
          if (energy === 0 || known === Number.POSITIVE_INFINITY) continue
          const at = axis === 0 ? r : axis === 1 ? c : k
          // Differences are rounded: what is known weighs in the sum, lest those near 0 count for more than they say.
          sum[at] += addends.length > 0 ? energy : energy / known
          weight[at] += addends.length > 0 ? known * 2 ** addends[i] : 1
        }
      }
    }
    const mean =
      sum.reduce((s, v) => s + v, 0) /
      Math.max(
        Number.MIN_VALUE,
        weight.reduce((s, v) => s + v, 0),
      )
    const dead = deadLatent(axis, latents[0])
    const common = mean > 0 ? stepsOf(mean, grid) : axis === 0 ? silent + grid.base : 0
    for (let at = 0; at < size; at++) {
      const steps = weight[at] > 0 ? stepsOf(sum[at] / weight[at], grid) : common
      const dies = grid.dead !== undefined && steps < (axis === 0 ? grid.base : common) - FAR
      latents[axis][at] = dies ? dead : axis === 0 ? steps - grid.base : steps
      // A dead row says nothing about the columns: all look alike beside its scale.
      if (dies) scale[axis][at] = Number.POSITIVE_INFINITY
      else if (weight[at] > 0) scale[axis][at] = sum[at] / weight[at]
      else if (mean > 0) scale[axis][at] = mean
    }
  }
  return { latents, bits: 0 }
}

export function classOf(sum: number, addend: number, grid: Grid): number {
  if (grid.stream >= DELTA16) return Math.min(grid.classes - 1, Math.max(0, sum + addend))
  if (grid.settled) return Math.min(SATURATED, sum)
  if (sum >= DEAD) return Math.min(SATURATED, Math.max(DEAD_CLASSES, sum - DEAD))
  return Math.min(grid.classes - 1, Math.max(0, sum))
}

/** The latent in the middle. */
export function medianOf(latent: Int16Array): number {
  return latent.slice().sort()[latent.length >> 1]
}

/** The latent of a dead row, or of a dead column over these rows. */
export function deadLatent(axis: number, rows: Int16Array): number {
  const living = rows.filter((value) => value < DEAD)
  return axis === 0 || living.length === 0 ? DEAD_ROW : DEAD + SATURATED - FADED - medianOf(living)
}

/** Calls `visit` with the index and class of every element. */
export function eachClass(
  sample: Sample,
  fit: Pick<Fit, 'latents'>,
  grid: Grid,
  visit: (index: number, cls: number) => void,
): void {
  const [a, b, d] = fit.latents
  const { addends } = sample
  for (let r = 0, i = 0; r < a.length; r++) {
    for (let c = 0; c < b.length; c++) {
      const q = a[r] + b[c]
      for (let k = 0; k < d.length; k++, i++) visit(i, classOf(q + d[k], addends.length > 0 ? addends[i] : 0, grid))
    }
  }
}

/** The magnitude of a float's symbol under a class. */
export function magnitudeOf(top: number, cls: number, origins: readonly number[]): number {
  if (top === 0) return ZERO
  const magnitude = top - (cls & ~3) - origins[cls < DEAD_CLASSES ? 0 : 1]
  return magnitude > ESCAPE && magnitude < SYMBOLS / 2 ? magnitude : ESCAPE
}

/** Tables that a histogram holds: of floats those of the quarter octaves, then that of the dead; of others those of all classes. */
export function tablesOf({ stream, classes }: Grid): number {
  if (isFloat(stream)) return QUARTERS + 1
  return stream >= DELTA16 ? QUARTERS * classes : classes
}

export function tableOf({ stream }: Grid, cls: number, value: number): number {
  if (isFloat(stream)) return cls < DEAD_CLASSES ? cls & 3 : QUARTERS
  return stream >= DELTA16 ? QUARTERS * cls + (value >> 8) : cls
}

/** How often each symbol occurs under each table: entry 256 · table + symbol. */
export function histogramOf(sample: Sample, fit: Fit, grid: Grid, origins: readonly number[]): Float64Array {
  const { values, signs } = sample
  const counts = new Float64Array(SYMBOLS * tablesOf(grid))
  const float = isFloat(grid.stream)
  eachClass(sample, fit, grid, (i, cls) => {
    const symbol = float ? 2 * magnitudeOf(values[i], cls, origins) + signs[i] : values[i] & 255
    counts[SYMBOLS * tableOf(grid, cls, values[i]) + symbol]++
  })
  return counts
}

/** costs[value · STRIDE + PAD + class], of dead classes a gap further, in 1/256 bit; of floats without the sign. */
export function costsOf(histogram: Float64Array, grid: Grid, origins: readonly number[]): Int32Array {
  const float = isFloat(grid.stream)
  const bits = Array.from({ length: tablesOf(grid) }, (_, table) => {
    const counts = histogram.subarray(SYMBOLS * table, SYMBOLS * (table + 1))
    const total = counts.reduce((sum, count) => sum + count, 0) + 4
    if (!float) {
      return Int32Array.from(counts, (count) =>
        Math.round(BIT * Math.min(16, Math.log2((total + 64) / (count + 0.25)))),
      )
    }
    const both = Float64Array.from({ length: SYMBOLS / 2 }, (_, m) => counts[2 * m] + counts[2 * m + 1])
    const rare = Math.max(ESCAPE_PRICE, Math.round(BIT * Math.log2(total / (both[ESCAPE] + 0.5)))) + 9 * BIT
    return Int32Array.from(both, (count, magnitude) =>
      magnitude === ESCAPE ? rare : Math.min(rare, Math.round(BIT * Math.log2(total / (count + 0.02)))),
    )
  })
  const costs = new Int32Array(grid.values * STRIDE).fill(FORBIDDEN)
  const most = float ? SATURATED + 1 : grid.classes
  for (let value = 0; value < grid.values; value++) {
    for (let cls = 0; cls < most; cls++) {
      const at = value * STRIDE + PAD + cls + (cls < DEAD_CLASSES ? 0 : GAP)
      costs[at] = bits[tableOf(grid, cls, value)][float ? magnitudeOf(value, cls, origins) : value & 255]
    }
  }
  if (grid.stream >= DELTA16) padEnds(costs, grid)
  return costs
}

/** The cost of a value under a living class. */
export const costAt = (costs: Int32Array, value: number, cls: number): number => costs[value * STRIDE + PAD + cls]

/** Classes of Δ streams are kept within the tables, so those outside cost what the outermost do. */
function padEnds(costs: Int32Array, grid: Grid): void {
  for (let value = 0; value < grid.values; value++) {
    const at = value * STRIDE + PAD
    costs.fill(costs[at], at - PAD, at)
    costs.fill(costs[at + grid.classes - 1], at + grid.classes, at + STRIDE - PAD)
  }
}

/** The scale of elements far below the living ones, if they are more than a few: its steps. */
export function deadScale(samples: readonly Sample[], grid: Grid): number | undefined {
  if (!isFloat(grid.stream)) return undefined
  let sum = 0
  let count = 0
  let total = 0
  for (const { values } of samples) {
    total += values.length
    for (const value of values) {
      if (value === 0 || value >= grid.base - FAR / 2) continue
      sum += value
      count++
    }
  }
  // Values and steps are both quarter octaves; the mean of a Gaussian's lies five below its scale.
  return count > Math.max(64, total >> 9) ? Math.round(sum / count) + 5 : undefined
}

/**
 * The class window that holds the scales of most elements: dead rows of 1e-30 must not push the living ones out. That of integers is
 * known. (Where it began at the least scale of a whole tensor, all rows and columns below shared one class.)
 */
export function baseOf(samples: readonly Sample[], fits: readonly Fit[], grid: Grid): number {
  if (!isFloat(grid.stream) && grid.stream < DELTA16) return ROUNDING - BELOW_ROUNDING
  const weights = new Map<number, number>()
  fits.forEach(({ latents }, i) => {
    const size = samples[i].values.length / latents[0].length
    for (const scale of latents[0]) if (scale !== SILENT) weights.set(scale, (weights.get(scale) ?? 0) + size)
  })
  const margin = isFloat(grid.stream) ? 16 : 0
  let best = 0
  let most = 0
  for (const least of [...weights.keys()].sort((x, y) => x - y)) {
    let inside = 0
    for (const [scale, weight] of weights) {
      if (scale >= least && scale - least < grid.classes - 2 * margin) inside += weight
    }
    if (inside > most) {
      most = inside
      best = least
    }
  }
  return isFloat(grid.stream) ? (best - margin) & ~3 : best
}
