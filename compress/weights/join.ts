/** From what a kernel has decoded of a tile to the bytes of its segment: palettes, halves of bytes, and bases. */

import { corrupt } from '../corrupt.ts'
import { bitsOf, orderOf, tableOf, widthOf } from './delta.ts'
import type { Palette, Slope } from './header.ts'

/** Where a tile's elements go: `count` of them, the first being element `first` of the segment that begins at `offset` of `out`. */
export interface Target {
  readonly out: Uint8Array
  readonly offset: number
  readonly first: number
  readonly count: number
}

/** Elements of whole bytes, as they are. */
export function joinElements({ out, offset, first, count }: Target, elements: Uint8Array): void {
  out.set(elements, offset + (elements.length / count) * first)
}

/** Bytes to which those of the base are added. */
export function joinSums({ out, offset, first, count }: Target, bytes: Uint8Array, base: Uint8Array): void {
  for (let i = 0, to = offset + first; i < count; i++, to++) out[to] = bytes[i] + base[to]
}

/** Halves of bytes, the lower first. Tiles come in order, and one may begin where the tile before it left half a byte. */
export function joinNibbles({ out, offset, first, count }: Target, nibbles: Uint8Array): void {
  for (let i = 0; i < count; i++) {
    const to = offset + ((first + i) >> 1)
    if ((first + i) & 1) out[to] |= (nibbles[i] & 15) << 4
    else out[to] = nibbles[i] & 15
  }
}

/**
 * The values of a palette.
 *
 * @param rests the lowest bits of each index
 * @throws HardpackError `CHUNK_CORRUPT` for an index beyond the palette.
 */
export function joinValues(target: Target, { bytes, values }: Palette, indices: Uint8Array, rests?: Rests): void {
  let to = target.offset + bytes * target.first
  for (let i = 0; i < target.count; i++) {
    const index = rests ? indices[i] * 2 ** rests.bits + rests.numbers[i] : indices[i]
    if (index >= values.length) throw corrupt(`an index below ${values.length}, got ${index}`)
    for (let bit = 0; bit < 8 * bytes; bit += 8) target.out[to++] = values[index] >>> bit
  }
}

/** The lowest bits of each element of a tile. */
export interface Rests {
  readonly bits: number
  readonly numbers: Uint32Array
}

function readElement(bytes: Uint8Array, at: number, width: 16 | 32): number {
  const low = bytes[at] | (bytes[at + 1] << 8)
  return width === 16 ? low : (low | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
}

/** Turns the classes of a tile of a Δ stream into tables, counted from the first, by what the base says. */
export function chooseTables(
  { offset, first, count }: Target,
  stream: number,
  slope: Slope,
  classes: Uint8Array,
  base: Uint8Array,
  most: number,
): void {
  const width = widthOf(stream)
  for (let i = 0, from = offset + (width / 8) * first; i < count; i++, from += width / 8) {
    classes[i] = tableOf(slope, classes[i], readElement(base, from, width), width, most)
  }
}

/**
 * Elements by their difference to the base's.
 *
 * @param symbols 0 is an escape, else the difference is symbol - 128
 * @param escape the next escaped difference of the stream
 */
export function joinDifferences(
  { out, offset, first, count }: Target,
  stream: number,
  symbols: Uint8Array,
  { bits, numbers }: Rests,
  base: Uint8Array,
  nextEscape: () => number,
): void {
  const width = widthOf(stream)
  const mask = width === 32 ? 0xffffffff : 0xffff
  for (let i = 0, to = offset + (width / 8) * first; i < count; i++) {
    const difference = symbols[i] === 0 ? nextEscape() : symbols[i] - 128
    const order = orderOf(readElement(base, to, width), width) + (difference << bits) + numbers[i]
    const value = bitsOf((order & mask) >>> 0, width)
    for (let bit = 0; bit < width; bit += 8) out[to++] = value >>> bit
  }
}
