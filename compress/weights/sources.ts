/**
 * A part of a tensor as one of the streams sees it: the numbers that its circuit codes, and the rest that lies raw. Which streams may
 * take a part is here as well; which one does is decided by size (`encode.ts`).
 */

import { SYMBOLS } from '../coder/rans.ts'
import { orderOf, topOf, widthOf } from './delta.ts'
import { BYTE, DELTA16, DELTA32, ELEMENTS, FLOAT16, INDEX, isFloat, MOST_LOW_BITS, NIBBLE } from './elements.ts'
import { MAX_PALETTE, MAX_STEPS, type Palette, type Slope } from './header.ts'
import type { Sample } from './scales.ts'
import type { Part } from './split.ts'
import { modeOf } from './tables.ts'

/** How a part is coded: the stream or pool, and what the segment needs besides. */
export interface Coding {
  readonly method: number
  readonly palette?: Palette
  /** Bytes: less those of the base. */
  readonly fromBase?: boolean
}

/** A part in a stream. */
export interface Source extends Sample {
  readonly part: Part
  readonly coding: Coding
  readonly center: number
  readonly slope?: Slope
  readonly fromBase: boolean
  /** Low bits of each element. */
  readonly rests: Uint32Array
  /** Differences of the escaped elements of a Δ stream, by place. */
  readonly escapes: ReadonlyMap<number, number>
}

/** The elements of a part, little endian, as unsigned integers; nibbles the lower half of a byte first. */
function elementsOf(bytes: Uint8Array, width: number): Uint32Array {
  if (width === 0.5)
    return Uint32Array.from({ length: 2 * bytes.length }, (_, i) => (bytes[i >> 1] >> (4 * (i & 1))) & 15)
  if (width === 1) return Uint32Array.from(bytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (width === 2) return Uint32Array.from({ length: bytes.length / 2 }, (_, i) => view.getUint16(2 * i, true))
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true))
}

/** A part before anything is known of its elements. */
function emptySource(part: Part, coding: Coding): Omit<Source, 'values'> {
  return {
    part,
    coding,
    dims: part.dims,
    center: 0,
    fromBase: false,
    signs: new Uint8Array(0),
    addends: new Int16Array(0),
    rests: new Uint32Array(0),
    escapes: new Map(),
  }
}

function floatSource(part: Part, coding: Coding): Source {
  const { bytes, topBits, lowBits = 0 } = ELEMENTS[coding.method]
  const bits = elementsOf(part.bytes, bytes)
  return {
    ...emptySource(part, coding),
    values: Uint16Array.from(bits, (value) => (value >>> lowBits) & ((1 << topBits) - 1)),
    signs: Uint8Array.from(bits, (value) => value >>> (lowBits + topBits)),
    rests: bits.map((value) => value & ((1 << lowBits) - 1)),
  }
}

function integerSource(part: Part, coding: Coding, elements: Uint32Array, lowBits: number): Source {
  const mask = coding.method === NIBBLE ? 15 : 255
  const symbols = elements.map((value) => value >>> lowBits)
  const counts = new Uint32Array(SYMBOLS)
  for (const symbol of symbols) counts[symbol]++
  const center = modeOf(counts)
  const values = Uint16Array.from(symbols, (value) => (value - center) & mask)
  const rests = elements.map((value) => value & ((1 << lowBits) - 1))
  return { ...emptySource(part, coding), center, values, rests }
}

/** Places in the palette. */
function placesOf(elements: Uint32Array, { values }: Palette): Uint32Array {
  const places = new Map<number, number>()
  values.forEach((value, i) => {
    places.set(value, i)
  })
  return elements.map((value) => places.get(value) as number)
}

/** Signed differences of a part to its base, in the order of floats, modulo 2^bits. */
function differencesOf(part: Part, base: Uint8Array, bits: 16 | 32): Float64Array {
  const now = elementsOf(part.bytes, bits / 8)
  const before = elementsOf(base, bits / 8)
  return Float64Array.from(now, (value, i) => {
    const difference = orderOf(value, bits) - orderOf(before[i], bits)
    return difference >= 2 ** (bits - 1)
      ? difference - 2 ** bits
      : difference < -(2 ** (bits - 1))
        ? difference + 2 ** bits
        : difference
  })
}

/** The share of differences that may escape. */
const ESCAPED = 0.002

function deltaSource(part: Part, coding: Coding, lowBits: number): Source {
  const base = part.base as Uint8Array
  const bits = widthOf(coding.method)
  const half = part.stream === FLOAT16
  const differences = differencesOf(part, base, bits)
  const values = new Uint16Array(differences.length)
  const rests = new Uint32Array(differences.length)
  const escapes = new Map<number, number>()
  const scale = 2 ** lowBits
  differences.forEach((difference, i) => {
    const upper = Math.floor(difference / scale)
    rests[i] = difference - upper * scale
    if (upper > -128 && upper < 128) values[i] = upper + 128
    else escapes.set(i, upper < 0 ? upper + 2 ** (bits - lowBits) : upper)
  })
  const tops = Array.from(elementsOf(base, bits / 8), (value) => topOf(value, bits, half))
  const exponents = Float64Array.from(tops, ({ exponent }) => exponent)
  tops.forEach(({ quarter }, i) => {
    values[i] |= quarter << 8
  })
  const middle = Math.round(exponents.reduce((sum, e) => sum + e, 0) / exponents.length)
  const steps = stepsOf(differences, exponents)
  const slope = { half, steps, offset: steps * middle }
  const addends = Int16Array.from(exponents, (exponent) => steps * (middle - exponent))
  return { ...emptySource(part, coding), values, rests, escapes, slope, addends }
}

