/** A report in words: the sentences above its figures, in HTML and on the command line. */

import { budgetText } from './budget.ts'
import type { FilePruneReport, Pair } from './report-data.ts'

/** `12.3 %` */
export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`
}

/** Large numbers with a unit: `125.5 M`. */
export function short(value: number): string {
  const units = [
    [1e9, ' G'],
    [1e6, ' M'],
    [1e3, ' k'],
  ] as const
  const [scale, unit] = units.find(([least]) => value >= least) ?? [1, '']
  const scaled = value / scale
  return `${scaled >= 100 || scale === 1 ? Math.round(scaled) : scaled.toFixed(scaled >= 10 ? 1 : 2)}${unit}`
}

export const whole = (value: number): string => value.toLocaleString('en-US')

export const milliseconds = (value: number): string => `${value.toPrecision(3)} ms`

/** What is left of the first of two. */
export const remains = ([before, after]: Pair): number => (before > 0 ? after / before : 1)

/** How far the answers of both models agree. */
export function agreementText({ agreement: { samples, unseen, disagreement, kl } }: FilePruneReport): string {
  const on = unseen
    ? `On ${whole(samples)} samples that it was not fitted to`
    : `On the ${whole(samples)} samples that it was fitted to`
  return kl === undefined
    ? `${on}, its outputs differ from the original's by ${percent(disagreement)} of their size.`
    : `${on}, its answer differs from the original's in ${percent(disagreement)} of cases.`
}

/** A report in a few sentences. */
export function summarise(report: FilePruneReport): string[] {
  const { cost, bytes, latency, budget, branches } = report
  const macs: Pair = [cost.before.macs, cost.after.macs]
  const parameters: Pair = [cost.before.parameters, cost.after.parameters]
  return [
    `Asked to keep ${budgetText(budget)}, and kept ${percent(budget.reached)}.`,
    `The pruned model needs ${percent(remains(macs))} of the MACs (${macs.map(short).join(' → ')}) and has ${percent(remains(parameters))} of the parameters.`,
    ...(branches.length > 0
      ? [
          `${branches.length === 1 ? 'A residual branch is' : `${branches.length} residual branches are`} gone as a whole.`,
        ]
      : []),
    `It takes ${latency.after.ratio.toFixed(2)} of the time (${[latency.before, latency.after].map((one) => milliseconds(one.milliseconds)).join(' → ')} on ${latency.target}), and its package ${percent(remains(bytes.packed))} of the bytes (${bytes.packed.map(whole).join(' → ')}).`,
    agreementText(report),
  ]
}
