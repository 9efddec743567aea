/** What the targets share: reading an input from its front, and the one error that a decoder may give. */

import { HardpackError } from '../../../sdk/core/index.ts'

export interface InputReader {
  /** The next byte; 0 at the end. */
  byte(): number
  /** A number of up to 32 bits in 7 bits a byte, low ones first. */
  varint(): number
  /** At most `length` of what is left. */
  bytes(length?: number): Uint8Array
}

export function inputReader(input: Uint8Array): InputReader {
  let position = 0
  const byte = (): number => input[position++] ?? 0
  return {
    byte,
    varint() {
      let value = 0
      for (let shift = 0; shift < 35; shift += 7) {
        const next = byte()
        value += (next & 127) * 2 ** shift
        if (next < 128) break
      }
      return value % 2 ** 32
    },
    bytes(length = input.length) {
      const start = position
      position += length
      return input.subarray(start, position)
    },
  }
}

/** What a call gives; `undefined` where it refuses with CHUNK_CORRUPT. Every other error goes on. */
export async function unlessCorrupt<T>(call: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof HardpackError && error.code === 'CHUNK_CORRUPT') return undefined
    throw error
  }
}
