/** Learning of the circuits of one stream. */

import type { Effort } from '../types.ts'
import { isFloat } from './elements.ts'
import { learnFloats } from './learn-floats.ts'
import { learnIntegers } from './learn-integers.ts'
import type { Learned } from './learn-scales.ts'
import type { Sample } from './scales.ts'

/** Learns the circuits of all segments of one stream. */
export function learn(stream: number, samples: readonly Sample[], effort: Effort): Learned {
  return (isFloat(stream) ? learnFloats : learnIntegers)(stream, samples, effort)
}
