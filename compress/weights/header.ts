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
import { DEAD_CLASSES, DEAD_TABLE } from '../coder/kernel.ts'
import { BLOCK, MAX_TABLES, SYMBOLS, TOTAL } from '../coder/rans.ts'
import { corrupt } from '../corrupt.ts'
import { BYTE, ELEMENTS } from './elements.ts'

/** Methods 0 to 3 are the streams of `ELEMENTS`; the rest pool a segment's bytes and code them by a byte codec. */
export const RAW = 4
export const DEFLATE = 5
export const MIX = 6
const METHOD_BITS = 3

/** The name of a method in reports. */
export function circuitOf(method: number): string {
  if (method < RAW) return method === BYTE ? 'Q' : 'A'
  return method === RAW ? 'raw' : method === DEFLATE ? 'deflate' : 'mix'
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

export interface Segment {
  readonly method: number
  /** Elements of a circuit's segment, else bytes. */
  readonly count: number
  /** Circuits only: a_r, b_c and d_k; count = the product of their lengths. */
  readonly latents: readonly Uint8Array[]
  /** Stream of bytes only: added to each symbol, modulo 256. */
  readonly center: number
}

export interface Stream {
  /** Frequencies of 256 symbols by table number. */
  readonly tables: readonly Uint16Array[]
  /** top = symbol + (class & ~3) + the origin of the living or of the dead, modulo 2^topBits. */
  readonly origins: readonly [number, number]
  /** The `top` of each escaped element, in order. */
  readonly escapes: Uint16Array
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

/**
 * A frequency by the change of its width in bits (against the symbol before it in the first table, against the same symbol of
 * the table before in the others), then the bits below the leading one.
 */
function codeTable(coder: BitCoder, models: TableModels, before?: Uint16Array, given?: Uint16Array): Uint16Array {
  const frequencies = new Uint16Array(SYMBOLS)
  let left = TOTAL
  let width = 0
  for (let symbol = 0; symbol < SYMBOLS && left > 0; symbol++) {
    const value = given ? given[symbol] : 0
    const expected = before ? widthOf(before[symbol]) : width
    width =
      expected + codeSigned(coder, models.widths[(before ? 2 : 0) + (expected ? 1 : 0)], widthOf(value) - expected)
    if (width < 0 || width > MAX_WIDTH) throw corrupt(`a frequency up to ${TOTAL}, got one of ${width} bits`)
    let frequency = width > 0 ? 1 : 0
    for (let bit = width - 2; bit >= 0; bit--) {
      frequency = frequency * 2 + codeBit(coder, models.bits, 16 * width + bit, (value >>> bit) & 1)
    }
    if (frequency > left) throw corrupt(`frequencies that sum to ${TOTAL}, got more`)
    left -= frequency
    frequencies[symbol] = frequency
  }
  if (left > 0) throw corrupt(`frequencies that sum to ${TOTAL}, got ${TOTAL - left}`)
  return frequencies
}

interface TableModels {
  readonly widths: readonly Int32Array[]
  readonly bits: Int32Array
}

const widthOf = (value: number): number => 32 - Math.clz32(value)
const MAX_WIDTH = 13

/** @param top the largest class */
function codeStream(coder: BitCoder, number: number, count: number, top: number, given?: Stream): Stream {
  const { topBits } = ELEMENTS[number]
  const numbers = numberModels()
  const halves = top < DEAD_CLASSES ? [0] : [0, 1]
  let tableCount = DEAD_TABLE + halves.length - 1
  if (number === BYTE) {
    tableCount = 1 + codeNumber(coder, numbers, given ? given.tables.length - 1 : 0)
    if (tableCount > MAX_TABLES) throw corrupt(`at most ${MAX_TABLES} tables, got ${tableCount}`)
  }
  const models = { widths: [0, 1, 2, 3].map(signedModels), bits: bitModels(16 * (MAX_WIDTH + 1)) }
  const tables: Uint16Array[] = []
  for (let i = 0; i < tableCount; i++) {
    const before = number !== BYTE && i === DEAD_TABLE ? undefined : tables[i - 1]
    tables.push(codeTable(coder, models, before, given?.tables[i]))
  }

  const origins: [number, number] = [0, 0]
  let escapes = new Uint16Array(0)
  if (topBits > 0) {
    const base = 1 << topBits
    for (const half of halves) {
      origins[half] = codeNumber(coder, numbers, given ? given.origins[half] & (base - 1) : 0)
      if (origins[half] >= base) throw corrupt(`an origin below ${base}, got ${origins[half]}`)
    }
    const escaped = codeNumber(coder, numbers, given ? given.escapes.length : 0)
    if (escaped > count) throw corrupt(`at most ${count} escapes, got ${escaped}`)
    escapes = new Uint16Array(escaped)
    const tree = bitModels(base)
    for (let i = 0; i < escaped; i++) escapes[i] = codeTree(coder, tree, topBits, given ? given.escapes[i] : 0)
  }

  const words: number[] = []
  for (let start = 0; start < count; start += BLOCK) {
    const most = Math.min(BLOCK, count - start)
    const used = codeNumber(coder, numbers, given ? given.words[words.length] : 0)
    if (used > most) throw corrupt(`at most ${most} words, got ${used}`)
    words.push(used)
  }
  return { tables, origins, escapes, words }
}

function largest(values: Uint8Array): number {
  let most = 0
  for (const value of values) if (value > most) most = value
  return most
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
  const numbers = [0, 1, 2, 3].map(numberModels)
  const latentModels = [0, 1, 2].map(() => [numberModels(), bitModels(1), signedModels()])
  const segments: Segment[] = []
  const counts = ELEMENTS.map(() => 0)
  const tops = ELEMENTS.map(() => 0)
  const pooled = [0, 0, 0]

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
      segments.push({ method, count, latents: [], center: 0 })
      continue
    }
    const sizes = [0, 1, 2].map(
      (axis) => 1 + codeNumber(coder, numbers[axis], segment ? segment.latents[axis].length - 1 : 0),
    )
    const [rows, columns, inner] = sizes
    const width = ELEMENTS[method].bytes
    if (columns * inner > MAX_PATTERN) throw corrupt(`a pattern of at most ${MAX_PATTERN}, got ${columns * inner}`)
    const count = rows * columns * inner
    if (count * width > left) throw corrupt(`segments of ${rawLength} bytes in all, got more`)
    left -= count * width
    counts[method] += count
    const center = method === BYTE ? codeTree(coder, centers, 8, segment?.center ?? 0) : 0
    const latents = sizes.map((size, axis) => codeLatents(coder, latentModels[axis], size, segment?.latents[axis]))
    const top = latents.reduce((sum, latent) => sum + largest(latent), 0)
    tops[method] = Math.max(tops[method], Math.min(SATURATED, top))
    segments.push({ method, count, latents, center })
  }

  const streams = counts.map((count, number) =>
    count > 0 ? codeStream(coder, number, count, tops[number], given?.streams[number]) : undefined,
  )
  const bytes = streams[BYTE]
  if (bytes && tops[BYTE] >= bytes.tables.length)
    throw corrupt(`a class below ${bytes.tables.length}, got ${tops[BYTE]}`)
  const pools: [number, number] = [0, 0]
  for (const i of [0, 1]) {
    if (pooled[1 + i] > 0) pools[i] = codeNumber(coder, numbers[3], given ? given.pools[i] : 0)
  }
  return { segments, streams, pools }
}
