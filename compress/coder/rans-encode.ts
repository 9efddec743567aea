/** rANS encoding: the other side of `rans.ts`. */

import { BLOCK, LANES, LEAST_STATE, PROBABILITY_BITS, STATE_BYTES, TOTAL } from './rans.ts'

/**
 * Frequencies of 12 bits for counts: every symbol that occurs gets at least 1, the sum is 2^12 exactly, and the cost in
 * bits is the least (what rounding left over goes, one by one, where it saves or costs least).
 */
export function frequenciesOf(counts: ArrayLike<number>): Uint16Array {
  const frequencies = new Uint16Array(counts.length)
  let total = 0
  for (let i = 0; i < counts.length; i++) total += counts[i]
  if (total === 0) {
    frequencies[0] = TOTAL
    return frequencies
  }
  let sum = 0
  for (let i = 0; i < counts.length; i++) {
    if (counts[i] > 0) frequencies[i] = Math.max(1, Math.round((counts[i] * TOTAL) / total))
    sum += frequencies[i]
  }
  while (sum !== TOTAL) {
    const step = sum < TOTAL ? 1 : -1
    let best = -1
    let bestGain = Number.NEGATIVE_INFINITY
    for (let i = 0; i < counts.length; i++) {
      const frequency = frequencies[i]
      if (frequency === 0 || frequency + step === 0) continue
      const gain = counts[i] * Math.log2((frequency + step) / frequency)
      if (gain > bestGain) {
        bestGain = gain
        best = i
      }
    }
    frequencies[best] += step
    sum += step
  }
  return frequencies
}

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
