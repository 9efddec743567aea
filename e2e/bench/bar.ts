/** A bar of a benchmark: what was measured, the least that it should be, and the aim. */

import { table } from '../../sdk/cli/command.ts'

export interface Bar {
  readonly what: string
  readonly unit: string
  /** Absent when this run could not measure it. */
  readonly measured?: number
  readonly atLeast?: number
  readonly aim?: number
  /** Whether a good figure is a small one. */
  readonly small?: true
}

/** Whether a bar reaches a goal; `undefined` when either is absent. */
export function reaches({ measured, small }: Bar, goal: number | undefined): boolean | undefined {
  if (measured === undefined || goal === undefined) return undefined
  return small ? measured <= goal : measured >= goal
}

/** One line a bar. */
export function barTable(bars: readonly Bar[]): string {
  const number = (n: number | undefined): string => (n === undefined ? '–' : Number(n.toFixed(2)).toString())
  const verdict = (holds: boolean | undefined): string => (holds === undefined ? '' : holds ? 'met' : 'NOT MET')
  return table(
    [
      ['bar', 'measured', '', 'at least', '', 'aim', ''],
      ...bars.map((bar) => [
        bar.what,
        number(bar.measured),
        bar.measured === undefined ? 'not measured' : bar.unit,
        number(bar.atLeast),
        verdict(reaches(bar, bar.atLeast)),
        number(bar.aim),
        verdict(reaches(bar, bar.aim)),
      ]),
    ],
    [1, 3, 5],
  )
}
