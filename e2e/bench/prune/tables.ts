/** The tables that `bench:prune` prints. */

import { table } from '../../../sdk/cli/command.ts'
import type { AccuracyRow } from './accuracies.ts'
import type { ArchitectureRow } from './architectures.ts'
import type { SpeedRow } from './speed.ts'
import type { UnlearnRow } from './unlearning.ts'

const hundredth = (value: number): string => value.toFixed(2)

export function accuracyTable(rows: readonly AccuracyRow[]): string {
  return table(
    [
      [
        'model',
        'samples',
        'removed %',
        'by',
        'widths',
        'refit',
        'draws',
        'in fact %',
        'accuracy',
        'loss',
        'agrees',
        'on the known',
      ],
      ...rows.map((row) => [
        row.model,
        row.samples,
        String(row.removed),
        row.by,
        row.widths,
        row.refit ? 'yes' : 'no',
        String(row.draws),
        hundredth(row.reached),
        hundredth(row.accuracy),
        hundredth(row.loss),
        hundredth(row.agreement),
        hundredth(row.known),
      ]),
    ],
    [2, 6, 7, 8, 9, 10, 11],
  )
}

export function speedTable(rows: readonly SpeedRow[]): string {
  return table(
    [
      ['model', 'batch', 'align', 'whole ms', 'half ms', 'ratio'],
      ...rows.map((row) => [
        row.model,
        String(row.batch),
        String(row.align),
        hundredth(row.before),
        hundredth(row.after),
        hundredth(row.ratio),
      ]),
    ],
    [1, 2, 3, 4, 5],
  )
}

export function architectureTable(rows: readonly ArchitectureRow[]): string {
  return table(
    [
      ['model', 'groups', 'units', 'removed', 'branches', 'error', 'frozen by'],
      ...rows.map((row) => [
        row.model,
        String(row.groups),
        String(row.units),
        String(row.removed),
        String(row.branches),
        row.maxError?.toExponential(1) ?? row.skipped ?? '',
        row.frozen.join(', '),
      ]),
    ],
    [1, 2, 3, 4],
  )
}

export function unlearningTable(rows: readonly UnlearnRow[]): string {
  return table(
    [
      ['model', 'samples', 'class', 'accuracy on it', 'after', 'on the others', 'after', 'probe', 'after', 's'],
      ...rows.map((row) => [
        row.model,
        row.samples,
        String(row.class),
        ...[...row.forget, ...row.others, ...row.probe].map(hundredth),
        row.seconds.toFixed(1),
      ]),
    ],
    [2, 3, 4, 5, 6, 7, 8, 9],
  )
}
