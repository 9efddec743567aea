/**
 * The tables of `sdk/docs/guard.md`, as Markdown, from the results of the last `bench:guard`:
 *
 *     npm run bench:guard:page
 */

import { readResults } from '../environment.ts'
import { distinct, say } from '../markdown.ts'
import type { DetectionRow } from './detection.ts'
import { type FalseAlarmRow, isInside, isInsideWider } from './false-alarms.ts'
import type { LatencyRow } from './latency.ts'
import type { OneClassRow } from './one-class.ts'
import type { RuleRow } from './rules.ts'
import type { PassSpeed } from './slow-target.ts'

interface Results {
  readonly alarms: readonly FalseAlarmRow[]
  readonly speeds: readonly PassSpeed[]
  readonly rows: readonly DetectionRow[]
  readonly defaults: readonly DetectionRow[]
  readonly rules: readonly RuleRow[]
  readonly shifts: readonly { readonly name: string; readonly flagged: number; readonly rejected: number }[]
  readonly digits: readonly OneClassRow[]
  readonly latencies: readonly LatencyRow[]
}

const results = await readResults<Results>('guard')
if (!results) throw new Error('bench:guard:page expected results of bench:guard, got none. Run that first.')
const { alarms, speeds, rows, defaults, rules, shifts, digits, latencies } = results

const WHOLE = 'guard as a whole'
const percent = (share: number): string => (100 * share).toFixed(2)
const tenth = (value: number): string => value.toFixed(1)

const inside = alarms.filter(isInside).length
const wider = alarms.filter(isInsideWider).length
process.stdout.write(
  `False alarms: ${inside} of ${alarms.length} rates inside the Beta band, ${wider} inside the wider one.\n\n`,
)
for (const row of alarms.filter((row) => !isInside(row))) {
  process.stdout.write(
    `- ${row.target}, ${row.guard}, ${row.detector}, α = ${row.alpha}: ${percent(row.rate)} of ${row.images}, band ${row.beta.map(percent).join('–')}\n`,
  )
}

const guards = distinct(alarms.map(({ target, guard }) => `${target}, ${guard}`))
const detectors = distinct(alarms.map(({ detector }) => detector))
for (const alpha of distinct(alarms.map(({ alpha }) => String(alpha)))) {
  say(`α = ${alpha}`, [
    ['', 'calibrated on', 'tested on', ...detectors, 'band'],
    ...guards.map((guard) => {
      const own = alarms.filter((row) => `${row.target}, ${row.guard}` === guard && String(row.alpha) === alpha)
      const rate = (row: FalseAlarmRow): string => (isInside(row) ? percent(row.rate) : `*${percent(row.rate)}*`)
      const cells = detectors.map((name) => own.find(({ detector }) => detector === name))
      return [
        guard,
        (2 * own[0].calibrated).toLocaleString('en'),
        own[0].images.toLocaleString('en'),
        ...cells.map((row) => (row ? rate(row) : '')),
        own[0].beta.map(percent).join('–'),
      ]
    }),
  ])
}
say('Passes on WebGPU', [
  ['pass', 'images', 'a second'],
  ...speeds.map(({ pass, images, imagesPerSecond }) => [pass, String(images), tenth(imagesPerSecond)]),
])

const sets = distinct(rows.map(({ set }) => set))
const names = distinct(rows.map(({ detector }) => detector))
say('Found: AUROC', [
  ['set', 'images', ...names.map((name) => (name === WHOLE ? 'together' : name))],
  ...sets.map((set) => {
    const own = rows.filter((row) => row.set === set)
    const best = Math.max(...own.filter(({ detector }) => detector !== WHOLE).map(({ auroc }) => auroc))
    return [
      set,
      own[0].images.toLocaleString('en'),
      ...own.map(({ auroc }) => (auroc === best ? `**${tenth(auroc)}**` : tenth(auroc))),
    ]
  }),
])
const detected = (all: readonly DetectionRow[]): string[] =>
  all.filter(({ detector }) => detector === WHOLE).map((row) => tenth(row.detected))
say('Share with p ≤ 0.05', [
  ['', ...sets],
  ['default', ...detected(defaults)],
  ['all detectors', ...detected(rows)],
])

const attacks = distinct(rules.map(({ set }) => set))
say('Rules: AUROC', [
  ['rule', ...attacks, 'least', 'clean images'],
  ...distinct(rules.map(({ detector, rule }) => `${detector}: ${rule}`)).map((name) => {
    const own = rules.filter(({ detector, rule }) => `${detector}: ${rule}` === name)
    const least = Math.min(...own.map(({ auroc }) => auroc))
    return [name, ...own.map(({ auroc }) => tenth(auroc)), tenth(least), own[0].clean.toLocaleString('en')]
  }),
])
say('Harmless changes', [
  ['', ...shifts.map(({ name }) => name)],
  ['p ≤ 0.05', ...shifts.map(({ flagged }) => tenth(100 * flagged))],
  ['p ≤ 0.01', ...shifts.map(({ rejected }) => tenth(100 * rejected))],
])
const mean = (values: readonly number[]): string =>
  `${(values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(2)} (from ${tenth(Math.min(...values))})`
say('One-class MNIST', [
  ['Gaussian', 'Hyp-OC'],
  [mean(digits.map(({ gaussian }) => gaussian)), mean(digits.map(({ hypOc }) => hypOc))],
])
say('Cost', [
  ['model', 'plain ms', 'guarded ms', 'added %'],
  ...latencies.map((row) => [row.model, row.plain.toFixed(2), row.guarded.toFixed(2), row.added.toFixed(2)]),
])
