/**
 * SPSA (Uesato, O'Donoghue, van den Oord, Kohli, "Adversarial risk and the dangers of evaluating against weak attacks", ICML
 * 2018, algorithm 1; Spall 1992): the gradient is estimated from answers along random directions v of ±1,
 * ĝ = mean of (J(x + δv) − J(x − δv)) / 2δ · v, and Adam climbs along it within the L∞ ball.
 */

import { rng } from '../../sdk/core/index.ts'
import { type AttackResult, type BoundedOptions, Campaign, checkCount, checkPositive, gather } from './campaign.ts'
import { margin, type Objective } from './objective.ts'
import type { Batch, Oracle } from './oracle.ts'

export interface SpsaOptions extends BoundedOptions {
  /** 20 unless told. */
  readonly steps?: number
  /** Directions in each step, two queries each: 32 unless told (the paper took 128 to 8,192). */
  readonly directions?: number
  /** δ, a hundredth of the range unless told. */
  readonly delta?: number
  /** The rate of Adam: ε / 5 unless told. */
  readonly learningRate?: number
  /** The margin unless told. */
  readonly objective?: Objective
}

const BETA1 = 0.9
const BETA2 = 0.999

/**
 * Needs answers only, no gradients. An input that is led astray takes no more queries.
 *
 * @param images inputs, in the range that the options give
 * @param labels the labels to lead away from: true ones, or the model's own
 * @throws HardpackError `INVALID_ARGUMENT` for labels or inputs out of range; `ABORTED`
 * @example
 * await spsa(oracle, images, labels, { epsilon: 0.1, directions: 128, range: { min: 0, max: 1 } })
 */
export async function spsa(
  oracle: Oracle,
  images: Batch,
  labels: ArrayLike<number>,
  {
    epsilon,
    steps = 20,
    directions = 32,
    delta,
    learningRate = epsilon / 5,
    objective = margin(oracle.classes),
    ...options
  }: SpsaOptions,
): Promise<AttackResult> {
  checkPositive('an epsilon', epsilon)
  const apart = delta ?? (options.range.max - options.range.min) / 100
  checkPositive('a delta', apart)
  checkPositive('a learning rate', learningRate)
  checkCount('steps', steps)
  checkCount('directions', directions)
  const campaign = new Campaign('spsa', oracle, images, labels, objective, options)
  const { size } = campaign
  const data = images.data.slice()
  const firstMoment = new Float64Array(data.length)
  const secondMoment = new Float64Array(data.length)
  const random = campaign.all().map((i) => rng(campaign.seed, i))
  const signs = new Int8Array(directions * size)
  const estimate = new Float64Array(size)
  // The variants of one input at a time: as many as there are directions, for any number of inputs.
  const variants = new Float32Array(2 * directions * size)

  const climb = async (i: number, step: number): Promise<void> => {
    const x = data.subarray(i * size, (i + 1) * size)
    let bits = 0
    for (let k = 0; k < signs.length; k++) {
      if (k % 32 === 0) bits = random[i].u32()
      signs[k] = bits & 1 ? 1 : -1
      bits >>>= 1
    }
    for (let d = 0; d < directions; d++) {
      for (let k = 0; k < size; k++) {
        const moved = apart * signs[d * size + k]
        variants[2 * d * size + k] = x[k] + moved
        variants[(2 * d + 1) * size + k] = x[k] - moved
      }
    }
    const answers = await campaign.answers(variants, new Array<number>(2 * directions).fill(i))
    estimate.fill(0)
    for (let d = 0; d < directions; d++) {
      const slope =
        (campaign.value(answers, 2 * d, i) - campaign.value(answers, 2 * d + 1, i)) / (2 * apart * directions)
      for (let k = 0; k < size; k++) estimate[k] += slope * signs[d * size + k]
    }
    const rate = (learningRate * Math.sqrt(1 - BETA2 ** step)) / (1 - BETA1 ** step)
    for (let k = 0; k < size; k++) {
      const at = i * size + k
      firstMoment[at] = BETA1 * firstMoment[at] + (1 - BETA1) * estimate[k]
      secondMoment[at] = BETA2 * secondMoment[at] + (1 - BETA2) * estimate[k] ** 2
      x[k] += (rate * firstMoment[at]) / (Math.sqrt(secondMoment[at]) + 1e-12)
    }
    campaign.project(data, epsilon, i)
  }

  let active = campaign.all()
  for (let step = 0; step <= steps && active.length > 0; step++) {
    campaign.report(step, steps)
    if (step > 0) for (const i of active) await climb(i, step)
    const answers = await campaign.answers(gather(data, active, size), active)
    active = active.filter((i, j) => !campaign.reached(answers, j, i))
  }
  campaign.report(steps, steps)
  return campaign.result(data)
}
