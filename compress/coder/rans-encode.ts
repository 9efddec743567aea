/** rANS encoding: the other side of `rans.ts`. */

import { BLOCK, LANES, LEAST_STATE, PROBABILITY_BITS, STATE_BYTES, TOTAL } from './rans.ts'

/**
 * Encodes a block of symbols, last to first: 32 states, then words.
 *
 * @param choice the number of each symbol's table
 * @param lanes the lane of each symbol
 * @param tables frequencies by table number
 * @returns the bytes and the number of u16 words after the states
 */
export function encodeBlock(
  symbols: Uint8Array,
  choice: Uint8Array,
  lanes: Uint8Array,
  tables: readonly Uint16Array[],
): { bytes: Uint8Array; words: number } {
  if (symbols.length > BLOCK) throw new RangeError(`A block expected at most ${BLOCK} symbols, got ${symbols.length}.`)
  const starts = tables.map((frequencies) => {
    const cumulative = new Uint16Array(frequencies.length)
    for (let i = 1; i < frequencies.length; i++) cumulative[i] = cumulative[i - 1] + frequencies[i - 1]
    return cumulative
  })
  const states = new Uint32Array(LANES).fill(LEAST_STATE)
  const bytes = new Uint8Array(STATE_BYTES + 2 * symbols.length)
  let position = bytes.length
  for (let i = symbols.length - 1; i >= 0; i--) {
    const lane = lanes[i]
    const table = choice[i]
    const frequency = tables[table][symbols[i]]
    let state = states[lane]
    if (state >= frequency * 2 ** (32 - PROBABILITY_BITS)) {
      bytes[--position] = state >>> 8
      bytes[--position] = state
      state >>>= 16
    }
    const quotient = Math.floor(state / frequency)
    states[lane] = quotient * TOTAL + (state - quotient * frequency) + starts[table][symbols[i]]
  }
  const used = bytes.slice(position - STATE_BYTES)
  const view = new DataView(used.buffer)
  for (let lane = 0; lane < LANES; lane++) view.setUint32(4 * lane, states[lane], true)
  return { bytes: used, words: (bytes.length - position) / 2 }
}