/**
 * How many half octaves the size of a difference falls for each octave of the base: least squares, to the nearest that a slope can say. A
 * relative change moves with the base, so its difference in the order of floats does not.
 */
function stepsOf(differences: Float64Array, exponents: Float64Array): number {
  let n = 0
  let x = 0
  let y = 0
  let xx = 0
  let xy = 0
  for (let i = 0; i < differences.length; i++) {
    if (exponents[i] === 0) continue
    const size = 2 * Math.log2(Math.abs(differences[i]) + 0.5)
    n++
    x += exponents[i]
    y += size
    xx += exponents[i] ** 2
    xy += exponents[i] * size
  }
  const variance = n * xx - x * x
  const slope = variance > 0 ? -(n * xy - x * y) / variance : 0
  return Math.max(0, Math.min(MAX_STEPS, Math.round(slope)))
}

/** The low bits of a stream: as few as its elements allow. */
export function lowBitsOf(method: number, parts: readonly Part[], codings: readonly Coding[]): number {
  if (method === INDEX) {
    const most = Math.max(...codings.map(({ palette }) => palette?.values.length ?? 1))
    return Math.max(0, 32 - Math.clz32(most - 1) - 8)
  }
  if (method !== DELTA16 && method !== DELTA32) return ELEMENTS[method].lowBits ?? 0
  const sizes = parts.map((part) => differencesOf(part, part.base as Uint8Array, widthOf(method)).map(Math.abs))
  const count = sizes.reduce((sum, own) => sum + own.length, 0)
  let low = 0
  const far = (bits: number): number =>
    sizes.reduce((sum, own) => sum + own.reduce((n, size) => n + (size >= 127 * 2 ** bits ? 1 : 0), 0), 0)
  while (low < MOST_LOW_BITS[method] && far(low) > ESCAPED * count) low++
  return low
}

/** A part as a member of its stream. */
export function sourceOf(part: Part, coding: Coding, lowBits: number): Source {
  const { method, palette, fromBase } = coding
  if (isFloat(method)) return floatSource(part, coding)
  if (palette) return integerSource(part, coding, placesOf(elementsOf(part.bytes, palette.bytes), palette), lowBits)
  if (method === DELTA16 || method === DELTA32) return deltaSource(part, coding, lowBits)
  const elements = elementsOf(part.bytes, ELEMENTS[method].bytes)
  const { base } = part
  if (fromBase && base) {
    const residual = integerSource(
      part,
      coding,
      elements.map((value, i) => (value - base[i]) & 255),
      0,
    )
    return { ...residual, fromBase: true }
  }
  const source = integerSource(part, coding, elements, 0)
  return method === NIBBLE && part.stream === BYTE ? { ...source, dims: [...part.dims, 2] } : source
}

/** The palette of a part, if it has few enough values, and at most one for eight elements. */
function paletteOf(part: Part): Palette | undefined {
  const bytes = part.stream === undefined || !isFloat(part.stream) ? 0 : ELEMENTS[part.stream].bytes
  if (bytes === 0) return undefined
  const distinct = new Set<number>()
  const elements = elementsOf(part.bytes, bytes)
  for (const value of elements) {
    distinct.add(value)
    if (distinct.size > MAX_PALETTE || distinct.size > elements.length / 8) return undefined
  }
  const width = bytes === 4 ? 32 : 16
  const inOrder = [...distinct].sort((a, b) => orderOf(a, width) - orderOf(b, width))
  return { bytes, values: Uint32Array.from(inOrder) }
}

/** The stream of a part's differences to its base. */
function deltaOf(part: Part): Coding | undefined {
  if (!part.base || part.stream === undefined) return undefined
  if (part.stream === BYTE) return { method: BYTE, fromBase: true }
  return isFloat(part.stream) ? { method: ELEMENTS[part.stream].bytes === 4 ? DELTA32 : DELTA16 } : undefined
}

function entropyOf(counts: Float64Array): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  return counts.reduce((bits, count) => bits + (count > 0 ? (count / total) * Math.log2(total / count) : 0), 0)
}

/** Whether the halves of bytes say little about each other, as those of packed 4-bit weights. */
function isPacked({ bytes, stream, dims }: Part): boolean {
  if (stream !== BYTE || dims.length < 2) return false
  const whole = new Float64Array(256)
  for (const byte of bytes) whole[byte]++
  const halves = [new Float64Array(16), new Float64Array(16)]
  whole.forEach((count, byte) => {
    halves[0][byte & 15] += count
    halves[1][byte >> 4] += count
  })
  return entropyOf(halves[0]) + entropyOf(halves[1]) < entropyOf(whole) + 0.05
}

/** The circuits that may code a part, the usual one first; none for types that only byte codecs take. */
export function codingsOf(part: Part): Coding[] {
  if (part.stream === undefined) return []
  const codings: Coding[] = [{ method: part.stream }]
  const palette = paletteOf(part)
  if (palette) codings.push({ method: palette.values.length <= SYMBOLS ? BYTE : INDEX, palette })
  if (isPacked(part)) codings.push({ method: NIBBLE })
  const delta = deltaOf(part)
  if (delta) codings.push(delta)
  return codings
}
