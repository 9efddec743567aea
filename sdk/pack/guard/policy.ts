/** The policy of a package, complete, and what it takes to keep it. */

import { requiredSamples } from '../../../detectors/calibrate/beta-band.ts'
import type { Side } from '../../../detectors/calibrate/conformal.ts'
import type { GuardPolicy } from '../../container/manifest.ts'
import { COMBINATIONS, WITHHOLDING } from '../../container/validate-guard.ts'
import { HardpackError } from '../../core/index.ts'

const DEFAULTS: GuardPolicy = {
  flag: 0.05,
  reject: 0.01,
  confidence: 0,
  combination: 'simes',
  withhold: 'indeterminate',
}

/**
 * A policy of which some is given. A rate that is left out gives way to the other one.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for what is no policy.
 * @example
 * policyOf({ flag: 0.001 }).reject // 0.001: what is rejected is flagged, too
 */
export function policyOf(given: Partial<GuardPolicy> = {}): GuardPolicy {
  const flag = given.flag ?? Math.max(DEFAULTS.flag, given.reject ?? 0)
  const reject = given.reject ?? Math.min(DEFAULTS.reject, flag)
  const { confidence = DEFAULTS.confidence, combination = DEFAULTS.combination, withhold = DEFAULTS.withhold } = given
  const check = (holds: boolean, expected: string, got: unknown): void => {
    if (holds) return
    throw new HardpackError('INVALID_ARGUMENT', `The policy of a guard expected ${expected}, got ${got}.`)
  }
  check(0 < reject && reject <= flag && flag < 1, '0 < reject ≤ flag < 1', `${reject} and ${flag}`)
  check(confidence >= 0 && confidence < 1, 'a confidence from 0 to less than 1', confidence)
  check((COMBINATIONS as readonly string[]).includes(combination), COMBINATIONS.join(' or '), combination)
  check(
    (WITHHOLDING as readonly string[]).includes(withhold),
    `to withhold from ${WITHHOLDING.join(', ')} on`,
    withhold,
  )
  return { flag, reject, confidence, combination, withhold }
}

/**
 * Checks, before the long work, that there are enough clean samples for the rates of a policy.
 *
 * @param sides which scores each detector calls strange; a single detector needs no second half of the samples
 * @throws HardpackError `INVALID_ARGUMENT` that names how many it takes.
 */
export function checkSamples(
  samples: number,
  sides: readonly Side[],
  { reject: alpha, confidence }: GuardPolicy,
): void {
  const several = sides.length > 1
  const required = requiredSamples(alpha, { confidence: confidence || undefined, side: several ? 'upper' : sides[0] })
  const needed = several ? 2 * required - 1 : required
  if (samples >= needed) return
  const promise = confidence ? ` at confidence ${confidence}` : ''
  throw new HardpackError(
    'INVALID_ARGUMENT',
    `A rate of ${alpha}${promise} expected at least ${needed} clean samples to calibrate on, got ${samples}.`,
    { hint: 'Give more samples, or larger rates: --flag and --reject.' },
  )
}
