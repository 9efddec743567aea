/**
 * Bits that carry no information to model (the sign and the low mantissa bits of a weight) lie raw in planes of 16, 8, 4,
 * 2 and 1 bits, so that 16 lanes of bytes split and join them with one mask and one shift. In a plane of w < 8 bits,
 * 16 bytes hold a group of 128 / w elements: element i of the group is in byte i mod 16, at bit w · ⌊i / 16⌋.
 */

/** Bytes that a plane of `width` bits takes for `count` elements. */
export function planeBytes(width: number, count: number): number {
  return width >= 8 ? (width / 8) * count : 16 * Math.ceil((count * width) / 128)
}

/** Groups of 2^groupBits elements; division would be slow here. */
const groupBits = (width: number): number => Math.clz32(width) - 24
const byteOf = (width: number, index: number): number => ((index >>> groupBits(width)) << 4) + (index & 15)
const bitOf = (width: number, index: number): number => width * ((index >>> 4) & ((1 << (groupBits(width) - 4)) - 1))

/** Element `index` of a plane that begins at `offset`. */
export function planeElement(bytes: Uint8Array, offset: number, width: number, index: number): number {
  if (width === 16) return bytes[offset + 2 * index] | (bytes[offset + 2 * index + 1] << 8)
  if (width === 8) return bytes[offset + index]
  return (bytes[offset + byteOf(width, index)] >>> bitOf(width, index)) & ((1 << width) - 1)
}

/** Sets element `index` of a plane of zeros that begins at `offset`. */
export function setPlaneElement(bytes: Uint8Array, offset: number, width: number, index: number, value: number): void {
  if (width >= 8) {
    for (let i = 0; i < width / 8; i++) bytes[offset + (width / 8) * index + i] = value >>> (8 * i)
    return
  }
  bytes[offset + byteOf(width, index)] |= value << bitOf(width, index)
}

/**
 * Reads planes that lie one after the other from `offset` on into numbers, the first plane into their lowest bits.
 *
 * @param numbers as many as are read
 */
export function readPlanes(bytes: Uint8Array, offset: number, widths: readonly number[], numbers: Uint32Array): void {
  let plane = offset
  let shift = 0
  numbers.fill(0)
  for (const width of widths) {
    for (let i = 0; i < numbers.length; i++) numbers[i] |= planeElement(bytes, plane, width, i) << shift
    plane += planeBytes(width, numbers.length)
    shift += width
  }
}
