/**
 * Binary arithmetic decoding: a carry-less 32-bit interval [low, high] that a bit splits in proportion to its probability
 * (the coder of Mahoney's lpaq). The end is exact: the writer appends at most one byte, the shortest that names a
 * number inside the interval, and the reader accepts nothing else.
 */

import { corrupt } from '../corrupt.ts'
import type { BitCoder } from './bits.ts'

export interface BitReader extends BitCoder {
  /** @throws HardpackError `CHUNK_CORRUPT` unless the bytes end here, as the writer would have ended them. */
  finish(): void
}

/** Reads what a `bitWriter` wrote, with the same probabilities in the same order. */
export function bitReader(bytes: Uint8Array): BitReader {
  let low = 0
  let high = 0xffffffff
  let position = 4
  const byteAt = (index: number): number => (index < bytes.length ? bytes[index] : 0)
  let value = ((byteAt(0) << 24) | (byteAt(1) << 16) | (byteAt(2) << 8) | byteAt(3)) >>> 0

  return {
    code(probability) {
      const range = high - low
      const middle = low + (range >>> 16) * probability + (((range & 0xffff) * probability) >>> 16)
      const bit = value <= middle ? 1 : 0
      if (bit) high = middle
      else low = middle + 1
      while ((low ^ high) >>> 24 === 0) {
        if (position - 4 >= bytes.length) throw corrupt('more coded bits, got the end')
        low = (low << 8) >>> 0
        high = ((high << 8) | 255) >>> 0
        value = ((value << 8) | byteAt(position++)) >>> 0
      }
      return bit
    },
    finish() {
      const whole = position - 4
      const tail = low === 0 ? 0 : 1
      if (bytes.length !== whole + tail || (tail && bytes[whole] !== (low >>> 24) + 1)) {
        throw corrupt(`coded bits to end after ${whole + tail} bytes, got ${bytes.length}`)
      }
    },
  }
}
