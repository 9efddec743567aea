/**
 * The fast gradient sign method (Goodfellow, Shlens, Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015):
 * x' = clip(x + ε · sign ∇ loss).
 */

import { type AttackResult, type BoundedOptions, Campaign, checkPositive } from './campaign.ts'
import { crossEntropy, type Objective } from './objective.ts'
import type { Batch, Oracle } from './oracle.ts'

export interface FgsmOptions extends BoundedOptions {
  /** Cross-entropy unless told. */
  readonly objective?: Objective
}

/**
 * One step of size ε along the sign of the gradient.
 *
 * @param images inputs, in the range that the options give
 * @param labels the labels to lead away from: true ones, or the model's own
 * @throws HardpackError `INVALID_ARGUMENT` for an oracle without gradients, labels or inputs out of range
 * @example
 * const { success } = await fgsm(oracle, images, labels, { epsilon: 8 / 255, range: { min: 0, max: 1 } })
 */
export async function fgsm(
  oracle: Oracle,
  images: Batch,
  labels: ArrayLike<number>,
  { epsilon, objective = crossEntropy(oracle.classes), ...options }: FgsmOptions,
): Promise<AttackResult> {
  checkPositive('an epsilon', epsilon)
  const campaign = new Campaign('fgsm', oracle, images, labels, objective, options)
  campaign.report(0, 1)
  const { gradient } = await campaign.gradient(images.data, campaign.all())
  const data = images.data.map((value, k) => value + epsilon * Math.sign(gradient[k]))
  for (let i = 0; i < campaign.count; i++) campaign.project(data, epsilon, i)
  campaign.report(1, 1)
  return campaign.result(data)
}
