/** Detectors that need passes of their own: each is a graph that takes the model's input and its logits. */

import type { GuardDetector } from '../../container/manifest.ts'
import { type CallOptions, HardpackError } from '../../core/index.ts'
import type { GraphFile } from '../graphs.ts'
import type { DetectorChoice } from './choice.ts'
import type { FitContext } from './fit.ts'
import type { GuardOptions } from './make.ts'

export interface Tier {
  readonly graph: GraphFile
  readonly detector: Omit<GuardDetector, 'tier'>
}

export type TierChoice = Extract<DetectorChoice, { kind: 'feature-squeezing' | 'second-opinion' | 'beyond' }>

export async function tierOf(
  choice: TierChoice,
  _context: FitContext,
  _options: GuardOptions,
  _call: CallOptions,
): Promise<Tier> {
  throw new HardpackError('UNSUPPORTED_MODEL', choice.kind)
}
