/**
 * Thin tables. Only small p-values decide, so a table keeps every score where they are (the upper quarter; for two sides
 * the outer eighths) and elsewhere one of n/128 neighbours, which stands for the others. Scores are only ever moved
 * outwards, to where they raise p-values: P(p ≤ α) ≤ α stays true. A thin table is as long as before, with runs of equal
 * scores, so nothing else has to know; packed, a run costs as much as one score.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import type { Side } from './conformal.ts'

const KEPT_SHARE = 1 / 4
const RUNS = 128
const MAX_SAMPLES = 2 ** 20

/**
 * A table with fewer different scores, whose p-values are those of the table, or up to 1/128 larger (two sides: 1/64) where
 * they are above a quarter
 *
 * @param table scores, ascending
 * @param side as in `conformalPValue`
 * @returns scores, ascending, as many
 * @example
 * packTable(thin(table, 'upper')).length // 3 kB for 2,500 scores, not 10 kB
 */
export function thin(table: Float32Array, side: Side): Float32Array {
  const n = table.length
  const thinned = table.slice()
  const run = Math.max(1, Math.floor(n / RUNS))
  if (side === 'upper') {
    const end = n - Math.ceil(n * KEPT_SHARE)
    for (let start = 0; start < end; start += run) {
      const last = Math.min(start + run, end)
      thinned.fill(table[last - 1], start, last)
    }
    return thinned
  }
  const outer = Math.ceil((n * KEPT_SHARE) / 2)
  const middle = n >> 1
  for (let start = outer; start < middle; start += run) {
    const last = Math.min(start + run, middle)
    thinned.fill(table[start], start, last)
    thinned.fill(table[n - 1 - start], n - last, n - start)
  }
  return thinned
}

/**
 * The bytes of a table: its different scores once each, and how often each stands. Little-endian: u32 number of scores, u32
 * number of pairs, the scores as float32, then pairs of u32: length of a run, and how many runs of that length follow.
 *
 * @example
 * unpackTable(packTable(table)) // the same table
 */
export function packTable(table: Float32Array): Uint8Array<ArrayBuffer> {
  const scores: number[] = []
  const pairs: number[] = []
  for (let start = 0, end = 0; start < table.length; start = end) {
    while (end < table.length && table[end] === table[start]) end++
    scores.push(table[start])
    if (pairs.at(-2) === end - start) pairs[pairs.length - 1]++
    else pairs.push(end - start, 1)
  }
  const view = new DataView(new ArrayBuffer(8 + 4 * (scores.length + pairs.length)))
  view.setUint32(0, scores.length, true)
  view.setUint32(4, pairs.length / 2, true)
  scores.forEach((score, i) => {
    view.setFloat32(8 + 4 * i, score, true)
  })
  pairs.forEach((number, i) => {
    view.setUint32(8 + 4 * (scores.length + i), number, true)
  })
  return new Uint8Array(view.buffer)
}

/**
 * The table of packed bytes.
 *
 * @throws HardpackError `INVALID_FORMAT` for bytes that are no table: another length, runs that do not cover the scores or are empty, more
 *   than 2²⁰ samples, scores that do not ascend or are not finite.
 * @example
 * const table = unpackTable(bytes)
 */
export function unpackTable(bytes: Uint8Array): Float32Array {
  const refuse = (wanted: string, got: unknown): never => {
    throw new HardpackError('INVALID_FORMAT', `A table of scores expected ${wanted}, got ${got}.`)
  }
  if (bytes.length < 8) refuse('at least 8 bytes', bytes.length)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const scores = view.getUint32(0, true)
  const pairs = view.getUint32(4, true)
  const wanted = 8 + 4 * scores + 8 * pairs
  if (bytes.length !== wanted) refuse(`${wanted} bytes`, bytes.length)
  const pair = (i: number): [length: number, runs: number] => {
    const at = 8 + 4 * scores + 8 * i
    return [view.getUint32(at, true), view.getUint32(at + 4, true)]
  }
  let runs = 0
  let samples = 0
  for (let i = 0; i < pairs; i++) {
    const [length, times] = pair(i)
    if (length === 0) refuse('runs of at least one score', 0)
    runs += times
    samples += length * times
  }
  if (runs !== scores) refuse(`runs of ${scores} scores`, runs)
  if (samples > MAX_SAMPLES) refuse(`at most ${MAX_SAMPLES} samples`, samples)

  const table = new Float32Array(samples)
  let previous = Number.NEGATIVE_INFINITY
  for (let i = 0, score = 0, at = 0; i < pairs; i++) {
    const [length, times] = pair(i)
    for (let run = 0; run < times; run++, score++, at += length) {
      const value = view.getFloat32(8 + 4 * score, true)
      if (!(value > previous && value < Number.POSITIVE_INFINITY)) refuse('finite scores that ascend', value)
      previous = value
      table.fill(value, at, at + length)
    }
  }
  return table
}
