/**
 * What a chunk of weights says before its streams: its segments, their latent scale classes, and the tables. Stated
 * once for reading and writing (see `coder/bits.ts`); every number is checked where it is read.
 *
 * A segment is a run of elements seen as rows × columns × inner. Its circuit is a sum unit whose branch is transmitted:
 * the class of element (r, c, k) is q = min(255, a_r + b_c + d_k). A class chooses a table; the table codes a symbol.
 */

import {
  type BitCoder,
  bitModels,
  codeBit,
  codeNumber,
  codeSigned,
  codeTree,
  numberModels,
  signedModels,
} from '../coder/bits.ts'
import { BLOCK, MAX_TABLES } from '../coder/rans.ts'
import { corrupt } from '../corrupt.ts'
import { bitsOf, orderOf } from './delta.ts'
import { BYTE, DELTA16, ELEMENTS, INDEX, isFloat, MOST_LOW_BITS, QUARTERS } from './elements.ts'
import { type Lines, MAX_LAG, MAX_LAGS, MAX_LINE_SETS, MOST_SHIFT, SHIFTS, STEPS } from './lines.ts'
import { codeTable, expectedLevels, tableModels } from './tables.ts'
import { blocksOf, countOf } from './tiles.ts'

/** Methods 0 to 7 are the streams of `ELEMENTS`; the rest pool a segment's bytes and code them by a byte codec. */
export const RAW = 8
export const DEFLATE = 9
export const MIX = 10
const METHOD_BITS = 4

/** The name of a segment's circuit in reports. */
export function circuitOf({ method, lines, palette, fromBase }: Segment): string {
  if (method >= RAW) return method === RAW ? 'raw' : method === DEFLATE ? 'deflate' : 'mix'
  if (palette) return 'palette'
  if (fromBase || method >= DELTA16) return 'Δ'
  if (lines) return 'B'
  return isFloat(method) ? 'A' : 'Q'
}

export const ZERO = 0
export const ESCAPE = 1
/**
 * The largest class: latents add up with saturation. Channels that weight decay has killed lie a hundred octaves below the living,
 * and a dead row stays dead where it crosses a dead column.
 */
export const SATURATED = 255
/** Rows are spread over a pattern of columns × inner that has to fit a block. */
export const MAX_PATTERN = BLOCK
/** Segments that a chunk may have. */
export const MAX_SEGMENTS = 1 << 16
/** Classes of floats from here on are dead: they share the last table, and have an origin of their own. */
export const DEAD_CLASSES = 128
export const MAX_PALETTE = 1 << 12
/** The steepest slope of a Δ stream. */
export const MAX_STEPS = 2
const MAX_OFFSET = 1023

/** Δ streams: how the class of an element follows the exponent of the base's element. */
export interface Slope {
  /** float16 in place of bfloat16; of DELTA32 always false. */
  readonly half: boolean
  /** Classes an octave of the base: 0, 1 or 2. */
  readonly steps: number
  /** class = min(255, a + b + d) + offset - steps · exponent, kept within the tables (`delta.ts`). */
  readonly offset: number
}

export interface Palette {
  /** Bytes of a value: 2 or 4. */
  readonly bytes: number
  /** In the order of floats. */
  readonly values: Uint32Array
}

export interface Segment {
  readonly method: number
  /** Elements of a circuit's segment, else bytes. */
  readonly count: number
  /** Circuits only: a_r, b_c and d_k; count = the product of their lengths. */
  readonly latents: readonly Uint8Array[]
  /** Streams of integers: added to each symbol, modulo 256 (nibbles 16). */
  readonly center: number
  /** Circuits only: the number of its first table, to which its classes are added. */
  readonly first: number
  /** Floats and bytes may have them. */
  readonly lines?: Lines
  /** Indices always have one, bytes may. */
  readonly palette?: Palette
  /** Δ streams always have one. */
  readonly slope?: Slope
  /** Bytes: the base's byte is the prediction. */
  readonly fromBase?: boolean
}

