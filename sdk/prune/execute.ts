/** How the algorithms of pruning and unlearning run variants of a model. */

import type { Execute } from '../../compress/prune/index.ts'
import type { Target } from '../../targets/types.ts'
import type { Model } from '../onnx/index.ts'
import { isQuantized } from '../pack/quantized.ts'

/** Runs variants of a model on a target. Fitting is no place for a runtime that rewrites integers wrongly. */
export function executeOn(target: Target, model: Model): Execute {
  const optimization = isQuantized(model) ? 'basic' : undefined
  return (variant, { signal } = {}) => target.create({ model: variant }, { signal, optimization })
}
