/**
 * Bits that carry no information to model (the sign and the low mantissa bits of a weight) lie raw in planes of 16, 8, 4,
 * 2 and 1 bits, so that 16 lanes of bytes split and join them with one mask and one shift. In a plane of w < 8 bits,
 * 16 bytes hold a group of 128 / w elements: element i of the group is in byte i mod 16, at bit w · ⌊i / 16⌋.
 */

/** Bytes that a plane of `width` bits takes for `count` elements. */
export function planeBytes(width: number, count: number): number {
  return width >= 8 ? (width / 8) * count : 16 * Math.ceil((count * width) / 128)
}

/** Element `index` of a plane that begins at `offset`. */
export function planeElement(bytes: Uint8Array, offset: number, width: number, index: number): number {
  if (width === 16) return bytes[offset + 2 * index] | (bytes[offset + 2 * index + 1] << 8)
  if (width === 8) return bytes[offset + index]
  const size = 128 / width
  const inGroup = index & (size - 1)
  const byte = bytes[offset + 16 * Math.floor(index / size) + (inGroup & 15)]
  return (byte >>> (width * (inGroup >> 4))) & ((1 << width) - 1)
}

/** Sets element `index` of a plane of zeros that begins at `offset`. */
export function setPlaneElement(bytes: Uint8Array, offset: number, width: number, index: number, value: number): void {
  if (width >= 8) {
    for (let i = 0; i < width / 8; i++) bytes[offset + (width / 8) * index + i] = value >>> (8 * i)
    return
  }
  const size = 128 / width
  const inGroup = index & (size - 1)
  bytes[offset + 16 * Math.floor(index / size) + (inGroup & 15)] |= value << (width * (inGroup >> 4))
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
