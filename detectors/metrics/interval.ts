/**
 * Intervals for a rate that was counted: Clopper and Pearson (Biometrika 1934), from the quantiles of the Beta
 * distribution. They hold at least what they promise for every rate and every number of trials, also for 0 of 3.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { betaQuantile } from '../calibrate/beta.ts'

/** A counted rate and where the true one may lie. */
export interface Rate {
  readonly count: number
  readonly total: number
  /** count / total. */
  readonly rate: number
  /** Two-sided interval at the level asked for. */
  readonly low: number
  readonly high: number
  /** One-sided upper bound at that level: what a claim "at most …" may say. */
  readonly upper: number
}

/**
 * The interval of a counted rate.
 *
 * @param count how often it happened
 * @param total out of how many, at least 1
 * @param level such as 0.95
 * @throws HardpackError `INVALID_ARGUMENT` for counts that are none, or a level outside (0, 1).
 * @example
 * clopperPearson(0, 3) // { count: 0, total: 3, rate: 0, low: 0, high: 0.708, upper: 0.632 }: three trials prove nothing
 */
export function clopperPearson(count: number, total: number, level = 0.95): Rate {
  const whole = Number.isSafeInteger(count) && Number.isSafeInteger(total)
  if (!(whole && count >= 0 && count <= total && total >= 1)) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `A rate expected a count out of at least one, got ${count} of ${total}.`,
    )
  }
  if (!(level > 0 && level < 1)) {
    throw new HardpackError('INVALID_ARGUMENT', `A confidence level expected a number between 0 and 1, got ${level}.`)
  }
  const tail = (1 - level) / 2
  const above = (share: number): number => (count === total ? 1 : betaQuantile(share, count + 1, total - count))
  return {
    count,
    total,
    rate: count / total,
    low: count === 0 ? 0 : betaQuantile(tail, count, total - count + 1),
    high: above(1 - tail),
    upper: above(level),
  }
}
