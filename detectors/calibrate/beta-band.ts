/**
 * How far the false-alarm rate of one calibration set may lie from α. With n calibration scores, rejecting p ≤ α rejects
 * the k = ⌊α(n + 1)⌋ smallest of the n + 1 possible p-values, and the realised rate of a calibration set is then
 * Beta(k, n + 1 − k) (Vovk, "Conditional validity of inductive conformal predictors", 2012, prop. 2; Bates et al. 2023, §3):
 * its mean is k/(n + 1), and it is only that for equal scores it may be smaller.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { betaCdf, betaQuantile, logGamma } from './beta.ts'
import type { Side } from './conformal.ts'

export interface Band {
  readonly low: number
  readonly high: number
}

export interface RejectionLevel {
  /** k: how many of the n + 1 possible p-values are rejected. */
  readonly rank: number
  /** k / (n + 1): p ≤ level is rejected. */
  readonly level: number
}

export interface LevelOptions {
  /** The share of calibration sets whose false-alarm rate must stay at or under α; without it, their mean does. */
  readonly confidence?: number
  /** Which scores the p-values call strange; a two-sided one takes half of α at each end. */
  readonly side?: Side
}

/**
 * The p-value up to which inputs are rejected, so that clean ones are at a rate of at most α.
 *
 * @param n calibration samples
 * @param alpha the rate of false alarms to keep to, in (0, 1)
 * @throws HardpackError `INVALID_ARGUMENT` for an α that n samples cannot give; the message says how many can.
 * @example
 * levelFor(999, 0.01) // { rank: 10, level: 0.01 }
 * levelFor(999, 0.01, { confidence: 0.95 }) // { rank: 5, level: 0.005 }: in 95 % of calibration sets at most 1 % false alarms
 */
export function levelFor(n: number, alpha: number, { confidence, side = 'upper' }: LevelOptions = {}): RejectionLevel {
  const needed = requiredSamples(alpha, { confidence, side })
  if (!(n >= needed)) {
    const promise = confidence === undefined ? '' : ` at confidence ${confidence}`
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `A false-alarm rate of ${alpha}${promise} expected at least ${needed} calibration samples, got ${n}.`,
      { hint: 'Give more samples, or a larger alpha.' },
    )
  }
  let rank = largestRank(n, alpha, side)
  if (confidence !== undefined) {
    const step = side === 'both' ? 2 : 1
    while (betaCdf(alpha, rank, n + 1 - rank) < confidence) rank -= step
  }
  return { rank, level: rank / (n + 1) }
}

/**
 * How many calibration samples a false-alarm rate needs.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for an α or a confidence outside (0, 1).
 * @example
 * requiredSamples(0.01) // 99
 * requiredSamples(0.01, { confidence: 0.95 }) // 299
 */
export function requiredSamples(alpha: number, { confidence, side = 'upper' }: LevelOptions = {}): number {
  checkShare('A false-alarm rate', alpha)
  if (confidence !== undefined) checkShare('A confidence', confidence)
  const smallest = side === 'both' ? 2 : 1
  const enough = (n: number): boolean =>
    largestRank(n, alpha, side) >= smallest &&
    (confidence === undefined || betaCdf(alpha, smallest, n + 1 - smallest) >= confidence)
  let high = smallest
  while (!enough(high)) high *= 2
  let low = 0
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (enough(middle)) high = middle
    else low = middle
  }
  return high
}

/**
 * The interval that holds the false-alarm rate of a calibration set (on endless clean inputs) with a given probability.
 *
 * @param level such as 0.99; equal tails
 * @throws HardpackError `INVALID_ARGUMENT` for an α that n cannot give.
 * @example
 * betaBand(2500, 0.05) // { low: 0.0394…, high: 0.0618… }
 */
export function betaBand(n: number, alpha: number, level = 0.99, options: LevelOptions = {}): Band {
  checkShare('A probability', level)
  const { rank } = levelFor(n, alpha, options)
  const tail = (1 - level) / 2
  return { low: betaQuantile(tail, rank, n + 1 - rank), high: betaQuantile(1 - tail, rank, n + 1 - rank) }
}

/**
 * The interval that holds the share of false alarms among m clean test inputs with at least a given probability: the
 * chance of the calibration set and the chance of the test set (Beta-binomial).
 *
 * @param m test inputs
 * @throws HardpackError `INVALID_ARGUMENT` for an α that n cannot give, or no test inputs.
 * @example
 * betaBinomialBand(2500, 0.05, 10000) // { low: 0.0382, high: 0.0633 }
 */
export function betaBinomialBand(n: number, alpha: number, m: number, level = 0.99, options: LevelOptions = {}): Band {
  checkShare('A probability', level)
  if (!(Number.isSafeInteger(m) && m >= 1)) {
    throw new HardpackError('INVALID_ARGUMENT', `A band expected at least one test input, got ${m}.`)
  }
  const { rank } = levelFor(n, alpha, options)
  const a = rank
  const b = n + 1 - rank
  const logBeta = (x: number, y: number): number => logGamma(x) + logGamma(y) - logGamma(x + y)
  const probability = (count: number): number =>
    Math.exp(logBeta(count + a, m - count + b) - logBeta(a, b) - Math.log(m + 1) - logBeta(count + 1, m - count + 1))
  const tail = (1 - level) / 2
  let low = 0
  for (let sum = probability(0); sum <= tail; sum += probability(low)) low++
  let high = m
  for (let sum = probability(m); sum <= tail; sum += probability(high)) high--
  return { low: low / m, high: high / m }
}

/** The largest k with k/(n + 1) ≤ α; even for two sides. Compared as the p-values are, for 0.29 · 100 is below 29. */
function largestRank(n: number, alpha: number, side: Side): number {
  const step = side === 'both' ? 2 : 1
  let rank = step * Math.floor((alpha * (n + 1)) / step)
  while (rank / (n + 1) > alpha) rank -= step
  while ((rank + step) / (n + 1) <= alpha) rank += step
  return rank
}

function checkShare(what: string, value: number): void {
  if (!(value > 0 && value < 1)) {
    throw new HardpackError('INVALID_ARGUMENT', `${what} expected a number between 0 and 1, got ${value}.`)
  }
}
