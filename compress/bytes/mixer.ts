/**
 * Gated linear mixing of logits (Mahoney's "logistic mixing", Mattern 2012): two weight vectors, chosen by two small
 * contexts, each trained online on its own coding error; their mean goes through two adaptive maps from (context, logit) to
 * probability, which correct what the mixers get systematically wrong.
 */

import { MAX_LOGIT, squash } from './logistic.ts'

const CELLS = 49
const CELL_BITS = 7
const CELL_WIDTH = 1 << CELL_BITS
const RATE = 40
const REFINE_RATE = 6

export interface Mixer {
  readonly inputs: Int32Array
  /**
   * The probability that the next bit is 1, of 65536.
   *
   * @param sets of weights, one for each mixer
   * @param contexts of the two maps
   */
  mix(set0: number, set1: number, context0: number, context1: number): number
  update(bit: number): void
}

const clampLogit = (logit: number): number => Math.max(-MAX_LOGIT, Math.min(MAX_LOGIT, logit))

function refineMap(contexts: number): Uint16Array {
  const row = Array.from({ length: CELLS }, (_, cell) => squash(clampLogit((cell - 24) * CELL_WIDTH)))
  const map = new Uint16Array(contexts * CELLS)
  for (let i = 0; i < map.length; i++) map[i] = row[i % CELLS]
  return map
}

/** @param count inputs @param sets weight vectors of each mixer @param contexts of each map */
export function mixerOf(count: number, sets: readonly [number, number], contexts: readonly [number, number]): Mixer {
  const inputs = new Int32Array(count)
  const weights0 = new Int32Array(sets[0] * count).fill(0x5000)
  const weights1 = new Int32Array(sets[1] * count).fill(0x5000)
  const map0 = refineMap(contexts[0])
  const map1 = refineMap(contexts[1])
  let [at0, at1, cell0, cell1] = [0, 0, 0, 0]
  let [p0, p1] = [0, 0]

  const train = (weights: Int32Array, at: number, error: number): void => {
    const step = Math.imul(error, RATE) >> 4
    for (let i = 0; i < count; i++) weights[at + i] += (Math.imul(inputs[i], step) + 0x2000) >> 14
  }

  return {
    inputs,
    mix(set0, set1, context0, context1) {
      at0 = set0 * count
      at1 = set1 * count
      let dot0 = 0
      let dot1 = 0
      for (let i = 0; i < count; i++) {
        dot0 += Math.imul(weights0[at0 + i], inputs[i]) >> 8
        dot1 += Math.imul(weights1[at1 + i], inputs[i]) >> 8
      }
      const logit0 = clampLogit(dot0 >> 8)
      const logit1 = clampLogit(dot1 >> 8)
      p0 = squash(logit0)
      p1 = squash(logit1)
      const logit = (logit0 + logit1) >> 1
      const position = logit + 24 * CELL_WIDTH
      const cell = position >> CELL_BITS
      const part = position & (CELL_WIDTH - 1)
      const from0 = context0 * CELLS + cell
      const from1 = context1 * CELLS + cell
      const refined0 = (map0[from0] * (CELL_WIDTH - part) + map0[from0 + 1] * part) >> CELL_BITS
      const refined1 = (map1[from1] * (CELL_WIDTH - part) + map1[from1 + 1] * part) >> CELL_BITS
      const nearer = part >= CELL_WIDTH / 2 ? 1 : 0
      cell0 = from0 + nearer
      cell1 = from1 + nearer
      return Math.max(1, Math.min(65535, (2 * squash(logit) + refined0 + refined1) >> 2))
    },
    update(bit) {
      const target = bit << 16
      train(weights0, at0, target - p0)
      train(weights1, at1, target - p1)
      const end = bit ? 65535 : 0
      map0[cell0] += (end - map0[cell0]) >> REFINE_RATE
      map1[cell1] += (end - map1[cell1]) >> REFINE_RATE
    },
  }
}