export interface Stream {
  /** Frequencies of 256 symbols by table number. Of floats with dead classes, the last is theirs. */
  readonly tables: readonly Uint16Array[]
  /** Floats: multiples of 4; top = magnitude + (class & ~3) + the origin of the living or of the dead, modulo 2^topBits. */
  readonly origins: readonly [number, number]
  /** Floats: the table, in fours, of each step of a predicted mean; all 0 where no segment has lines. */
  readonly bins: Uint8Array
  /** Bits of an element's rest. */
  readonly lowBits: number
  /** The `top` of each escaped float, or the difference of each escaped element of a Δ stream, in order. */
  readonly escapes: Uint32Array
  /** u16 words of each block. */
  readonly words: readonly number[]
}

export interface Header {
  readonly segments: readonly Segment[]
  /** By stream number; absent where no segment uses it. */
  readonly streams: readonly (Stream | undefined)[]
  /** Encoded bytes of the deflated and of the mixed pool. */
  readonly pools: readonly [number, number]
}

function codeLatents(coder: BitCoder, models: readonly Int32Array[], length: number, given?: Uint8Array): Uint8Array {
  const [numbers, flags, signed] = models
  const flat = codeBit(coder, flags, 0, given?.every((value) => value === given[0]) ? 1 : 0)
  const first = codeNumber(coder, numbers, given ? (flat ? given[0] : medianOf(given)) : 0)
  if (first > SATURATED) throw corrupt(`a class up to ${SATURATED}, got ${first}`)
  const values = new Uint8Array(length).fill(first)
  if (flat) return values
  for (let i = 0; i < length; i++) {
    const value = first + codeSigned(coder, signed, given ? given[i] - first : 0)
    if (value < 0 || value > SATURATED) throw corrupt(`a class from 0 to ${SATURATED}, got ${value}`)
    values[i] = value
  }
  return values
}

function medianOf(values: Uint8Array): number {
  return values.slice().sort()[values.length >> 1]
}

/** A number of `width` bits, each as likely 0 as 1. */
function codeRaw(coder: BitCoder, width: number, value: number): number {
  let number = 0
  for (let bit = width - 1; bit >= 0; bit--) number = number * 2 + coder.code(0x8000, Math.floor(value / 2 ** bit) & 1)
  return number
}

/** The models of what may follow a segment's latents. */
interface PartModels {
  readonly flags: Int32Array
  readonly numbers: readonly Int32Array[]
  readonly signed: readonly Int32Array[]
  readonly widths: Int32Array
}

const FLAGS = {
  palette: 0,
  wide: 1,
  lines: 2,
  perLine: 3,
  sameMean: 4,
  spread: 5,
  sameSpread: 6,
  half: 7,
  base: 8,
  axis: 9,
}

function codePalette(coder: BitCoder, models: PartModels, given?: Palette): Palette {
  const wide = codeBit(coder, models.flags, FLAGS.wide, given?.bytes === 4 ? 1 : 0)
  const bits = wide ? 32 : 16
  const length = 1 + codeNumber(coder, models.numbers[0], given ? given.values.length - 1 : 0)
  if (length > MAX_PALETTE) throw corrupt(`a palette of at most ${MAX_PALETTE} values, got ${length}`)
  const values = new Uint32Array(length)
  let least = 0
  for (let i = 0; i < length; i++) {
    const step = given ? orderOf(given.values[i], bits) - least : 0
    const width = codeTree(coder, models.widths, 6, 32 - Math.clz32(step))
    if (width > 32) throw corrupt(`a step of at most 32 bits, got ${width}`)
    const value = least + (width < 2 ? width : 2 ** (width - 1) + codeRaw(coder, width - 1, step - 2 ** (width - 1)))
    if (value >= 2 ** bits) throw corrupt(`a value of ${bits} bits, got ${value}`)
    values[i] = bitsOf(value, bits)
    least = value + 1
  }
  return { bytes: bits / 8, values }
}

