/**
 * The attack that knows the guard (Carlini and Wagner, "Adversarial examples are not easily detected", AISec 2017; Tramèr,
 * Carlini, Brendel, Madry, "On adaptive attacks to adversarial example defenses", NeurIPS 2020): it leads the model astray and
 * keeps the guard's score low, at once. A guard is worth what is left of it here.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { type AttackResult, checkPositive } from './campaign.ts'
import { crossEntropy, margin, type Objective } from './objective.ts'
import type { Answers, Batch, Oracle } from './oracle.ts'
import { type PgdOptions, pgd } from './pgd.ts'
import { type SquareOptions, square } from './square.ts'

export interface EvasionOptions {
  /** λ: what a unit of score costs, in nats of cross-entropy or units of the margin. */
  readonly lambda: number
  /** The score from which on the guard raises an alarm. */
  readonly threshold: number
}

/**
 * The objective loss − λ · max(score − threshold, 0): the score counts only as far as the guard would raise an alarm, so that
 * no strength is spent on an input that it lets pass. It is reached where the label is another one and there is no alarm.
 *
 * @param loss what leads the model astray
 * @example
 * square(oracle, images, labels, { ...options, objective: evading(margin(10), { lambda: 1, threshold }) })
 */
export function evading(loss: Objective, { lambda, threshold }: EvasionOptions): Objective {
  const excess = ({ score }: Answers, i: number): number => {
    if (!score) {
      throw new HardpackError(
        'INVALID_ARGUMENT',
        'An attack on a guard expected an oracle with a score, got one without.',
        {
          hint: 'Name the output with the score of the guard.',
        },
      )
    }
    return score[i] - threshold
  }
  return {
    value: (answers, i, label) => loss.value(answers, i, label) - lambda * Math.max(excess(answers, i), 0),
    derive: (answers, i, label, cotangent) => {
      loss.derive(answers, i, label, cotangent)
      if (cotangent.score) cotangent.score[i] = excess(answers, i) > 0 ? -lambda : 0
    },
    reached: (answers, i, label) => loss.reached(answers, i, label) && excess(answers, i) <= 0,
  }
}

export interface AdaptiveOptions extends Omit<PgdOptions, 'objective'>, Omit<EvasionOptions, 'lambda'> {
  /** The weights of the score that are tried, one attack each; an input keeps the first that reaches its aim. */
  readonly lambdas?: readonly number[]
  /** Queries of the attack without gradients: 1,000 unless told. */
  readonly queries?: SquareOptions['queries']
  readonly channels?: SquareOptions['channels']
}

/**
 * PGD on the cross-entropy and the score, or the square attack on the margin and the score where the oracle has no gradient.
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
  { threshold, lambdas = [1, 10, 0.1], queries, channels, ...options }: AdaptiveOptions,
): Promise<AttackResult> {
  for (const lambda of lambdas) checkPositive('a lambda', lambda)
  let best: AttackResult | undefined
  const { signal, onProgress } = options
  for (const [round, lambda] of lambdas.entries()) {
    const report = onProgress && {
      onProgress: ({ done, total }: { done: number; total: number }) =>
        onProgress({ stage: 'adaptive', done: round * total + done, total: lambdas.length * total }),
    }
    const call = { ...options, signal, ...report }
    const weight = { lambda, threshold }
    const result = oracle.gradient
      ? await pgd(oracle, images, labels, { ...call, objective: evading(crossEntropy(oracle.classes), weight) })
      : await square(oracle, images, labels, {
          ...call,
          queries,
          channels,
          objective: evading(margin(oracle.classes), weight),
        })
    best = best ? firstOf(best, result, oracle.classes) : result
  }
  if (!best) throw new HardpackError('INVALID_ARGUMENT', 'An adaptive attack expected at least one lambda, got none.')
  return best
}

/** For each input the first result, unless only the second reached its aim. Queries add up. */
function firstOf(first: AttackResult, second: AttackResult, classes: number): AttackResult {
  const { shape } = first.adversarial
  const data = first.adversarial.data.slice()
  const size = data.length / first.success.length
  const success = first.success.slice()
  const l2 = first.l2.slice()
  const logits = first.answers.logits.slice()
  const score = first.answers.score?.slice()
  for (let i = 0; i < success.length; i++) {
    if (success[i] || !second.success[i]) continue
    success[i] = 1
    l2[i] = second.l2[i]
    data.set(second.adversarial.data.subarray(i * size, (i + 1) * size), i * size)
    logits.set(second.answers.logits.subarray(i * classes, (i + 1) * classes), i * classes)
    if (score && second.answers.score) score[i] = second.answers.score[i]
  }
  const queries = first.queries.map((spent, i) => spent + second.queries[i])
  return { adversarial: { shape, data }, success, answers: score ? { logits, score } : { logits }, l2, queries }
}
