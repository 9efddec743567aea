/** What a pruned model may cost. */

import { HardpackError } from '../../sdk/core/index.ts'
import { costOf } from './cost.ts'
import type { Analysis, Kept } from './types.ts'

export type Budget =
  /** The share of multiply-accumulates, or of weights, that may remain. */
  | { readonly kind: 'flops' | 'params'; readonly remain: number }
  /** Any other cost, and what of it may remain in its own unit. */
  | { readonly kind: 'cost'; readonly remain: number; readonly cost: (kept: Kept) => number }

/** @throws HardpackError `INVALID_ARGUMENT` for a budget that is none. */
export function checkBudget({ kind, remain }: Budget, maxDisagreement = 1): void {
  if (!(remain > 0 && (kind === 'cost' || remain < 1))) {
    const expected = kind === 'cost' ? 'a positive budget' : 'a budget between 0 and 1'
    throw new HardpackError('INVALID_ARGUMENT', `Pruning expected ${expected}, got ${remain}.`, {
      hint: 'Give the share that is to remain.',
    })
  }
  if (!(maxDisagreement >= 0)) {
    throw new HardpackError('INVALID_ARGUMENT', `Pruning expected maxDisagreement from 0 up, got ${maxDisagreement}.`)
  }
}

/** What a model of which these units stay costs, in the unit of the budget's kind: not as a share. */
export function budgetCost(analysis: Analysis, budget: Budget): (kept: Kept) => number {
  if (budget.kind === 'cost') return budget.cost
  const part = budget.kind === 'flops' ? 'macs' : 'parameters'
  return (kept) => costOf(analysis, kept)[part]
}
