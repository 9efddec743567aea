/**
 * Range asymmetric numeral systems (Duda 2013; the interleaved variant of Giesen 2014): integers only, 12-bit
 * frequencies, u32 states in [2^16, 2^32), u16 words, 32 lanes that take words from one sequence. Which lane and which table an
 * element has, its block knows.
 *
 *     x' = f · (x >> 12) + (x mod 2^12) − cum,   then x' << 16 | next word while x' < 2^16
 */

import { corrupt } from '../corrupt.ts'

export const LANES = 32
export const PROBABILITY_BITS = 12
export const TOTAL = 1 << PROBABILITY_BITS
/** The least state; encoding begins with it in every lane, so decoding must end with it. */
export const LEAST_STATE = 1 << 16
/** Weights a block: what one coder state spans. */
export const BLOCK = 1 << 16
/** Bytes of the 32 first states of a block. */
export const STATE_BYTES = 4 * LANES
/** Tables that one stream may have. */
export const MAX_TABLES = 64
export const SYMBOLS = 256

/**
 * Writes a decoding table: entry x mod 2^12 holds (f − 1) << 20 | (slot − cum) << 8 | symbol.
 *
 * @param frequencies of up to 256 symbols
 * @throws HardpackError `CHUNK_CORRUPT` unless they sum to 2^12 exactly.
 */
export function buildTable(frequencies: Uint16Array, entries: Uint32Array): void {
  let sum = 0
  for (const frequency of frequencies) sum += frequency
  if (sum !== TOTAL) throw corrupt(`frequencies that sum to ${TOTAL}, got ${sum}`)
  let slot = 0
  for (let symbol = 0; symbol < frequencies.length; symbol++) {
    const frequency = frequencies[symbol]
    for (let i = 0; i < frequency; i++) entries[slot++] = (((frequency - 1) << 20) | (i << 8) | symbol) >>> 0
  }
}

/** Decodes blocks, symbol by symbol. */
export interface BlockDecoder {
  /** Takes the states of the block that lies in the input, and the number of its words. */
  begin(words: number): void
  /** The next symbol of a lane, by the table of this number. */
  symbol(lane: number, table: number): number
  /** Whether all states began in their range, came back to where encoding began, and used the words up exactly. */
  end(): boolean
}

/**
 * @param input holds 32 states and then words
 * @param tables decoding tables, one after the other (`buildTable`)
 */
export function blockDecoder(input: Uint8Array, tables: Uint32Array): BlockDecoder {
  const states = new Uint32Array(LANES)
  let position = 0
  let end = 0
  let sound = false
  return {
    begin(words) {
      for (let lane = 0; lane < LANES; lane++) {
        const at = 4 * lane
        states[lane] = input[at] | (input[at + 1] << 8) | (input[at + 2] << 16) | (input[at + 3] << 24)
      }
      sound = states.every((state) => state >= LEAST_STATE)
      position = STATE_BYTES
      end = STATE_BYTES + 2 * words
    },
    symbol(lane, table) {
      const state = states[lane]
      const entry = tables[(table << PROBABILITY_BITS) | (state & (TOTAL - 1))]
      let next = ((entry >>> 20) + 1) * (state >>> PROBABILITY_BITS) + ((entry >>> 8) & (TOTAL - 1))
      if (next < LEAST_STATE) {
        next = next * 0x10000 + input[position] + (input[position + 1] << 8)
        position += 2
      }
      states[lane] = next
      return entry & (SYMBOLS - 1)
    },
    end: () => sound && position === end && states.every((state) => state === LEAST_STATE),
  }
}