function codeSlope(coder: BitCoder, models: PartModels, method: number, given?: Slope): Slope {
  const half = method === DELTA16 && codeBit(coder, models.flags, FLAGS.half, given?.half ? 1 : 0) === 1
  const steps = codeNumber(coder, models.numbers[1], given?.steps ?? 0)
  const offset = codeNumber(coder, models.numbers[2], given ? given.offset + MAX_OFFSET : 0)
  if (steps > MAX_STEPS || offset > 2 * MAX_OFFSET)
    throw corrupt(`a slope up to ${MAX_STEPS} and an offset within ${MAX_OFFSET}, got more`)
  return { half, steps, offset: offset - MAX_OFFSET }
}

/** Coefficients of a predictor, or those that came before when they are as many and the same. */
function codeCoefficients(
  coder: BitCoder,
  models: PartModels,
  flag: number,
  length: number,
  before: Int8Array | undefined,
  given?: Int8Array,
): Int8Array {
  if (before?.length === length) {
    const same = given?.every((value, i) => value === before[i])
    if (codeBit(coder, models.flags, flag, same ? 1 : 0)) return before
  }
  const values = new Int8Array(length)
  for (let i = 0; i < length; i++) {
    const value = codeSigned(coder, models.signed[0], given ? given[i] : 0)
    if (value < -128 || value > 127) throw corrupt(`a coefficient from -128 to 127, got ${value}`)
    values[i] = value
  }
  return values
}

function codeLines(
  coder: BitCoder,
  models: PartModels,
  sizes: readonly number[],
  before: Lines | undefined,
  given?: Lines,
): Lines | undefined {
  if (!codeBit(coder, models.flags, FLAGS.lines, given ? 1 : 0)) return undefined
  const axis = codeTree(coder, models.flags, 2, given?.axis ?? 0, FLAGS.axis)
  if (axis > 2) throw corrupt(`an axis from 0 to 2, got ${axis}`)
  const count = 1 + codeNumber(coder, models.numbers[3], given ? given.lags.length - 1 : 0)
  if (count > MAX_LAGS) throw corrupt(`at most ${MAX_LAGS} lags, got ${count}`)
  const lags: number[] = []
  for (let i = 0; i < count; i++) {
    const lag = 1 + codeNumber(coder, models.numbers[4], given ? given.lags[i] - 1 : 0)
    if (lag > MAX_LAG) throw corrupt(`a lag up to ${MAX_LAG}, got ${lag}`)
    lags.push(lag)
  }
  const perLine = axis === 2 && codeBit(coder, models.flags, FLAGS.perLine, given?.perLine ? 1 : 0) === 1
  if (perLine && sizes[2] > MAX_LINE_SETS) throw corrupt(`at most ${MAX_LINE_SETS} lines of their own, got ${sizes[2]}`)
  const length = count * (perLine ? sizes[2] : 1)
  const mean = codeCoefficients(coder, models, FLAGS.sameMean, length, before?.mean, given?.mean)
  if (!codeBit(coder, models.flags, FLAGS.spread, given?.spread.length ? 1 : 0)) {
    return { axis, lags, perLine, mean, spread: new Int8Array(0), shifts: new Int8Array(0) }
  }
  const spread = codeCoefficients(coder, models, FLAGS.sameSpread, length, before?.spread, given?.spread)
  const shifts = new Int8Array(SHIFTS)
  let last = 0
  for (let i = 0; i < SHIFTS; i++) {
    last += codeSigned(coder, models.signed[1], given ? given.shifts[i] - last : 0)
    if (Math.abs(last) > MOST_SHIFT) throw corrupt(`a shift within ${MOST_SHIFT}, got ${last}`)
    shifts[i] = last
  }
  return { axis, lags, perLine, mean, spread, shifts }
}

/** What the segments of a stream ask of it. */
interface Demand {
  count: number
  /** The largest class; of Δ streams none, as theirs are kept within the tables. */
  top: number
  /** The largest first table of segments with and without lines. */
  first: number
  firstOfLines: number
}

function codeTables(coder: BitCoder, number: number, dead: boolean, given?: Stream): Uint16Array[] {
  const count = 1 + codeNumber(coder, numberModels(), given ? given.tables.length - 1 : 0)
  if (count > MAX_TABLES) throw corrupt(`at most ${MAX_TABLES} tables, got ${count}`)
  const models = tableModels()
  const levels: Uint8Array[] = []
  return Array.from({ length: count }, (_, i) => {
    const table = codeTable(
      coder,
      models,
      expectedLevels(number, dead && i === count - 1 ? [] : levels),
      given?.tables[i],
    )
    levels.push(table.levels)
    return table.frequencies
  })
}

