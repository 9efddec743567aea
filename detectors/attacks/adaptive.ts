/**
 * The attack that knows the guard (Carlini and Wagner, "Adversarial examples are not easily detected", AISec 2017; Tramèr,
 * Carlini, Brendel, Madry, "On adaptive attacks to adversarial example defenses", NeurIPS 2020): it leads the model astray and
 * keeps the guard's score low, at once. A guard is worth what is left of it here.
 *
 * The loss beside the score is the margin, bounded at κ, and not the cross-entropy: that of a model which is sure has next to no
 * gradient, so that the score's would drown it, and past the boundary it would still pull where only the score should.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { type AttackResult, Campaign, checkCount, checkPositive, gather } from './campaign.ts'
import { largest, margin, type Objective, rowOf } from './objective.ts'
import type { Answers, Batch, Oracle } from './oracle.ts'
import { type PgdOptions, pgd } from './pgd.ts'
import { type SquareOptions, square } from './square.ts'

export interface EvasionOptions {
  /** λ: what a unit of score costs, in units of the loss; one for all inputs or one each. */
  readonly lambda: number | Float64Array
  /** The score from which on the guard raises an alarm. */
  readonly threshold: number
}

/**
 * The objective loss − λ · score. It is reached where the label is another one and there is no alarm.
 *
 * @param loss what leads the model astray
 * @example
 * square(oracle, images, labels, { ...options, objective: evading(margin(10, 1), { lambda: 1, threshold }) })
 */
export function evading(loss: Objective, { lambda, threshold }: EvasionOptions): Objective {
  const costOf = (input: number): number => (typeof lambda === 'number' ? lambda : lambda[input])
  const scoreOf = ({ score }: Answers, i: number): number => {
    if (!score) throw withoutScore()
    return score[i]
  }
  return {
    value: (answers, i, label, input) => loss.value(answers, i, label, input) - costOf(input) * scoreOf(answers, i),
    derive: (answers, i, label, cotangent, input) => {
      loss.derive(answers, i, label, cotangent, input)
      if (cotangent.score) cotangent.score[i] = -costOf(input)
    },
    reached: (answers, i, label) => loss.reached(answers, i, label) && scoreOf(answers, i) < threshold,
  }
}

function withoutScore(): HardpackError {
  return new HardpackError(
    'INVALID_ARGUMENT',
    'An attack on a guard expected an oracle with a score, got one without.',
    {
      hint: 'Name the output with the score of the guard.',
    },
  )
}

export interface AdaptiveOptions extends Omit<PgdOptions, 'objective'> {
  /** The score from which on the guard raises an alarm. */
  readonly threshold: number
  /** Attacks, each with its own λ for each input: 6 unless told. */
  readonly rounds?: number
  /** κ, in logits: 1 unless told. */
  readonly confidence?: number
  /** Queries of each attack where there is no gradient: 1,000 unless told. */
  readonly queries?: SquareOptions['queries']
  readonly channels?: SquareOptions['channels']
}

/** By what λ is changed while only one side of it is known. */
const FACTOR = 4

/**
 * PGD on margin − λ · score; the square attack on the same where the oracle has no gradient. λ is searched for each input, as
 * Carlini and Wagner search c: more of it where the guard raised an alarm, less where the label held. The first λ makes a
 * standard deviation of the scores of `images` worth one logit.
 *
 * @returns `success` is 1 where the model is led astray *and* the guard raises no alarm
 * @throws HardpackError `INVALID_ARGUMENT` for an oracle without a score, labels or inputs out of range; `ABORTED`
 * @example
 * await adaptive(oracle, images, labels, { epsilon: 0.1, threshold, range: { min: 0, max: 1 } })
 */
export async function adaptive(
  oracle: Oracle,
  images: Batch,
  labels: ArrayLike<number>,
  { threshold, rounds = 6, confidence = 1, queries = 1000, channels, ...options }: AdaptiveOptions,
): Promise<AttackResult> {
  checkCount('rounds', rounds)
  checkPositive('a confidence', confidence)
  const campaign = new Campaign('adaptive', oracle, images, labels, margin(oracle.classes), options)
  const { count, size } = campaign
  const clean = await campaign.answers(images.data, campaign.all())
  if (!clean.score) throw withoutScore()
  const lambda = new Float64Array(count).fill(1 / spreadOf(clean.score))
  const low = new Float64Array(count)
  const high = new Float64Array(count).fill(Number.POSITIVE_INFINITY)
  const data = images.data.slice()
  let open = campaign.all()
  for (let round = 0; round < rounds && open.length > 0; round++) {
    campaign.report(round, rounds)
    const batch = { shape: images.shape, data: gather(images.data, open, size) }
    const some = open.map((i) => labels[i])
    const weights = { lambda: Float64Array.from(open, (i) => lambda[i]), threshold }
    const call = { ...options, onProgress: undefined, objective: evading(margin(oracle.classes, confidence), weights) }
    const result = oracle.gradient
      ? await pgd(oracle, batch, some, call)
      : await square(oracle, batch, some, { ...call, queries, channels })
    for (const [j, i] of open.entries()) {
      campaign.queries[i] += result.queries[j]
      // What failed is kept too: it is the attack's last word where nothing succeeds.
      data.set(result.adversarial.data.subarray(j * size, (j + 1) * size), i * size)
      const astray = largest(rowOf(result.answers, j, oracle.classes)) !== labels[i]
      if (astray) low[i] = lambda[i]
      else high[i] = lambda[i]
      if (low[i] === 0) lambda[i] = high[i] / FACTOR
      else if (high[i] === Number.POSITIVE_INFINITY) lambda[i] = low[i] * FACTOR
      else lambda[i] = Math.sqrt(low[i] * high[i])
    }
    open = open.filter((_, j) => !result.success[j])
  }
  campaign.report(rounds, rounds)
  const result = await campaign.result(data)
  const success = result.success.map((astray, i) =>
    Number(astray === 1 && (result.answers.score?.[i] ?? 0) < threshold),
  )
  return { ...result, success }
}

/** The standard deviation of scores; 1 where they do not differ. */
function spreadOf(score: Float32Array): number {
  const mean = score.reduce((sum, value) => sum + value, 0) / score.length
  const variance = score.reduce((sum, value) => sum + (value - mean) ** 2, 0) / score.length
  return Math.sqrt(variance) || 1
}
