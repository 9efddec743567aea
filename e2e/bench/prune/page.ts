/**
 * The tables of `sdk/docs/pruning.md`, as Markdown, from the results of the last `bench:prune`:
 *
 *     npm run bench:prune:page
 */

import { readResults } from '../environment.ts'
import { distinct, say } from '../markdown.ts'
import type { AccuracyRow } from './accuracies.ts'
import type { Measured } from './results.ts'
import { meanOf } from './unlearning.ts'

const { accuracies = [], speeds = [], unlearned = [] } = (await readResults<Measured>('prune')) ?? { parts: {} }

const hundredth = (value: number | undefined): string => value?.toFixed(2) ?? ''

const columns = distinct(
  accuracies.filter(({ removed }) => removed > 0).map((row) => `${row.model}, ${row.samples}, −${row.removed} %`),
)
const SELECTION_NAMES: Readonly<Record<string, string>> = { l2: 'L2', wanda: 'Wanda', random: 'random' }
const methodOf = ({ by, widths, refit }: AccuracyRow): string => {
  if (by === 'hardpack') return 'hardpack'
  if (by === 'paper') return 'ModHiFi as published'
  const spread = widths === 'uniform' ? 'the same share of every layer' : 'the widths of hardpack'
  return `${SELECTION_NAMES[by]}, ${spread}, ${refit ? 'with the fit' : 'zeroed'}`
}
for (const [title, figure] of [
  ['Accuracy', 'accuracy'],
  ['The same predictions as the whole model', 'agreement'],
] as const) {
  say(title, [
    ['', ...columns],
    [
      'whole',
      ...columns.map((name) => {
        const whole = accuracies.find((row) => row.by === 'nothing' && name.startsWith(`${row.model}, ${row.samples},`))
        return whole ? hundredth(whole[figure]) : ''
      }),
    ],
    ...distinct(accuracies.filter(({ by }) => by !== 'nothing').map(methodOf)).map((method) => [
      method,
      ...columns.map((name) => {
        const row = accuracies.find(
          (one) => methodOf(one) === method && `${one.model}, ${one.samples}, −${one.removed} %` === name,
        )
        return row ? hundredth(row[figure]) : ''
      }),
    ]),
  ])
}
say('Latency', [
  ['model', 'images a run', 'align', 'whole ms', 'half ms', 'ratio'],
  ...speeds.map(({ model, batch, align, before, after, ratio }) => [
    model,
    String(batch),
    String(align),
    hundredth(before),
    hundredth(after),
    hundredth(ratio),
  ]),
])
say('Unlearning', [
  ['model', 'samples', 'accuracy on the class after', 'most', 'drop on the others', 'probe before', 'after', 'seconds'],
  ...distinct(unlearned.map(({ model, samples }) => `${model}|${samples}`)).map((key) => {
    const rows = unlearned.filter(({ model, samples }) => `${model}|${samples}` === key)
    return [
      ...key.split('|'),
      hundredth(meanOf(rows, ({ forget: [, after] }) => after)),
      hundredth(Math.max(...rows.map(({ forget: [, after] }) => after))),
      hundredth(meanOf(rows, ({ others: [before, after] }) => before - after)),
      ...[0, 1].map((which) => hundredth(meanOf(rows, ({ probe }) => probe[which]))),
      hundredth(meanOf(rows, ({ seconds }) => seconds)),
    ]
  }),
])