/** The bins of a predicted mean: they begin at 0 and go up by at most 1 a step. */
function codeBins(coder: BitCoder, given?: Uint8Array): Uint8Array {
  const model = bitModels(1)
  const bins = new Uint8Array(STEPS)
  for (let i = 1; i < STEPS; i++) bins[i] = bins[i - 1] + codeBit(coder, model, 0, given ? given[i] - given[i - 1] : 0)
  return bins
}

/** @param blocks elements of each block */
function codeStream(
  coder: BitCoder,
  number: number,
  demand: Demand,
  blocks: readonly number[],
  given?: Stream,
): Stream {
  const { topBits } = ELEMENTS[number]
  const numbers = numberModels()
  const float = isFloat(number)
  const dead = float && demand.top >= DEAD_CLASSES
  const tables = codeTables(coder, number, dead, given)
  const bins = float && demand.firstOfLines >= 0 ? codeBins(coder, given?.bins) : new Uint8Array(STEPS)
  const living = tables.length - (dead ? 1 : 0)
  const most = float
    ? Math.max(demand.first, demand.firstOfLines + QUARTERS * bins[STEPS - 1]) + QUARTERS - 1
    : Math.max(demand.first, demand.firstOfLines) + (number >= DELTA16 ? QUARTERS - 1 : demand.top)
  if (most >= living) throw corrupt(`a table below ${living}, got ${most}`)

  let { lowBits = 0 } = ELEMENTS[number]
  if (number in MOST_LOW_BITS) {
    lowBits = codeNumber(coder, numbers, given?.lowBits ?? 0)
    if (lowBits > MOST_LOW_BITS[number]) throw corrupt(`at most ${MOST_LOW_BITS[number]} low bits, got ${lowBits}`)
  }

  const origins: [number, number] = [0, 0]
  const base = 1 << topBits
  for (const half of float ? (dead ? [0, 1] : [0]) : []) {
    origins[half] = QUARTERS * codeNumber(coder, numbers, given ? (given.origins[half] & (base - 1)) / QUARTERS : 0)
    if (origins[half] >= base) throw corrupt(`an origin below ${base}, got ${origins[half]}`)
  }

  let escapes = new Uint32Array(0)
  if (float || number >= DELTA16) {
    const escaped = codeNumber(coder, numbers, given ? given.escapes.length : 0)
    if (escaped > demand.count) throw corrupt(`at most ${demand.count} escapes, got ${escaped}`)
    escapes = new Uint32Array(escaped)
    const tree = bitModels(float ? base : 0)
    const width = 8 * ELEMENTS[number].bytes - lowBits
    for (let i = 0; i < escaped; i++) {
      const value = given ? given.escapes[i] : 0
      escapes[i] = float ? codeTree(coder, tree, topBits, value) : codeRaw(coder, width, value)
    }
  }

  const words = blocks.map((size, block) => {
    const used = codeNumber(coder, numbers, given ? given.words[block] : 0)
    if (used > size) throw corrupt(`at most ${size} words, got ${used}`)
    return used
  })
  return { tables, origins, bins, lowBits, escapes, words }
}

/** The largest of some classes. */
export function largest(values: Uint8Array): number {
  let most = 0
  for (const value of values) if (value > most) most = value
  return most
}

/** Bytes that a circuit's segment decodes to. */
export function bytesOf({ method, count, palette }: Pick<Segment, 'method' | 'count' | 'palette'>): number {
  return palette ? palette.bytes * count : ELEMENTS[method].bytes * count
}

/**
 * Reads or writes a header.
 *
 * @param rawLength what the segments' bytes add up to
 * @param given the header to write
 * @throws HardpackError `CHUNK_CORRUPT` for a header that breaks a rule.
 */
