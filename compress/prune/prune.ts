/**
 * Structured pruning without labels, gradients or fine-tuning: from a model and unlabelled samples to a narrower model that meets a
 * budget. The steps: what the model computes is observed, its channels are put into groups that can only go together, moments of
 * what layers read are taken, each group's sensitivity is measured, the budget is allocated, and the net that is left is refitted
 * layer by layer and sliced.
 */

import type { Model } from '../../sdk/onnx/index.ts'
import { checkBudget } from './budget.ts'
import { type PruneOptions, type PruneResult, preparePruning } from './prepared.ts'
import type { Execute, Samples } from './types.ts'

/**
 * Prunes a model to a budget.
 *
 * @param samples unlabelled inputs that look like the data; 500 are plenty
 * @param execute opens a model in a runtime, such as `(model) => target.create({ model })`
 * @throws HardpackError `INVALID_ARGUMENT` for a budget that cannot be met; `UNSUPPORTED_MODEL` for a model without channels that
 *   can go, or that does not take the samples; `INVALID_INPUT` for samples that never vary; `ABORTED`.
 * @example
 * const { model, report } = await prune(readModel(bytes), samples, execute, { budget: { kind: 'flops', remain: 0.5 } })
 */
export async function prune(
  model: Model,
  samples: Samples,
  execute: Execute,
  { budget, maxDisagreement, ...options }: PruneOptions,
): Promise<PruneResult> {
  checkBudget(budget, maxDisagreement)
  const prepared = await preparePruning(model, samples, execute, options)
  return prepared.to(budget, { maxDisagreement })
}
