/** What should remain of a model: of its multiply-accumulates, its parameters, its packed bytes or its latency. */

import { HardpackError } from '../core/index.ts'

export const BUDGET_KINDS = ['flops', 'params', 'bytes', 'latency'] as const
export type BudgetKind = (typeof BUDGET_KINDS)[number]

/** A share of the original that remains, or, for `bytes`, a size of the package. */
export type Budget =
  | { readonly kind: BudgetKind; readonly remain: number }
  | { readonly kind: 'bytes'; readonly size: number }

const UNITS: Readonly<Record<string, number>> = { B: 1, kB: 1e3, MB: 1e6 }

/**
 * Reads a budget, as on the command line.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for another kind, a share that is not between 0 and 1, or a size that is none.
 * @example
 * parseBudget('flops=0.5') // { kind: 'flops', remain: 0.5 }
 * parseBudget('bytes=2MB') // { kind: 'bytes', size: 2000000 }
 */
export function parseBudget(text: string): Budget {
  const [name, value = ''] = text.split('=', 2)
  const kind = BUDGET_KINDS.find((known) => known === name)
  const [, digits = '', unit = ''] = /^(\d*\.?\d+)(B|kB|MB)?$/.exec(value) ?? []
  const number = Number(digits)
  if (kind === 'bytes' && unit !== '' && number * UNITS[unit] >= 1) {
    return { kind, size: Math.floor(number * UNITS[unit]) }
  }
  if (kind && digits !== '' && unit === '' && number > 0 && number < 1) return { kind, remain: number }
  throw new HardpackError(
    'INVALID_ARGUMENT',
    `A budget expected flops, params, bytes or latency and the share between 0 and 1 that remains, or bytes and a size, got "${text}".`,
    { hint: 'Write it like `flops=0.5` or `bytes=2MB`.' },
  )
}

/** A budget as people read it: `50 % of the MACs`, `2,000,000 bytes`. */
export function budgetText(budget: Budget): string {
  if ('size' in budget) return `${budget.size.toLocaleString('en-US')} bytes`
  const of = { flops: 'MACs', params: 'parameters', bytes: 'packed bytes', latency: 'latency' }
  return `${Number((100 * budget.remain).toFixed(2))} % of the ${of[budget.kind]}`
}
