/** A budget as the algorithm can spend it, and as it is checked afterwards: all as shares of the original. */

import type { Analysis, Kept, PruneOptions, PruneResult } from '../../compress/prune/index.ts'
import type { Target } from '../../targets/types.ts'
import { type CallOptions, HardpackError, type Tensor } from '../core/index.ts'
import { type Budget, budgetText } from './budget.ts'
import type { Latency } from './latency.ts'
import { latencyCost } from './latency-cost.ts'
import { bytesCost, type PackedSizes } from './packed-bytes.ts'

export interface Gauge {
  /** What should remain. */
  readonly remain: number
  /** What the algorithm is given to leave so much of. */
  budget(remain: number): PruneOptions['budget']
  /** What does remain, of a result that was packed and timed. */
  reached(result: PruneResult, packed: PackedSizes, latency: Latency): number
  /** How far a result may lie above and below; where it lies outside, another one is tried. Exact budgets have none. */
  readonly tolerance?: { readonly above: number; readonly below: number }
}

/** What is known of the original. */
export interface Original {
  readonly analysis: Analysis
  /** What it is packed to, which takes a while. */
  readonly sizes: () => Promise<PackedSizes>
  /** One sample. */
  readonly feeds: Readonly<Record<string, Tensor>>
  readonly target: Target
  readonly align: number
}

/**
 * The gauge of a budget. That of latency is calibrated on the target, which takes a while.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for a size that the original does not exceed.
 */
export async function gaugeOf(budget: Budget, original: Original, options: CallOptions): Promise<Gauge> {
  const { analysis, feeds, target, align } = original
  if (budget.kind === 'flops' || budget.kind === 'params') {
    const { kind, remain } = budget
    return {
      remain,
      budget: (share) => ({ kind, remain: share }),
      reached: ({ report }) => report.budget.reached,
    }
  }
  const spend = (cost: (kept: Kept) => number) => (remain: number) => ({ kind: 'cost' as const, remain, cost })
  if (budget.kind === 'latency') {
    return {
      remain: budget.remain,
      budget: spend(await latencyCost(analysis, feeds, target, { align, ...options })),
      reached: (_result, _packed, { ratio }) => ratio,
      tolerance: { above: 0.02, below: 0.05 },
    }
  }
  const sizes = await original.sizes()
  const remain = 'size' in budget ? budget.size / sizes.total : budget.remain
  if (remain >= 1) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `The budget expected less than the ${sizes.total.toLocaleString('en-US')} bytes that the model is packed to unpruned, got ${budgetText(budget)}.`,
      { hint: 'Pack it without --prune, or ask for less.' },
    )
  }
  const bytes = bytesCost(analysis, sizes)
  return {
    remain,
    budget: spend((kept) => bytes(kept) / sizes.total),
    reached: (_result, { total }) => total / sizes.total,
    tolerance: { above: 0, below: 0.02 },
  }
}

/** Where to aim when correcting: the middle of what is tolerated. */
export function aimOf({ remain, tolerance = { above: 0, below: 0 } }: Gauge): number {
  return remain + (tolerance.above - tolerance.below) / 2
}

/** Whether a result can stay, and whether a better one is to be hoped for. */
export function judge({ remain, tolerance }: Gauge, reached: number): 'met' | 'above' | 'below' {
  if (!tolerance) return 'met'
  if (reached > remain + tolerance.above) return 'above'
  return reached < remain - tolerance.below ? 'below' : 'met'
}
