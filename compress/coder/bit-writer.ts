/** Binary arithmetic encoding: the other side of `bit-reader.ts`. */

import type { BitCoder } from './bits.ts'

export interface BitWriter extends BitCoder {
  /** The bytes; nothing may be written after this. */
  finish(): Uint8Array
}

export function bitWriter(): BitWriter {
  const interval = Int32Array.of(0, -1)
  let bytes = new Uint8Array(1024)
  let length = 0
  const push = (byte: number): void => {
    if (length === bytes.length) {
      const longer = new Uint8Array(2 * length)
      longer.set(bytes)
      bytes = longer
    }
    bytes[length++] = byte
  }

  return {
    code(probability, bit) {
      let low = interval[0]
      let high = interval[1]
      const range = high - low
      const middle = (low + Math.imul(range >>> 16, probability) + (Math.imul(range & 0xffff, probability) >>> 16)) | 0
      if (bit) high = middle
      else low = (middle + 1) | 0
      while ((low ^ high) >>> 24 === 0) {
        push(high >>> 24)
        low <<= 8
        high = (high << 8) | 255
      }
      interval[0] = low
      interval[1] = high
      return bit
    },
    finish() {
      const low = interval[0]
      if (low !== 0) push((low >>> 24) + 1)
      return bytes.slice(0, length)
    },
  }
}
