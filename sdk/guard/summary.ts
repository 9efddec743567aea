/** An evaluation in a few plain sentences, for the head of a report and the end of a terminal's output. */

import { type AttackResult, COMBINED, type Evaluation, type SetResult, type ShareAtAlpha } from './evaluation.ts'

/**
 * A share as people read it.
 *
 * @example
 * percent(0.0382) // '3.8 %'
 */
export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)}\u00a0%`
}

/** A count as people read it: `1,234`. */
export const whole = (count: number): string => count.toLocaleString('en-US')

/**
 * A p-value to two significant digits.
 *
 * @example
 * pText(0.00039984) // '0.00040'
 */
export function pText(p: number): string {
  if (p === 0) return '0'
  return p < 1e-4 ? p.toExponential(1) : p.toPrecision(2)
}

/**
 * What was found, in sentences: false alarms on clean inputs against the band that they must lie in, what was found of each
 * kind of set, and the worst benign shift. All at the largest α.
 */
export function summarise(evaluation: Evaluation): string[] {
  const alpha = Math.max(...evaluation.alphas)
  const at = (shares: readonly ShareAtAlpha[]): ShareAtAlpha =>
    shares.find((share) => share.alpha === alpha) ?? shares[0]
  const sentences = [cleanSentence(evaluation, alpha)]
  const kinds = { ood: 'Of inputs from elsewhere', attack: 'Of attacked inputs' } as const
  for (const attack of evaluation.attacks) sentences.push(attackSentence(attack))
  for (const kind of ['ood', 'attack'] as const) {
    const sets = evaluation.sets.filter((set) => set.kind === kind)
    if (sets.length > 0) sentences.push(`${kinds[kind]} it raised an alarm on ${rangeOf(sets, at)}.`)
  }
  if (evaluation.shifts.length > 0) {
    const worst = [...evaluation.shifts].sort((a, b) => at(b.alarms).share - at(a.alarms).share)[0]
    sentences.push(
      `Under harmless changes, alarms on clean inputs reached ${percent(at(worst.alarms).share)} (${worst.name}).`,
    )
  }
  return sentences.map(unbroken)
}

/** Keeps a number and what it counts on one line. */
const unbroken = (text: string): string => text.replace(/(?<=[\d=]) (?=%|px|\d)|(?<=[α×ε=σ]) (?=[\d=])/g, '\u00a0')

function cleanSentence({ clean, calibrated }: Evaluation, alpha: number): string {
  const alarms = clean.rows.find(({ detector }) => detector === COMBINED)?.alarms.find((share) => share.alpha === alpha)
  if (!alarms) return `The guard judged ${whole(clean.count)} clean inputs.`
  const { count, of, share, band } = alarms
  const said = `At α = ${alpha} the guard raised an alarm on ${whole(count)} of ${whole(of)} clean inputs (${percent(share)})`
  if (!band || calibrated === undefined) return `${said}.`
  const range = `${percent(band.low)} to ${percent(band.high)}`
  const isInside = share >= band.low && share <= band.high
  if (isInside) return `${said}, inside the ${range} that a table of ${whole(calibrated)} calibration samples allows.`
  const side = share > band.high ? 'above' : 'below'
  return `${said}, ${side} the ${range} that a table of ${whole(calibrated)} calibration samples allows: these inputs are not like those it was calibrated on.`
}

function attackSentence({ name, aim, count, of }: AttackResult): string {
  return `The attack ${name} ${aim} on ${whole(count)} of ${whole(of)} inputs.`
}

const LISTED = 3

function rangeOf(sets: readonly SetResult[], at: (shares: readonly ShareAtAlpha[]) => ShareAtAlpha): string {
  const found = sets.flatMap(({ name, rows }) => {
    const row = rows.find(({ detector }) => detector === COMBINED)
    return row ? [{ name, share: at(row.detected).share }] : []
  })
  const say = ({ name, share }: { name: string; share: number }): string => `${percent(share)} (${name})`
  const sorted = found.sort((a, b) => a.share - b.share)
  if (sorted.length > LISTED) return `between ${say(sorted[0])} and ${say(sorted[sorted.length - 1])}`
  const items = sorted.map(say)
  return items.length > 1 ? `${items.slice(0, -1).join(', ')} and ${items.at(-1)}` : items.join('')
}

/** What holds of every such guard, whatever its figures: these sentences belong beside them. */
export const LIMITS: readonly string[] = [
  'An attacker who knows the guard defeats it. What is found of an attack here is found of this attack, which did not aim at the guard unless its name says so. A guard is never a security boundary.',
  'At best, inputs from far away and large perturbations are found well. Inputs close to the training data are not: on public benchmarks of that kind no method is good (OpenOOD v1.5, ImageNet-1k: the best AUROC is below 85 %).',
  'Harmless changes such as brightness, blur, noise or a shift by two pixels raise false alarms. Read the table of shifts beside every AUROC.',
  'The promised false-alarm rate holds for inputs like those of the calibration. A new camera, lamp or codec needs calibration again.',
  'Clean inputs are all clean inputs, those that the model gets wrong included.',
]
