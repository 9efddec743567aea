/** Counts into frequencies that a table can hold (`tables.ts`). */

import { TOTAL } from '../coder/rans.ts'
import { FREQUENCIES, levelOf, modeOf } from './tables.ts'

/** Bits that a level takes which is so far from what was expected. */
const levelBits = (distance: number): number => (distance === 0 ? 1 : 1.6 + 1.1 * Math.abs(distance))

/**
 * Frequencies that sum to 2^12, all but the largest on the grid of a table; every symbol that occurs has one. They cost about the least
 * bits, those of the table included: levels move by one as long as that saves some.
 *
 * @param counts of 256 symbols
 * @param expected levels, as in `codeTable`
 */
export function frequenciesOf(counts: Float64Array, expected: Uint8Array = new Uint8Array(0)): Uint16Array {
  const frequencies = new Uint16Array(counts.length)
  const total = counts.reduce((sum, count) => sum + count, 0)
  const mode = modeOf(counts)
  if (total === 0) {
    frequencies[mode] = TOTAL
    return frequencies
  }
  const levels = Uint8Array.from(counts, (count) => {
    const ideal = (count * TOTAL) / total
    const level = levelOf(ideal)
    if (count === 0 || level === FREQUENCIES.length - 1) return level
    return Math.max(1, ideal * ideal > FREQUENCIES[level] * FREQUENCIES[level + 1] ? level + 1 : level)
  })
  levels[mode] = 0
  let rest = levels.reduce((left, level) => left - FREQUENCIES[level], TOTAL)
  const highest = (): number => levels.reduce((most, level) => Math.max(most, FREQUENCIES[level]), 0)
  for (;;) {
    // The mode has to stay the largest: until it is, levels only go down, where that costs least for what it sets free.
    const most = highest()
    const short = rest <= most
    let best = { gain: short ? Number.NEGATIVE_INFINITY : 1e-9, symbol: -1, step: 0 }
    for (let symbol = 0; symbol < counts.length; symbol++) {
      const level = levels[symbol]
      if (level === 0) continue
      for (const step of short ? [-1] : [-1, 1]) {
        const next = level + step
        if (next === 0 || next === FREQUENCIES.length) continue
        const left = rest + FREQUENCIES[level] - FREQUENCIES[next]
        if (left < 1 && !short) continue
        const written =
          expected.length > 0 ? levelBits(level - expected[symbol]) - levelBits(next - expected[symbol]) : 0
        const own = counts[symbol] * Math.log2(FREQUENCIES[next] / FREQUENCIES[level]) + written
        const gain = short ? own / (left - rest) : own + counts[mode] * Math.log2(left / rest)
        if (gain > best.gain && (short || left > Math.max(most, FREQUENCIES[next]))) best = { gain, symbol, step }
      }
    }
    if (best.symbol < 0) break
    rest += FREQUENCIES[levels[best.symbol]] - FREQUENCIES[levels[best.symbol] + best.step]
    levels[best.symbol] += best.step
  }
  levels.forEach((level, symbol) => {
    frequencies[symbol] = FREQUENCIES[level]
  })
  frequencies[mode] = rest
  return frequencies
}
