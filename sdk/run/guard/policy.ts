/** What the guard does about a p-value. The policy of the package is signed; an app may tighten it, never loosen it. */

import type { GuardPolicy } from '../../container/manifest.ts'
import { WITHHOLDING } from '../../container/validate-guard.ts'
import { HardpackError } from '../../core/index.ts'
import { type Action, SEVERITY } from './verdict.ts'

/** A policy in the terms of one app. */
export interface PolicyOptions {
  /** The rate of clean inputs that may be flagged; not lower than that of the package. */
  flag?: number
  /** The rate of clean inputs that may be rejected; not lower than that of the package. */
  reject?: number
  /** From which action on outputs are withheld: `indeterminate`, `reject` or `flag`; not later than in the package. */
  withhold?: string
}

/**
 * The policy of a package, tightened.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for an option that would loosen it, or that is no rate.
 * @example
 * tighten(policy, { flag: 0.1, withhold: 'reject' })
 */
export function tighten(policy: GuardPolicy, options: PolicyOptions = {}): GuardPolicy {
  const rate = (key: 'flag' | 'reject'): number => {
    const value = options[key] ?? policy[key]
    if (typeof value === 'number' && value >= policy[key] && value < 1) return value
    throw tooLoose(key, `a rate from ${policy[key]} to less than 1`, value)
  }
  const withhold = options.withhold ?? policy.withhold
  const rank = (name: string): number => (WITHHOLDING as readonly string[]).indexOf(name)
  if (rank(withhold) < rank(policy.withhold)) {
    throw tooLoose('withhold', WITHHOLDING.slice(rank(policy.withhold)).join(' or '), withhold)
  }
  const [flag, reject] = [rate('flag'), rate('reject')]
  return { ...policy, flag: Math.max(flag, reject), reject, withhold }
}

function tooLoose(key: string, expected: string, got: unknown): HardpackError {
  return new HardpackError('INVALID_ARGUMENT', `The guard's ${key} expected ${expected}, got ${got}.`, {
    hint: 'An app may tighten the policy of a package, not loosen it: pack the model with another policy.',
  })
}

/** Whether an action withholds outputs. */
export function withholds({ withhold }: GuardPolicy, action: Action): boolean {
  const from = { never: 4, indeterminate: 3, reject: 2, flag: 1 }[withhold] ?? 0
  return SEVERITY[action] >= from
}
