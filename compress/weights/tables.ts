/**
 * How a table of frequencies is written: each symbol's frequency on a grid of quarter octaves, as the difference to what another table
 * leads to expect; the most frequent symbol takes what the others leave of 2^12. Stated once for reading and writing.
 */

import { type BitCoder, codeSigned, signedModels } from '../coder/bits.ts'
import { SYMBOLS, TOTAL } from '../coder/rans.ts'
import { corrupt } from '../corrupt.ts'
import { DELTA16, isFloat, QUARTERS } from './elements.ts'

/** Frequencies by level: all numbers up to 8, then quarter octaves. */
export const FREQUENCIES = /* @__PURE__ */ Uint16Array.of(
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 16, 19, 23, 27, 32, 38, 45, 54, 64, 76, 91, 108, 128, 152, 181, 215, 256],
  ...[304, 362, 431, 512, 609, 724, 861, 1024, 1218, 1448, 1722, 2048, 2435, 2896, 3444, 4096],
)
const HIGHEST = FREQUENCIES.length - 1

/** Models by whether a symbol is expected to occur, and by how far the one two before it, of the same sign, was from what was expected. */
const SURPRISE = 2
export const tableModels = (): Int32Array[] => Array.from({ length: 4 * (2 * SURPRISE + 1) }, signedModels)

/** The largest level whose frequency is not above `frequency`. */
export function levelOf(frequency: number): number {
  let level = HIGHEST
  while (FREQUENCIES[level] > frequency) level--
  return level
}

/** The symbol that takes the rest: the first of the largest. */
export function modeOf(values: ArrayLike<number>): number {
  let mode = 0
  for (let i = 1; i < values.length; i++) if (values[i] > values[mode]) mode = i
  return mode
}

/** The levels that are written for frequencies. */
export function levelsOf(frequencies: Uint16Array): Uint8Array {
  const levels = Uint8Array.from(frequencies, levelOf)
  const mode = modeOf(frequencies)
  // The level of the most frequent symbol only has to be the first of the largest.
  for (let i = 0; i < SYMBOLS; i++) {
    if (i !== mode) levels[mode] = Math.max(levels[mode], levels[i] + (i < mode ? 1 : 0))
  }
  return levels
}

/** What a table without another to go by expects: the level two symbols before. */
const NONE = new Uint8Array(0)

/**
 * Reads or writes a table.
 *
 * @param expected levels that the symbols are expected to have; empty for none
 * @throws HardpackError `CHUNK_CORRUPT` for a level off the grid, or frequencies above 2^12.
 */
export function codeTable(
  coder: BitCoder,
  models: readonly Int32Array[],
  expected: Uint8Array,
  given?: Uint16Array,
): { levels: Uint8Array; frequencies: Uint16Array } {
  const wanted = given ? levelsOf(given) : NONE
  const levels = new Uint8Array(SYMBOLS)
  const changes = new Int8Array(SYMBOLS)
  const known = expected.length > 0
  for (let symbol = 0; symbol < SYMBOLS; symbol++) {
    const before = symbol > 1 ? changes[symbol - 2] : 0
    const base = known ? expected[symbol] : symbol > 1 ? levels[symbol - 2] : 0
    const context = Math.max(-SURPRISE, Math.min(SURPRISE, before)) + SURPRISE
    const model = models[4 * context + (known ? 2 : 0) + (base > 0 ? 1 : 0)]
    const level = base + codeSigned(coder, model, given ? wanted[symbol] - base : 0)
    if (level < 0 || level > HIGHEST) throw corrupt(`a level from 0 to ${HIGHEST}, got ${level}`)
    levels[symbol] = level
    changes[symbol] = level - base
  }
  const frequencies = Uint16Array.from(levels, (level) => FREQUENCIES[level])
  const mode = modeOf(levels)
  const others = frequencies.reduce((sum, frequency) => sum + frequency, -frequencies[mode])
  if (others >= TOTAL) throw corrupt(`frequencies below ${TOTAL} beside the largest, got ${others}`)
  frequencies[mode] = TOTAL - others
  return { levels, frequencies }
}

/**
 * What a class of integers expects of its table, half an octave wider than that of the class before: symbol x takes the level of x / √2, half
 * an octave lower.
 *
 * @param center the symbol of 0
 */
function widened(levels: Uint8Array, center: number): Uint8Array {
  return Uint8Array.from({ length: SYMBOLS }, (_, symbol) => {
    const x = center === 0 ? (symbol << 24) >> 24 : symbol - center
    const from = Math.sign(x) * ((Math.abs(x) * 181 + 128) >> 8)
    const level = levels[(from + center) & (SYMBOLS - 1)]
    return level > 2 ? level - 2 : level
  })
}

/**
 * The levels that the tables of a stream so far let the next one expect: of floats those of the same quarter octave in the set before, of
 * integers those of the class before.
 */
export function expectedLevels(stream: number, levels: readonly Uint8Array[]): Uint8Array {
  const before = levels[levels.length - (isFloat(stream) && levels.length >= QUARTERS ? QUARTERS : 1)]
  if (!before) return NONE
  return isFloat(stream) ? before : widened(before, stream >= DELTA16 ? 128 : 0)
}
