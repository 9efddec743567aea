/**
 * How short weights could be: experts of several kinds predict each weight bit by bit, from the middle outwards, and a gated mixer
 * weighs them in the logistic domain as it goes (Mattern, *Mixing Strategies in Data Compression*, 2012). All that is learnt is learnt
 * from what has been coded, except scales, which are charged. So the sum is a length that a decoder could reach, at about a megabyte a
 * second: it bounds what faster mixtures, adaptive counts and predictors of all these kinds could give.
 */

import { predictCausally, transposed } from './causal-regression.ts'

/** A tensor as rows × columns × inner of numbers that fall into 256 intervals. */
export interface Field {
  readonly rows: number
  readonly columns: number
  readonly inner: number
  readonly values: Float64Array
  /** The interval of a value in units of its own: entry s to entry s + 1 of 257. */
  readonly edges: Float64Array
  /** Added to all variances: that of rounding. */
  readonly floor: number
  /** The unit of an element by its expected scale: a power of two for floats, 1 for integers. */
  readonly unitOf: (scale: number) => number
}

export interface Length {
  /** Bits of the symbols under all experts. */
  readonly mixed: number
  /** Bits under one table for each quarter octave of scale, adaptive counts. */
  readonly counted: number
  /** Bits of scales. */
  readonly scales: number
}

const DEPTH = 8
const NODES = 256
/** Rows from which on a scale is sent; those of shorter ones follow what is known. */
const LONG_ROW = 32
/** Matrices beyond this take too long to factor. */
const MOST_SIDE = 1536
/** Rows and columns that a covariance is learnt from. */
const LEAST_SIDE = 16
const RIDGES = { columns: 2, rows: 2 }
const FEATURES = 6
const EXPERTS = 9

const PHI_STEPS = 64
const PHI = normalTable()

/** The cumulative normal distribution from -8 to 8, by Simpson's rule. */
function normalTable(): Float64Array {
  const table = new Float64Array(16 * PHI_STEPS + 2)
  const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)
  for (let i = 1; i < table.length; i++) {
    const x = (i - 1) / PHI_STEPS - 8
    const h = 1 / PHI_STEPS
    table[i] = table[i - 1] + ((density(x) + 4 * density(x + h / 2) + density(x + h)) * h) / 6
  }
  return table
}

function normal(x: number): number {
  const place = Math.min(16 - 1e-9, Math.max(0, x + 8)) * PHI_STEPS
  const i = Math.floor(place)
  return PHI[i] + (place - i) * (PHI[i + 1] - PHI[i])
}

/** Of a normal distribution, with a share of three times the width for its tails. */
const cumulative = (x: number): number => 0.97 * normal(x) + 0.03 * normal(x / 3)

const stretch = (p: number): number => Math.log(p / (1 - p))
const clamp = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x))
const quarterOf = (scale: number): number => Math.round(4 * Math.log2(scale))

/** Sign and size, in eight steps. */
function bucketOf(z: number): number {
  const size = Math.abs(z)
  return (z < 0 ? 0 : 4) + (size < 0.3 ? 0 : size < 0.8 ? 1 : size < 1.5 ? 2 : 3)
}

