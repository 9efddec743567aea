/** The bars of pruning: what was measured, the least that it should be, and the aim. */

import type { Bar } from '../bar.ts'
import type { AccuracyRow } from './accuracies.ts'
import type { Measured } from './results.ts'
import type { Widths } from './selections.ts'
import { meanOf } from './unlearning.ts'

/** Model, samples, percent removed, the least accuracy (or, where `loss`, the largest loss), the aim. */
type Goal = readonly [string, AccuracyRow['samples'], number, number | undefined, number]

const ACCURACIES: readonly Goal[] = [
  ['fashion-vgg', 'real', 40, 89.5, 90.5],
  ['fashion-vgg', 'real', 60, 87.5, 89.5],
  ['fashion-vit', 'real', 40, 78, 79.5],
  ['fashion-vit', 'real', 60, 76.5, 79],
]

const LOSSES: readonly Goal[] = [
  ['cifar10-resnet56', 'real', 20, 1, 0.5],
  ['cifar10-resnet56', 'real', 40, 3, 1.5],
  ['cifar10-resnet56', 'real', 60, 8, 4],
  ['cifar10-resnet56', 'synthetic', 20, 3, 1.5],
  ['cifar10-resnet56', 'synthetic', 40, 8, 3],
  ['cifar10-resnet56', 'synthetic', 60, undefined, 10],
]

/** By how many points hardpack is ahead of each selection of others, in each setting. */
export function leadsOf(rows: readonly AccuracyRow[], widths: Widths, figure: 'accuracy' | 'agreement'): number[] {
  return rows
    .filter((row) => row.widths === widths)
    .map((other) => {
      const own = rows.find(
        ({ by, model, samples, removed }) =>
          by === 'hardpack' && model === other.model && samples === other.samples && removed === other.removed,
      )
      return own ? own[figure] - other[figure] : Number.NaN
    })
}

/** One line a bar. */
export function barsOf({ accuracies = [], architectures = [], speeds = [], whole, unlearned = [] }: Measured): Bar[] {
  const own = ([model, samples, removed]: Goal): AccuracyRow | undefined =>
    accuracies.find(
      (row) => row.by === 'hardpack' && row.model === model && row.samples === samples && row.removed === removed,
    )
  const name = ([model, samples, removed]: Goal): string =>
    `${model}, ${samples} samples, ${removed} % of the MACs removed`
  const wins = (widths: Widths, figure: 'accuracy' | 'agreement'): number | undefined => {
    const leads = leadsOf(accuracies, widths, figure)
    return leads.length > 0 ? (100 * leads.filter((lead) => lead > 0).length) / leads.length : undefined
  }
  const errors = architectures.flatMap(({ maxError }) => (maxError === undefined ? [] : [maxError]))
  return [
    ...ACCURACIES.map((goal): Bar => {
      const [, , , atLeast, aim] = goal
      const row = own(goal)
      const images = goal[0] === 'fashion-vgg' ? '1,000' : '2,000'
      const what = `${name(goal)}: accuracy on the first ${images} test images, mean of ${row?.draws ?? 0} draws`
      return { what, unit: '%', measured: row?.known, atLeast, aim }
    }),
    ...LOSSES.map((goal): Bar => {
      const [, , , atLeast, aim] = goal
      return { what: `${name(goal)}: loss`, unit: 'points', measured: own(goal)?.loss, atLeast, aim, small: true }
    }),
    {
      what: 'better than L2, Wanda and random selection, refitted or not, uniform widths: share',
      unit: '%',
      measured: wins('uniform', 'accuracy'),
      atLeast: 100,
    },
    {
      what: '… at the very widths that hardpack chose: share',
      unit: '%',
      measured: wins('ours', 'accuracy'),
      atLeast: 100,
    },
    {
      what: '… nearer to the predictions of the whole model, uniform widths: share',
      unit: '%',
      measured: wins('uniform', 'agreement'),
    },
    { what: '… the same at the widths of hardpack: share', unit: '%', measured: wins('ours', 'agreement') },
    ...speeds.map(
      ({ model, batch, ratio }): Bar => ({
        what: `${model}, half of the MACs, ${batch} a run: latency on one thread, of the whole`,
        unit: '',
        measured: ratio,
        atLeast: 0.65,
        aim: 0.5,
        small: true,
      }),
    ),
    ...[...new Set(speeds.map(({ batch }) => batch))].map((batch): Bar => {
      const ratios = speeds.filter((row) => row.batch === batch).map(({ ratio }) => ratio)
      const measured = ratios.reduce((product, ratio) => product * ratio, 1) ** (1 / ratios.length)
      const what = `… geometric mean of ${ratios.length} models, ${batch} a run`
      return { what, unit: '', measured, atLeast: 0.65, aim: 0.5, small: true }
    }),
    {
      what: 'faceres-fp32, the whole thing: time',
      unit: 's',
      measured: whole?.seconds,
      atLeast: 180,
      aim: 30,
      small: true,
    },
    ...['fashion-cnn', 'fashion-vit'].flatMap((model): Bar[] => {
      const rows = unlearned.filter((row) => row.model === model && row.samples === 'retained')
      const isBar = model === 'fashion-cnn'
      const goals = (atLeast: number, aim: number) => (isBar ? { atLeast, aim } : {})
      const what = `${model}, a class unlearned, mean of ${rows.length} classes`
      const drop = meanOf(rows, ({ others: [before, after] }) => before - after)
      const left = meanOf(rows, ({ forget: [, after] }) => after)
      return [
        { what: `${what}: accuracy on it`, unit: '%', measured: left, ...goals(2, 0), small: true },
        { what: '… drop of the accuracy on the others', unit: 'points', measured: drop, ...goals(5, 2), small: true },
      ]
    }),
    {
      what: `${errors.length} architectures, cut at random: largest error`,
      unit: '× 1e-5',
      measured: errors.length > 0 ? Math.max(...errors) * 1e5 : undefined,
      atLeast: 1,
      small: true,
    },
  ]
}
