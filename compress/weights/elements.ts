/**
 * How the bits of an element divide: `top` = exponent and two leading mantissa bits, which a circuit codes, and the rest,
 * sign over low mantissa bits, which goes raw into planes.
 *
 *     float32   sign 1 | top 10 | low 21     rest 22 = 16 + 4 + 2
 *     bfloat16  sign 1 | top 10 | low 5      rest  6 =      4 + 2
 *     float16   sign 1 | top 7  | low 8      rest  9 = 8 + 1
 *     bytes     the symbol is the byte       rest  0
 */

import type { DType } from '../../sdk/core/index.ts'
import { planeBytes } from '../coder/planes.ts'

export interface Element {
  readonly bytes: number
  /** Bits of `top`; 0 where the symbol is the byte itself. */
  readonly topBits: number
  /** Bits below `top`. */
  readonly lowBits: number
  /** Widths of the planes of the rest, from its least significant bit up. */
  readonly planes: readonly number[]
}

/** By stream number, which is part of the file format. */
export const ELEMENTS: readonly Element[] = [
  { bytes: 4, topBits: 10, lowBits: 21, planes: [16, 4, 2] },
  { bytes: 2, topBits: 10, lowBits: 5, planes: [4, 2] },
  { bytes: 2, topBits: 7, lowBits: 8, planes: [8, 1] },
  { bytes: 1, topBits: 0, lowBits: 0, planes: [] },
]

const FLOAT32 = 0
const BFLOAT16 = 1
export const FLOAT16 = 2
export const BYTE = 3

const OF_DTYPE: Partial<Record<DType, number>> = {
  float32: FLOAT32,
  bfloat16: BFLOAT16,
  float16: FLOAT16,
  int8: BYTE,
  uint8: BYTE,
  int32: BYTE,
  int64: BYTE,
}

/** The stream that codes elements of a type; `undefined` for types that only byte codecs take. */
export function streamOf(dtype: DType): number | undefined {
  return OF_DTYPE[dtype]
}

/** Bytes of the planes of `count` elements. */
export function planesLength(element: Element, count: number): number {
  return element.planes.reduce((sum, width) => sum + planeBytes(width, count), 0)
}