/** Adaptive bits in contexts, each with its own count. */
class Counts {
  readonly #p: Float32Array
  readonly #n: Uint16Array
  constructor(contexts: number) {
    this.#p = new Float32Array(contexts * NODES).fill(0.5)
    this.#n = new Uint16Array(contexts * NODES)
  }
  reset(): void {
    this.#p.fill(0.5)
    this.#n.fill(0)
  }
  p(at: number): number {
    return this.#p[at]
  }
  /** Stretched, less where little has been seen. */
  says(at: number): number {
    const n = this.#n[at]
    return (stretch(clamp(this.#p[at], 1e-4, 1 - 1e-4)) * n) / (n + 2)
  }
  learn(at: number, bit: number): void {
    this.#p[at] += (bit - this.#p[at]) / (this.#n[at] + 1.6)
    if (this.#n[at] < 1000) this.#n[at]++
  }
}

/** Recursive least squares of a few features. */
class Predictor {
  readonly weights = new Float64Array(FEATURES)
  readonly #p = new Float64Array(FEATURES * FEATURES)
  readonly #gain = new Float64Array(FEATURES)
  constructor() {
    for (let i = 0; i < FEATURES; i++) this.#p[i * FEATURES + i] = 0.01
  }
  mean(x: Float64Array): number {
    let sum = 0
    for (let i = 0; i < FEATURES; i++) sum += this.weights[i] * x[i]
    return sum
  }
  learn(x: Float64Array, error: number): void {
    let total = 1
    for (let i = 0; i < FEATURES; i++) {
      let sum = 0
      for (let j = 0; j < FEATURES; j++) sum += this.#p[i * FEATURES + j] * x[j]
      this.#gain[i] = sum
      total += sum * x[i]
    }
    for (let i = 0; i < FEATURES; i++) {
      this.weights[i] += (this.#gain[i] / total) * error
      for (let j = 0; j < FEATURES; j++) this.#p[i * FEATURES + j] -= (this.#gain[i] * this.#gain[j]) / total
    }
  }
}

/** Weights by context; learns fast at first. */
class Mixer {
  readonly #weights: Float64Array
  readonly #seen: Float64Array
  constructor(contexts: number) {
    this.#weights = new Float64Array(contexts * EXPERTS).fill(0.25)
    this.#seen = new Float64Array(contexts)
  }
  mix(context: number, says: Float64Array): number {
    let sum = 0
    for (let i = 0; i < EXPERTS; i++) sum += this.#weights[context * EXPERTS + i] * says[i]
    return sum
  }
  learn(context: number, says: Float64Array, error: number): void {
    const rate = (0.0015 + 0.02 / (1 + this.#seen[context]++ / 100)) * error
    for (let i = 0; i < EXPERTS; i++) this.#weights[context * EXPERTS + i] += rate * says[i]
  }
}

/** Scales on quarter octaves, and the bits that they take at their own frequencies. */
function onGrid(squares: Float64Array, floor: number): { scales: Float64Array; bits: number } {
  const steps = Array.from(squares, (square) => quarterOf(Math.sqrt(square + floor) + 1e-38))
  const counts = new Map<number, number>()
  for (const step of steps) counts.set(step, (counts.get(step) ?? 0) + 1)
  let bits = 16 + 4 * counts.size
  for (const n of counts.values()) bits += n * Math.log2(steps.length / n)
  return { scales: Float64Array.from(steps, (step) => 2 ** (step / 4)), bits }
}

/** Root mean squares of rows, and of columns over them. */
function scalesOf({ values, floor }: Field, rows: number, columns: number) {
  const ofRows = new Float64Array(rows)
  values.forEach((x, i) => {
    ofRows[Math.floor(i / columns)] += (x * x) / columns
  })
  const own = onGrid(ofRows, floor)
  const ofColumns = new Float64Array(columns)
  values.forEach((x, i) => {
    ofColumns[i % columns] += (x / own.scales[Math.floor(i / columns)]) ** 2 / rows
  })
  return { own, across: onGrid(ofColumns, 1e-3) }
}

/** Learns from one tensor after the other. */
export class Experts {
  readonly #global = [64, 32 * 8, 64, 256].map((contexts) => new Counts(contexts))
  readonly #local = new Counts(1)
  readonly #mixers = [new Mixer(DEPTH * 16), new Mixer(NODES)]
  readonly #regression: boolean

  /** @param regression whether predictors of whole rows and columns are among them */
  constructor(regression: boolean) {
    this.#regression = regression
  }

  #expectations(z: Float32Array, rows: number, columns: number): Float32Array[] {
    const fits = this.#regression && rows >= 2 * LEAST_SIDE && columns >= 4
    const along =
      fits && columns <= MOST_SIDE ? predictCausally(z, rows, columns, RIDGES.columns) : new Float32Array(z.length)
    if (!fits || columns < 2 * LEAST_SIDE || rows > MOST_SIDE) return [along, new Float32Array(z.length)]
    const across = predictCausally(transposed(z, rows, columns), columns, rows, RIDGES.rows)
    return [along, transposed(across, columns, rows)]
  }

  /** The bits that a tensor takes after those before it. */
  lengthOf(field: Field): Length {
    const { rows, inner, values, edges, floor, unitOf } = field
    const columns = field.columns * inner
    const { own, across } = scalesOf(field, rows, columns)
    const sent = columns >= LONG_ROW
    const z = new Float32Array(values.length)
    values.forEach((x, i) => {
      z[i] = x / (own.scales[Math.floor(i / columns)] * across.scales[i % columns])
    })
    const [along, over] = this.#expectations(z, rows, columns)
    const predictor = new Predictor()
    const x = new Float64Array(FEATURES)
    const says = new Float64Array(EXPERTS)
    const places = new Int32Array(5)
    this.#local.reset()
    let mixed = 0
    let counted = 0
    let residual = 1
    let known = own.scales[0] ** 2
    const [byDepth, byNode] = this.#mixers
    const [byScale, byMean, byNeighbours, bySymbol] = this.#global
    const means = new Float64Array(3)
    const widths = new Float64Array(3)
    const low = new Float64Array(3)
    const high = new Float64Array(3)
    for (let r = 0, i = 0; r < rows; r++) {
      let row = 0
      let symbolBefore = 128
      for (let c = 0; c < columns; c++, i++) {
        // A row's own scale: sent, or that of the rows before and of its own elements so far.
        const scale = sent ? own.scales[r] : Math.sqrt((3 * known + row) / (3 + c))
        const sigma = scale * across.scales[c]
        const toOwn = own.scales[r] / scale
        // Of elements near by: the kernel's so far, or the last sixteen of the row.
        const back = Math.min(c, inner > 1 ? c % inner : 16)
        let energy = 4
        for (let k = 1; k <= back; k++) energy += (z[i - k] * toOwn) ** 2
        const spread = Math.sqrt(energy / (4 + back))
        x[0] = along[i] * toOwn
        x[1] = over[i] * toOwn
        x[2] = c > 0 ? z[i - 1] * toOwn : 0
        x[3] = r > 0 ? z[i - columns] : 0
        x[4] = inner > 1 && c >= inner ? z[i - inner] * toOwn : 0
        x[5] = c > 1 ? z[i - 2] * toOwn : 0
        const mean = clamp(predictor.mean(x), -4, 4)
        const rest = Math.sqrt(residual)
        means[0] = 0
        widths[0] = sigma
        means[1] = mean * sigma
        widths[1] = sigma * rest
        means[2] = mean * sigma
        widths[2] = sigma * rest * spread
        const unit = unitOf(sigma)
        const quarter = quarterOf(sigma / unit) + (floor > 0 ? 8 : 0)
        const scaleAt = clamp(quarter, 0, 63)
        const half = clamp(quarter >> 1, 0, 31)
        places[0] = 0
        places[1] = scaleAt * NODES
        places[2] = (half * 8 + clamp(Math.round(3 * mean) + 4, 0, 7)) * NODES
        places[3] = (bucketOf(x[2]) * 8 + bucketOf(x[3])) * NODES
        places[4] = symbolBefore * NODES
        // The interval, by bisection.
        const value = values[i] / unit
        let from = 0
        let node = 1
        low.fill(0)
        high.fill(1)
        for (let depth = 0; depth < DEPTH; depth++) {
          const middle = from + (128 >> depth)
          const bit = value >= edges[middle] ? 1 : 0
          for (let e = 0; e < 3; e++) {
            const cut = cumulative((edges[middle] * unit - means[e]) / widths[e])
            const all = high[e] - low[e]
            const p = all > 1e-9 ? (high[e] - cut) / all : 0.5
            says[e] = stretch(clamp(p, 1e-4, 1 - 1e-4))
            if (bit) low[e] = cut
            else high[e] = cut
          }
          says[3] = this.#local.says(node)
          says[4] = byScale.says(places[1] + node)
          says[5] = byMean.says(places[2] + node)
          says[6] = byNeighbours.says(places[3] + node)
          says[7] = bySymbol.says(places[4] + node)
          says[8] = 0.3
          const coarse = depth * 16 + (half >> 1)
          const sum = byDepth.mix(coarse, says) + byNode.mix(node, says)
          const p = clamp(1 / (1 + Math.exp(-sum / 2)), 1e-4, 1 - 1e-4)
          mixed -= Math.log2(bit ? p : 1 - p)
          const alone = clamp(byScale.p(places[1] + node), 1e-3, 1 - 1e-3)
          counted -= Math.log2(bit ? alone : 1 - alone)
          byDepth.learn(coarse, says, bit - p)
          byNode.learn(node, says, bit - p)
          this.#local.learn(node, bit)
          byScale.learn(places[1] + node, bit)
          byMean.learn(places[2] + node, bit)
          byNeighbours.learn(places[3] + node, bit)
          bySymbol.learn(places[4] + node, bit)
          node = 2 * node + bit
          if (bit) from = middle
        }
        symbolBefore = node - NODES
        const now = values[i] / sigma
        const error = clamp(now - mean, -4, 4)
        predictor.learn(x, error)
        residual += (error * error - residual) / Math.min(2000, 50 + i)
        row += (values[i] / across.scales[c]) ** 2 + floor
      }
      known += (own.scales[r] ** 2 - known) / Math.min(16, 1 + r)
    }
    return { mixed, counted, scales: (sent ? own.bits : 8) + across.bits }
  }
}
