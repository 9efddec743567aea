/** How the algorithms of pruning and unlearning run variants of a model. */

import { availableParallelism } from 'node:os'
import type { Execute } from '../../compress/prune/index.ts'
import { node } from '../../targets/node.ts'
import type { Target } from '../../targets/types.ts'
import type { Model } from '../onnx/index.ts'
import { isQuantized } from '../pack/quantized.ts'

/** More threads wait for each other: batches are small. */
const THREADS = 8

/** Where variants of a model run unless told: in as many threads as help. */
export const fittingTarget = (): Target => node({ threads: Math.min(THREADS, availableParallelism()) })

/** Runs variants of a model on a target. Fitting is no place for a runtime that rewrites integers wrongly. */
export function executeOn(target: Target | undefined, model: Model): Execute {
  const chosen = target ?? fittingTarget()
  const optimization = isQuantized(model) ? 'basic' : undefined
  return (variant, { signal } = {}) => chosen.create({ model: variant }, { signal, optimization })
}
