/**
 * The streams of a chunk of weights, by the kind of element they code. A circuit codes a symbol of 8 bits; what a symbol
 * leaves open lies raw in planes.
 *
 *     float32   sign 1 | top 10 | low 21     symbol = sign and top, relative to its class     rest 21 = 16 + 4 + 1
 *     bfloat16  sign 1 | top 10 | low 5                                                       rest  5 =      4 + 1
 *     float16   sign 1 | top 7  | low 8                                                       rest  8 = 8
 *     byte      the byte less its center and its prediction, modulo 256
 *     nibble    half a byte, the lower half first, less its center, modulo 16
 *     index     the place in a palette of up to 4,096 values, without its lowest bits, less its center
 *     delta16   the difference to the base's element in the order of floats, without its lowest bits
 *     delta32
 *
 * `top` is the exponent and the two leading mantissa bits: quarter octaves, nearly.
 */

import type { DType } from '../../sdk/core/index.ts'
import { planeBytes } from '../coder/planes.ts'

export interface Element {
  /** Bytes of an element; of an index, those of its palette's values count. */
  readonly bytes: number
  /** Floats: bits of `top`; else 0. */
  readonly topBits: number
  /** Bits of the rest; `undefined` where the stream says. */
  readonly lowBits: number | undefined
}

export const FLOAT32 = 0
export const BFLOAT16 = 1
export const FLOAT16 = 2
export const BYTE = 3
export const NIBBLE = 4
export const INDEX = 5
export const DELTA16 = 6
export const DELTA32 = 7

/** By stream number, which is part of the file format. */
export const ELEMENTS: readonly Element[] = [
  { bytes: 4, topBits: 10, lowBits: 21 },
  { bytes: 2, topBits: 10, lowBits: 5 },
  { bytes: 2, topBits: 7, lowBits: 8 },
  { bytes: 1, topBits: 0, lowBits: 0 },
  { bytes: 0.5, topBits: 0, lowBits: 0 },
  { bytes: 0, topBits: 0, lowBits: undefined },
  { bytes: 2, topBits: 0, lowBits: undefined },
  { bytes: 4, topBits: 0, lowBits: undefined },
]

/** Whether a stream's symbols are signs and tops: their tables come in fours, one a quarter octave. */
export const isFloat = (stream: number): boolean => stream <= FLOAT16

/** Tables of floats come in fours, one for each quarter octave of the class; those of differences, for each of the base. */
export const QUARTERS = 4

/** The most low bits that a stream may choose. */
export const MOST_LOW_BITS: Readonly<Record<number, number>> = { [INDEX]: 4, [DELTA16]: 8, [DELTA32]: 24 }

const OF_DTYPE: Partial<Record<DType, number>> = {
  float32: FLOAT32,
  bfloat16: BFLOAT16,
  float16: FLOAT16,
  int8: BYTE,
  uint8: BYTE,
  int32: BYTE,
  int64: BYTE,
  int4: NIBBLE,
  uint4: NIBBLE,
}

/** The stream that codes elements of a type by themselves; `undefined` for types that only byte codecs take. */
export function streamOf(dtype: DType): number | undefined {
  return OF_DTYPE[dtype]
}

/** Widths of the planes of a rest of `lowBits` bits, from its least significant bit up. */
export function planesOf(lowBits: number): number[] {
  return [16, 8, 4, 2, 1].filter((width) => lowBits & width)
}

/** Bytes of the planes of `count` elements. */
export function planesLength(lowBits: number, count: number): number {
  return planesOf(lowBits).reduce((sum, width) => sum + planeBytes(width, count), 0)
}
