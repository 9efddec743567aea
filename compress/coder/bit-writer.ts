/** Binary arithmetic encoding: the other side of `bit-reader.ts`. */

import type { BitCoder } from './bits.ts'

export interface BitWriter extends BitCoder {
  /** The bytes; nothing may be written after this. */
  finish(): Uint8Array
}

export function bitWriter(): BitWriter {
  let low = 0
  let high = 0xffffffff
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
      const range = high - low
      const middle = low + (range >>> 16) * probability + (((range & 0xffff) * probability) >>> 16)
      if (bit) high = middle
      else low = middle + 1
      while ((low ^ high) >>> 24 === 0) {
        push(high >>> 24)
        low = (low << 8) >>> 0
        high = ((high << 8) | 255) >>> 0
      }
      return bit
    },
    finish() {
      if (low !== 0) push((low >>> 24) + 1)
      return bytes.slice(0, length)
    },
  }
}
