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
  readonly weights0: Int32Array
  readonly weights1: Int32Array
  readonly map0: Uint16Array
  readonly map1: Uint16Array
  /** `squash` of logits from -MAX_LOGIT on. */
  readonly squashed: Uint16Array
  /** Of the bit that is predicted: where the two weight vectors and map cells lie, and the mixers' probabilities. */
  readonly chosen: Int32Array
}

function refineMap(contexts: number, squashed: Uint16Array): Uint16Array {
  const map = new Uint16Array(contexts * CELLS)
  for (let cell = 0; cell < CELLS; cell++) map[cell] = squashed[clampLogit((cell - 24) * CELL_WIDTH) + MAX_LOGIT]
  for (let filled = CELLS; filled < map.length; filled *= 2) map.copyWithin(filled, 0, filled)
  return map
}

/** @param count inputs @param sets weight vectors of each mixer @param contexts of each map */
export function mixerOf(count: number, sets: readonly [number, number], contexts: readonly [number, number]): Mixer {
  const squashed = Uint16Array.from({ length: 2 * MAX_LOGIT + 1 }, (_, i) => squash(i - MAX_LOGIT))
  return {
    inputs: new Int32Array(count),
    weights0: new Int32Array(sets[0] * count).fill(0x5000),
    weights1: new Int32Array(sets[1] * count).fill(0x5000),
    map0: refineMap(contexts[0], squashed),
    map1: refineMap(contexts[1], squashed),
    squashed,
    chosen: new Int32Array(6),
  }
}

function clampLogit(logit: number): number {
  return logit > MAX_LOGIT ? MAX_LOGIT : logit < -MAX_LOGIT ? -MAX_LOGIT : logit
}

/**
 * The probability that the next bit is 1, of 65536.
 *
 * @param set0 set1 of weights, one for each mixer
 * @param context0 context1 of the two maps
 */
export function mixBit(mixer: Mixer, set0: number, set1: number, context0: number, context1: number): number {
  const { inputs, squashed, chosen } = mixer
  const { weights0, weights1, map0, map1 } = mixer
  const count = inputs.length
  const at0 = set0 * count
  const at1 = set1 * count
  let dot0 = 0
  let dot1 = 0
  for (let i = 0; i < count; i++) {
    const input = inputs[i]
    dot0 = (dot0 + (Math.imul(weights0[at0 + i], input) >> 8)) | 0
    dot1 = (dot1 + (Math.imul(weights1[at1 + i], input) >> 8)) | 0
  }
  const logit0 = clampLogit(dot0 >> 8)
  const logit1 = clampLogit(dot1 >> 8)
  const logit = (logit0 + logit1) >> 1
  const position = logit + 24 * CELL_WIDTH
  const cell = position >> CELL_BITS
  const part = position & (CELL_WIDTH - 1)
  const from0 = context0 * CELLS + cell
  const from1 = context1 * CELLS + cell
  const refined0 = (map0[from0] * (CELL_WIDTH - part) + map0[from0 + 1] * part) >> CELL_BITS
  const refined1 = (map1[from1] * (CELL_WIDTH - part) + map1[from1 + 1] * part) >> CELL_BITS
  const nearer = part >> (CELL_BITS - 1)
  chosen[0] = at0
  chosen[1] = at1
  chosen[2] = from0 + nearer
  chosen[3] = from1 + nearer
  chosen[4] = squashed[logit0 + MAX_LOGIT]
  chosen[5] = squashed[logit1 + MAX_LOGIT]
  const probability = (2 * squashed[logit + MAX_LOGIT] + refined0 + refined1) >> 2
  return probability < 1 ? 1 : probability > 65535 ? 65535 : probability
}

/** Trains what `mixBit` used on the bit that came. */
export function trainMixer(mixer: Mixer, bit: number): void {
  const { inputs, weights0, weights1, map0, map1, chosen } = mixer
  const at0 = chosen[0]
  const at1 = chosen[1]
  const step0 = Math.imul((bit << 16) - chosen[4], RATE) >> 4
  const step1 = Math.imul((bit << 16) - chosen[5], RATE) >> 4
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i]
    weights0[at0 + i] += (Math.imul(input, step0) + 0x2000) >> 14
    weights1[at1 + i] += (Math.imul(input, step1) + 0x2000) >> 14
  }
  const end = bit ? 65535 : 0
  map0[chosen[2]] += (end - map0[chosen[2]]) >> REFINE_RATE
  map1[chosen[3]] += (end - map1[chosen[3]]) >> REFINE_RATE
}
