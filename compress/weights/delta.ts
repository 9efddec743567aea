/**
 * The difference circuit (Δ): elements against those at the same place of a base. Floats of 16 or 32 bits are compared in
 * their order, as integers: ord(u) counts them from the lowest negative to the highest positive, so a small change is a small
 * number whatever the exponent does. How small, the base says: the table follows its exponent and its leading mantissa bits.
 */

import { DELTA32, QUARTERS } from './elements.ts'
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

/** The exponent of a float and, below it, its two leading mantissa bits. */
export function topOf(bits: number, width: 16 | 32, half: boolean): { exponent: number; quarter: number } {
  const top = width === 32 ? (bits >>> 21) & 1023 : half ? (bits >> 8) & 127 : (bits >> 5) & 1023
  return { exponent: top >> 2, quarter: top & 3 }
}

/**
 * The table of an element, counted from the first of its segment. Tables come in fours, as the same relative change is twice as many
 * steps at the upper end of an octave as at the lower: the class chooses the four, the base's leading mantissa bits one of them.
 *
 * @param cls min(255, a + b + d)
 * @param bits of the base's element
 * @param most the last table; at least 3
 */
export function tableOf(
  { half, steps, offset }: Slope,
  cls: number,
  bits: number,
  width: 16 | 32,
  most: number,
): number {
  const { exponent, quarter } = topOf(bits, width, half)
  const moved = Math.max(0, Math.min(((most + 1) >> 2) - 1, cls + offset - steps * exponent))
  return QUARTERS * moved + quarter
}
