/**
 * The L2 attack of Carlini and Wagner ("Towards evaluating the robustness of neural networks", IEEE S&P 2017, §VI): the
 * smallest ‖x' − x‖² + c · f(x') with f(x') = max(Z(x')_label − max over others + κ, 0), in x' = (tanh w + 1)/2 scaled to the
 * range, by Adam (Kingma and Ba 2015); c by a bounded binary search for each input.
 */

import { type AttackOptions, type AttackResult, Campaign, checkCount, checkPositive } from './campaign.ts'
import { margin } from './objective.ts'
import type { Batch, Oracle } from './oracle.ts'

export interface CarliniWagnerOptions extends AttackOptions {
  /** Steps of Adam in each round of the search for c: 100 unless told. */
  readonly steps?: number
  /** Rounds of the search for c: 6 unless told. */
  readonly searchSteps?: number
  /** The c of the first round: 1 unless told, of squared units of the input per logit. */
  readonly initialConstant?: number
  /** The rate of Adam on w: 0.1 unless told; the paper's 0.01 is for 10,000 steps. */
  readonly learningRate?: number
  /** κ: by how much another logit has to exceed the label's. 0 unless told. */
  readonly confidence?: number
}

const LARGEST_CONSTANT = 1e10
const BETA1 = 0.9
const BETA2 = 0.999

/** Keeps atanh finite on the edge of the range, as the authors' code does. */
const INWARD = 0.999999

/**
 * Inputs that could not be led astray come back as they were.
 *
 * @param images inputs, in the range that the options give
 * @param labels the labels to lead away from
 * @returns `l2` is what the attack minimised
 * @throws HardpackError `INVALID_ARGUMENT` for an oracle without gradients, labels or inputs out of range; `ABORTED`
 * @example
 * const { success, l2 } = await carliniWagner(oracle, images, labels, { range: { min: 0, max: 1 } })
 */
export async function carliniWagner(
  oracle: Oracle,
  images: Batch,
  labels: ArrayLike<number>,
  {
    steps = 100,
    searchSteps = 6,
    initialConstant = 1,
    learningRate = 0.1,
    confidence = 0,
    ...options
  }: CarliniWagnerOptions,
): Promise<AttackResult> {
  checkCount('steps', steps)
  checkCount('search steps', searchSteps)
  checkPositive('an initial constant', initialConstant)
  checkPositive('a learning rate', learningRate)
  const objective = margin(oracle.classes)
  const campaign = new Campaign('cw', oracle, images, labels, objective, options)
  const { count, size, min, max } = campaign
  const all = campaign.all()
  const middle = (min + max) / 2
  const half = (max - min) / 2
  const start = Float64Array.from(images.data, (value) => Math.atanh(((value - middle) / half) * INWARD))

  const best = images.data.slice()
  const bestDistance = new Float64Array(count).fill(Number.POSITIVE_INFINITY)
  const constant = new Float64Array(count).fill(initialConstant)
  const lower = new Float64Array(count)
  const upper = new Float64Array(count).fill(LARGEST_CONSTANT)

  for (let round = 0; round < searchSteps; round++) {
    const w = start.slice()
    const firstMoment = new Float64Array(w.length)
    const secondMoment = new Float64Array(w.length)
    const found = new Uint8Array(count)
    const x = new Float32Array(w.length)
    for (let step = 1; step <= steps; step++) {
      campaign.report(round * steps + step - 1, searchSteps * steps)
      for (let k = 0; k < w.length; k++) x[k] = middle + half * Math.tanh(w[k])
      const { gradient, answers } = await campaign.gradient(x, all)
      const rate = (learningRate * Math.sqrt(1 - BETA2 ** step)) / (1 - BETA1 ** step)
      for (const i of all) {
        const lead = campaign.value(answers, i, i)
        const image = campaign.image(i)
        const at = i * size
        let distance = 0
        for (let k = 0; k < size; k++) distance += (x[at + k] - image[k]) ** 2
        if (lead > confidence || (lead === confidence && campaign.reached(answers, i, i))) {
          found[i] = 1
          if (distance < bestDistance[i]) {
            bestDistance[i] = distance
            best.set(x.subarray(at, at + size), at)
          }
        }
        // f is flat once the margin is more than κ.
        const pull = lead < confidence ? constant[i] : 0
        for (let k = at; k < at + size; k++) {
          const slope = half * (1 - ((x[k] - middle) / half) ** 2)
          const g = (2 * (x[k] - image[k - at]) - pull * gradient[k]) * slope
          firstMoment[k] = BETA1 * firstMoment[k] + (1 - BETA1) * g
          secondMoment[k] = BETA2 * secondMoment[k] + (1 - BETA2) * g * g
          w[k] -= (rate * firstMoment[k]) / (Math.sqrt(secondMoment[k]) + 1e-8)
        }
      }
    }
    for (const i of all) {
      if (found[i]) upper[i] = Math.min(upper[i], constant[i])
      else lower[i] = Math.max(lower[i], constant[i])
      constant[i] =
        upper[i] < LARGEST_CONSTANT ? (lower[i] + upper[i]) / 2 : Math.min(constant[i] * 10, LARGEST_CONSTANT)
    }
  }
  campaign.report(searchSteps * steps, searchSteps * steps)
  return campaign.result(best)
}
