/** Presentation attack detection in the words of ISO/IEC 30107-3: for the classifier alone, and with its guard. */

import {
  type PresentationAttackMetrics,
  presentationAttackMetrics,
} from '../../../detectors/metrics/presentation-attack.ts'
import { table } from '../../../sdk/cli/command.ts'
import type { Look } from './chain.ts'
import type { Photo } from './photos.ts'
import type { Run } from './runs.ts'

/** Fixed before any photo was seen. */
const THRESHOLD = 0.5
const LEVEL = 0.95

export interface SystemMetrics {
  readonly system: string
  readonly metrics: PresentationAttackMetrics
}

/** P(spoof), and 1 where there is no output. */
const classifierScore = ({ real }: Look): number => (Number.isNaN(real) ? 1 : 1 - real)

/** What the guard does not accept counts as an attack. */
const guardedScore = (look: Look): number => (look.action === 'accept' ? classifierScore(look) : 1)

export function attackMetrics(photos: readonly Photo[], { looks }: Run): SystemMetrics[] {
  return [
    { system: 'classifier alone', score: classifierScore },
    { system: 'classifier and guard', score: guardedScore },
  ].map(({ system, score }) => {
    const scores = looks.map(({ look }) => score(look))
    const attacks: Record<string, number[]> = {}
    for (const [i, { attack }] of photos.entries())
      if (attack) attacks[attack] = [...(attacks[attack] ?? []), scores[i]]
    const bonaFide = scores.filter((_, i) => photos[i].attack === undefined)
    return { system, metrics: presentationAttackMetrics(bonaFide, attacks, THRESHOLD, LEVEL) }
  })
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** One line a system. */
export function metricsTable(systems: readonly SystemMetrics[]): string {
  const rows = systems.map(({ system, metrics: { worst, bpcer, acer, apcerUpper } }) => [
    system,
    worst.species,
    `${worst.apcer.count} of ${worst.apcer.total}`,
    percent(worst.apcer.rate),
    `≤ ${percent(apcerUpper)}`,
    `${bpcer.count} of ${bpcer.total}`,
    percent(bpcer.rate),
    `≤ ${percent(bpcer.upper)}`,
    percent(acer),
  ])
  const head = ['', 'worst species', 'passed', 'APCER', '95 % bound', 'refused', 'BPCER', '95 % bound', 'ACER']
  return [
    'ISO/IEC 30107-3: APCER is the share of attacks of the worst species that pass as bona fide, BPCER the share of bona fide',
    `presentations called attacks, at the fixed threshold P(spoof) ≥ ${THRESHOLD}; ACER, their mean, is no longer in the standard.`,
    table([head, ...rows], [2, 3, 4, 5, 6, 7, 8]),
  ].join('\n')
}

/** What so few photos say: the bounds themselves. */
export function sentenceOfFew(systems: readonly SystemMetrics[]): string {
  const { worst, apcerUpper, bpcer } = systems[systems.length - 1].metrics
  const photos = worst.apcer.total + bpcer.total
  const named = photos === 3 ? 'Three photos' : `${photos} photos`
  return [
    `${named} prove nothing: ${worst.apcer.count} of ${worst.apcer.total} attacks passed and ${bpcer.count} of ${bpcer.total} bona fide presentations were refused, and yet the true APCER may be`,
    `${percent(apcerUpper)} and the true BPCER ${percent(bpcer.upper)} (95 % bounds). Besides, the guard was made, and its jitter chosen, on these very photos.`,
  ].join('\n')
}
