/**
 * The difference circuit (Δ): elements against those at the same place of a base. Floats of 16 or 32 bits are compared in
 * their order, as integers: ord(u) counts them from the lowest negative to the highest positive, so a small change is a small
 * number whatever the exponent does. How small, the base's exponent says: the class follows it.
 */

import { DELTA32 } from './elements.ts'
import type { Slope } from './header.ts'

/** Bits of an element of a Δ stream. */
export const widthOf = (stream: number): 16 | 32 => (stream === DELTA32 ? 32 : 16)

/** The place of a float's bits in the order of floats. */
export function orderOf(bits: number, width: 16 | 32): number {
  if (width === 32) return (bits < 0x80000000 ? bits ^ 0x80000000 : ~bits) >>> 0
  return bits < 0x8000 ? bits | 0x8000 : ~bits & 0xffff
}

/** The inverse of `orderOf`. */
export function bitsOf(order: number, width: 16 | 32): number {
  if (width === 32) return (order < 0x80000000 ? ~order : order ^ 0x80000000) >>> 0
  return order < 0x8000 ? ~order & 0xffff : order & 0x7fff
}

/**
 * What the base's element adds to the class: offset - steps · its exponent.
 *
 * @param bits of the base's element
 */
export function slopeOf({ half, steps, offset }: Slope, bits: number, width: 16 | 32): number {
  const exponent = width === 32 ? (bits >>> 23) & 255 : half ? (bits >> 10) & 31 : (bits >> 7) & 255
  return offset - steps * exponent
}
