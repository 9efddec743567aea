/** Max-softmax and energy as nodes of a graph, equal to `scoreMaxSoftmax` and `scoreEnergy`. */

import type { Fragment } from '../sdk/onnx/index.ts'
import { refuseProbabilities, type SoftmaxOptions } from './softmax.ts'

/** The largest logit, `[n, 1]`, and log Σ exp(logit − largest), `[n]`. */
function logSumExp(fragment: Fragment, logits: string): { largest: string; sum: string } {
  const largest = fragment.reduce('ReduceMax', logits, [1], true)
  const shifted = fragment.node('Exp', [fragment.node('Sub', [logits, largest])])
  return { largest, sum: fragment.node('Log', [fragment.reduce('ReduceSum', shifted, [1])]) }
}

/**
 * Appends max-softmax.
 *
 * @param logits the name of the logits, or probabilities, float32 `[n, classes]`
 * @returns the name of the scores, float32 `[n]`
 * @example
 * const score = maxSoftmaxHead(fragment, 'logits')
 */
export function maxSoftmaxHead(
  fragment: Fragment,
  logits: string,
  { probabilities = false }: SoftmaxOptions = {},
): string {
  if (!probabilities) return logSumExp(fragment, logits).sum
  return fragment.node('Neg', [fragment.node('Log', [fragment.reduce('ReduceMax', logits, [1])])])
}

/**
 * Appends the energy.
 *
 * @param logits the name of the logits, float32 `[n, classes]`
 * @returns the name of the scores, float32 `[n]`
 * @throws HardpackError `UNSUPPORTED_MODEL` for probabilities.
 * @example
 * const score = energyHead(fragment, 'logits')
 */
export function energyHead(fragment: Fragment, logits: string, { probabilities = false }: SoftmaxOptions = {}): string {
  refuseProbabilities(probabilities)
  const { sum, largest } = logSumExp(fragment, logits)
  return fragment.node('Neg', [fragment.node('Add', [sum, fragment.squeeze(largest, [1])])])
}
