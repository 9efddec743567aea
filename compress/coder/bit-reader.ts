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

/** A class, not a closure: engines inline its methods into loops over bits. */
class Reader implements BitReader {
  /** low, high, value as 32-bit patterns: as numbers of their own they would be boxed where they do not fit a small integer. */
  private readonly interval = Int32Array.of(0, -1, 0)
  private readonly bytes: Uint8Array
  private position = 4

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    for (let i = 0; i < 4; i++) this.interval[2] = (this.interval[2] << 8) | (i < bytes.length ? bytes[i] : 0)
  }

  code(probability: number): number {
    const { interval } = this
    let low = interval[0]
    let high = interval[1]
    const range = high - low
    const middle = (low + Math.imul(range >>> 16, probability) + (Math.imul(range & 0xffff, probability) >>> 16)) | 0
    const bit = interval[2] >>> 0 <= middle >>> 0 ? 1 : 0
    if (bit) high = middle
    else low = (middle + 1) | 0
    while ((low ^ high) >>> 24 === 0) {
      low <<= 8
      high = (high << 8) | 255
      this.shift()
    }
    interval[0] = low
    interval[1] = high
    return bit
  }

  private shift(): void {
    const { interval, bytes, position } = this
    if (position - 4 >= bytes.length) throw corrupt('more coded bits, got the end')
    interval[2] = (interval[2] << 8) | (position < bytes.length ? bytes[position] : 0)
    this.position = position + 1
  }

  finish(): void {
    const { bytes } = this
    const whole = this.position - 4
    const low = this.interval[0]
    const tail = low === 0 ? 0 : 1
    if (bytes.length !== whole + tail || (tail && bytes[whole] !== (low >>> 24) + 1)) {
      throw corrupt(`coded bits to end after ${whole + tail} bytes, got ${bytes.length}`)
    }
  }
}

/** Reads what a `bitWriter` wrote, with the same probabilities in the same order. */
export function bitReader(bytes: Uint8Array): BitReader {
  return new Reader(bytes)
}
