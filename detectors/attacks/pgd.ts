/**
 * Projected gradient descent (Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards deep learning models resistant to
 * adversarial attacks", ICLR 2018): from a random point of the L∞ ball, steps along the sign of the gradient, each projected
 * back onto the ball and the range.
 */

import { rng } from '../../sdk/core/index.ts'
import { type AttackResult, type BoundedOptions, Campaign, checkCount, checkPositive } from './campaign.ts'
import { crossEntropy, type Objective } from './objective.ts'
import type { Batch, Oracle } from './oracle.ts'

export interface PgdOptions extends BoundedOptions {
  /** 40 unless told; 0 gives the random start alone. */
  readonly steps?: number
  /** 2.5 ε / steps unless told, so that every point of the ball can be reached from every other. */
  readonly stepSize?: number
  /** Cross-entropy unless told. */
  readonly objective?: Objective
}

/**
 * Of all points on its way, each input keeps the one where the objective was highest among those that reached it, or else
 * the highest of all.
 *
 * @param images inputs, in the range that the options give
 * @param labels the labels to lead away from: true ones, or the model's own
 * @throws HardpackError `INVALID_ARGUMENT` for an oracle without gradients, labels or inputs out of range; `ABORTED`
 * @example
 * const { success } = await pgd(oracle, images, labels, { epsilon: 8 / 255, steps: 20, range: { min: 0, max: 1 } })
 */
export async function pgd(
  oracle: Oracle,
  images: Batch,
  labels: ArrayLike<number>,
  { epsilon, steps = 40, stepSize, objective = crossEntropy(oracle.classes), ...options }: PgdOptions,
): Promise<AttackResult> {
  checkPositive('an epsilon', epsilon)
  checkCount('steps', steps, 0)
  const length = stepSize ?? (2.5 * epsilon) / Math.max(steps, 1)
  checkPositive('a step size', length)
  const campaign = new Campaign('pgd', oracle, images, labels, objective, options)
  const { count, size } = campaign
  const all = campaign.all()
  const data = images.data.slice()
  for (const i of all) {
    const { uniform } = rng(campaign.seed, i)
    for (let k = i * size; k < (i + 1) * size; k++) data[k] += epsilon * (2 * uniform() - 1)
    campaign.project(data, epsilon, i)
  }
  const best = data.slice()
  const bestValue = new Float64Array(count).fill(Number.NEGATIVE_INFINITY)
  const reached = new Uint8Array(count)
  const keep = (answers: Parameters<Campaign['value']>[0]): void => {
    for (const i of all) {
      const here = campaign.reached(answers, i, i)
      const value = campaign.value(answers, i, i)
      if (Number(here) < reached[i] || (Number(here) === reached[i] && !(value > bestValue[i]))) continue
      reached[i] = Number(here)
      bestValue[i] = value
      best.set(data.subarray(i * size, (i + 1) * size), i * size)
    }
  }
  for (let step = 0; step < steps; step++) {
    campaign.report(step, steps)
    const { gradient, answers } = await campaign.gradient(data, all)
    keep(answers)
    for (let k = 0; k < data.length; k++) data[k] += length * Math.sign(gradient[k])
    for (const i of all) campaign.project(data, epsilon, i)
  }
  if (steps > 0) keep(await campaign.answers(data, all))
  campaign.report(steps, steps)
  return campaign.result(best)
}
