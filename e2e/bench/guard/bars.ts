/** The bars of the guard: what was measured, the least that it should be, and the aim. */

import type { Bar } from '../bar.ts'
import type { DetectionRow } from './detection.ts'
import { type FalseAlarmRow, isInside, isInsideWider } from './false-alarms.ts'
import type { HeadDifference } from './head.ts'
import type { LatencyRow } from './latency.ts'
import type { OneClassRow } from './one-class.ts'

export interface Measured {
  readonly alarms: readonly FalseAlarmRow[]
  readonly rows: readonly DetectionRow[]
  readonly defaults: readonly DetectionRow[]
  readonly digits: readonly OneClassRow[]
  readonly latencies: readonly LatencyRow[]
  readonly head: HeadDifference
  readonly bytes: { readonly plain: number; readonly default: number; readonly rank128: number }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** One line a bar. */
export function barsOf({ alarms, rows, defaults, digits, latencies, head, bytes }: Measured): Bar[] {
  const row = (all: readonly DetectionRow[], set: string, detector: string): DetectionRow | undefined =>
    all.find((other) => other.set === set && other.detector === detector)
  const share = (inside: (row: FalseAlarmRow) => boolean): number =>
    (100 * alarms.filter(inside).length) / alarms.length
  const area = (set: string, detector: string, atLeast: number, aim: number): Bar => ({
    what: `${set}, ${detector}: AUROC`,
    unit: '%',
    measured: row(rows, set, detector)?.auroc,
    atLeast,
    aim,
  })
  const detected = (set: string, atLeast: number, aim: number): Bar => ({
    what: `${set}, default guard as a whole, α = 0.05: detected`,
    unit: '%',
    measured: row(defaults, set, 'guard as a whole')?.detected,
    atLeast,
    aim,
  })
  return [
    {
      what: `clean false alarms inside the Beta 99 % band, ${alarms.length} rates: share`,
      unit: '%',
      measured: share(isInside),
      atLeast: 100,
    },
    {
      what: '… inside the band with the chance of the test set',
      unit: '%',
      measured: share(isInsideWider),
      atLeast: 100,
    },
    area('MNIST', 'mahalanobis', 98, 99.5),
    {
      what: 'MNIST, mahalanobis: TNR@TPR95',
      unit: '%',
      measured: row(rows, 'MNIST', 'mahalanobis')?.tnrAtTpr95,
      atLeast: 95,
      aim: 99,
    },
    area('notMNIST', 'mahalanobis', 95, 98),
    area('uniform noise', 'mahalanobis', 99, 99.9),
    area('inverted', 'mahalanobis', 99, 100),
    area('rotated 90°', 'mahalanobis', 90, 95),
    area('PGD ε = 0.1', 'second-opinion', 90, 96),
    area('PGD ε = 0.1', 'beyond', 85, 92),
    area('PGD ε = 0.1', 'mahalanobis', 86, 92),
    area('PGD ε = 0.03', 'feature-squeezing', 88, 94),
    detected('MNIST', 85, 95),
    detected('PGD ε = 0.1', 40, 70),
    {
      what: 'one-class MNIST, mean AUROC: Gaussian',
      unit: '%',
      measured: mean(digits.map(({ gaussian }) => gaussian)),
      atLeast: 96,
      aim: 97.5,
    },
    {
      what: 'one-class MNIST, mean AUROC: Hyp-OC',
      unit: '%',
      measured: mean(digits.map(({ hypOc }) => hypOc)),
      atLeast: 94,
      aim: 97,
    },
    ...Object.entries(head).map(
      ([name, difference]): Bar => ({
        what: `head of ${name} against the reference: relative difference`,
        unit: '· 10⁻⁶',
        measured: 1e6 * difference,
        atLeast: 10,
        small: true,
      }),
    ),
    ...latencies.map(
      ({ model, added }): Bar => ({
        what: `added latency, ${model}`,
        unit: '%',
        measured: added,
        atLeast: 5,
        aim: 2,
        small: true,
      }),
    ),
    {
      what: 'bytes added at rank 128',
      unit: 'kB',
      measured: (bytes.rank128 - bytes.plain) / 1e3,
      atLeast: 1000,
      aim: 300,
      small: true,
    },
  ]
}