export function codeHeader(coder: BitCoder, rawLength: number, given?: Header): Header {
  const methods = bitModels(1 << METHOD_BITS)
  const centers = bitModels(256)
  const numbers = [0, 1, 2, 3, 4].map(numberModels)
  const latentModels = [0, 1, 2].map(() => [numberModels(), bitModels(1), signedModels()])
  const parts: PartModels = {
    flags: bitModels(FLAGS.axis + 4),
    numbers: [0, 1, 2, 3, 4].map(numberModels),
    signed: [0, 1].map(signedModels),
    widths: bitModels(64),
  }
  const segments: Segment[] = []
  const demands = ELEMENTS.map((): Demand => ({ count: 0, top: 0, first: -1, firstOfLines: -1 }))
  const pooled = [0, 0, 0]
  let before: Lines | undefined

  let left = rawLength
  while (left > 0) {
    if (segments.length === MAX_SEGMENTS) throw corrupt(`at most ${MAX_SEGMENTS} segments, got more`)
    const segment = given?.segments[segments.length]
    const method = codeTree(coder, methods, METHOD_BITS, segment?.method ?? 0)
    if (method > MIX) throw corrupt(`a known method, got ${method}`)
    if (method >= RAW) {
      const count = 1 + codeNumber(coder, numbers[3], segment ? segment.count - 1 : 0)
      if (count > left) throw corrupt(`segments of ${rawLength} bytes in all, got more`)
      left -= count
      pooled[method - RAW] += count
      segments.push({ method, count, latents: [], center: 0, first: 0 })
      continue
    }
    const sizes = [0, 1, 2].map(
      (axis) => 1 + codeNumber(coder, numbers[axis], segment ? segment.latents[axis].length - 1 : 0),
    )
    const [rows, columns, inner] = sizes
    if (columns * inner > MAX_PATTERN) throw corrupt(`a pattern of at most ${MAX_PATTERN}, got ${columns * inner}`)
    const count = rows * columns * inner
    if (count > 2 * left) throw corrupt(`segments of ${rawLength} bytes in all, got more`)
    const hasPalette =
      method === INDEX ||
      (method === BYTE && codeBit(coder, parts.flags, FLAGS.palette, segment?.palette ? 1 : 0) === 1)
    const palette = hasPalette ? codePalette(coder, parts, segment?.palette) : undefined
    const bytes = bytesOf({ method, count, palette })
    if (bytes > left || !Number.isInteger(bytes)) throw corrupt(`segments of ${rawLength} bytes in all, got more`)
    left -= bytes
    const integers = method >= BYTE && method <= INDEX
    const center = integers ? codeTree(coder, centers, 8, segment?.center ?? 0) : 0
    const slope = method >= DELTA16 ? codeSlope(coder, parts, method, segment?.slope) : undefined
    const latents = sizes.map((size, axis) => codeLatents(coder, latentModels[axis], size, segment?.latents[axis]))
    const first = codeNumber(coder, numbers[4], segment?.first ?? 0)
    const fromBase =
      method === BYTE && !palette && codeBit(coder, parts.flags, FLAGS.base, segment?.fromBase ? 1 : 0) === 1
    const lines = method <= BYTE && !fromBase ? codeLines(coder, parts, sizes, before, segment?.lines) : undefined
    before = lines ?? before

    const demand = demands[method]
    const top = latents.reduce((sum, latent) => sum + largest(latent), 0)
    demand.count += count
    if (!slope) demand.top = Math.max(demand.top, Math.min(SATURATED, top))
    if (lines) demand.firstOfLines = Math.max(demand.firstOfLines, first)
    else demand.first = Math.max(demand.first, first)
    segments.push({ method, count, latents, center, first, lines, palette, slope, fromBase })
  }

  const streams = demands.map((demand, number) => {
    if (demand.count === 0) return undefined
    const members = segments.filter(({ method }) => method === number).map((segment) => ({ segment }))
    return codeStream(coder, number, demand, blocksOf(members).map(countOf), given?.streams[number])
  })
  const pools: [number, number] = [0, 0]
  for (const i of [0, 1]) {
    if (pooled[1 + i] > 0) pools[i] = codeNumber(coder, numbers[3], given ? given.pools[i] : 0)
  }
  return { segments, streams, pools }
}
