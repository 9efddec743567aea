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
  // low, high, value as 32-bit patterns: variables of a closure would be boxed, as they do not fit a small integer.
  const interval = Int32Array.of(0, -1, 0)
  const { length } = bytes
  let position = 4
  for (let i = 0; i < 4; i++) interval[2] = (interval[2] << 8) | (i < length ? bytes[i] : 0)

  return {
    code(probability) {
      let low = interval[0]
      let high = interval[1]
      const range = high - low
      const middle = (low + Math.imul(range >>> 16, probability) + (Math.imul(range & 0xffff, probability) >>> 16)) | 0
      const bit = interval[2] >>> 0 <= middle >>> 0 ? 1 : 0
      if (bit) high = middle
      else low = (middle + 1) | 0
      while ((low ^ high) >>> 24 === 0) {
        if (position - 4 >= length) throw corrupt('more coded bits, got the end')
        low <<= 8
        high = (high << 8) | 255
        interval[2] = (interval[2] << 8) | (position < length ? bytes[position] : 0)
        position++
      }
      interval[0] = low
      interval[1] = high
      return bit
    },
    finish() {
      const whole = position - 4
      const low = interval[0]
      const tail = low === 0 ? 0 : 1
      if (length !== whole + tail || (tail && bytes[whole] !== (low >>> 24) + 1)) {
        throw corrupt(`coded bits to end after ${whole + tail} bytes, got ${length}`)
      }
    },
  }
}
