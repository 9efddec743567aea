/** The bars of the weight codec: what was measured, the least that it should be, and the aim. */

import { median } from '../../../sdk/core/index.ts'
import type { Bar } from '../bar.ts'
import { GENERAL, ZPAQ } from '../general-compressors.ts'
import type { DeltaRow } from './delta.ts'
import { type FileRow, smallerThanAll } from './files.ts'
import type { SetType } from './sets.ts'
import type { DecodingSummary } from './speeds.ts'
import { type SizedSet, type TensorPeer, ZIPNN } from './tensors.ts'

export interface Measured {
  readonly sets: readonly SizedSet[]
  readonly files: readonly FileRow[]
  readonly deltas: readonly DeltaRow[]
  readonly decoding: Readonly<Partial<Record<SetType, DecodingSummary>>>
}

/** How many percent smaller `ours` is than `theirs`. */
export function percentSmaller(ours: number, theirs: number): number {
  return 100 * (1 - ours / theirs)
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** Percent smaller than a peer: of each set, in the median, and of all sets together. */
function against(sets: readonly SizedSet[], peer: TensorPeer): { middle?: number; pooled?: number } {
  const both = sets.flatMap(({ set: { weights }, bits }) => {
    const theirs = bits[peer]
    return theirs === undefined ? [] : [{ ours: weights * bits.hardpack, theirs: weights * theirs }]
  })
  if (both.length === 0) return {}
  return {
    middle: median(both.map(({ ours, theirs }) => percentSmaller(ours, theirs))),
    pooled: percentSmaller(sum(both.map(({ ours }) => ours)), sum(both.map(({ theirs }) => theirs))),
  }
}

function sizeBars(all: readonly SizedSet[]): Bar[] {
  const sets = all.filter(({ set }) => set.counts)
  const of = (type: SetType): SizedSet[] => sets.filter(({ set }) => set.type === type)
  const middle = (some: readonly SizedSet[]): number | undefined => median(some.map(({ bits }) => bits.hardpack))
  const convolving = of('fp32').filter(({ set }) => set.kind !== 'dense')
  const brain = against(of('bf16'), ZIPNN)
  const integers = against(of('int8'), 'brotli -11')
  const bits = { unit: 'bits a weight', small: true } as const
  return [
    {
      what: `fp32, median of ${convolving.length} conv and mixed nets`,
      ...bits,
      measured: middle(convolving),
      atLeast: 26.6,
      aim: 26.3,
    },
    {
      what: `bf16 casts, median of ${of('bf16').length}`,
      ...bits,
      measured: middle(of('bf16')),
      atLeast: 10.6,
      aim: 10,
    },
    { what: `bf16 casts against ${ZIPNN}, median`, unit: '% smaller', measured: brain.middle, atLeast: 3 },
    { what: `bf16 casts against ${ZIPNN}, together`, unit: '% smaller', measured: brain.pooled, atLeast: 3 },
    {
      what: `fp16 native, median of ${of('fp16').length}`,
      ...bits,
      measured: middle(of('fp16')),
      atLeast: 13.5,
      aim: 12.9,
    },
    {
      what: `int8 and uint8 against brotli -11, median of ${of('int8').length}`,
      unit: '% smaller',
      measured: integers.middle,
      atLeast: 3,
      aim: 6,
    },
    {
      what: 'int8 and uint8 against brotli -11, together',
      unit: '% smaller',
      measured: integers.pooled,
      atLeast: 3,
      aim: 6,
    },
  ]
}

function fileBars(all: readonly FileRow[]): Bar[] {
  const files = all.filter(({ counts }) => counts)
  const beside = files.flatMap(({ packed, peers }) => {
    const zpaq = peers[ZPAQ]
    return packed === undefined || zpaq === undefined ? [] : [{ packed, zpaq }]
  })
  const share = (holds: (one: { packed: number; zpaq: number }) => boolean): number | undefined =>
    beside.length === 0 ? undefined : (100 * beside.filter(holds).length) / beside.length
  const smaller = files.map(smallerThanAll)
  const known = files.length > 0 && !smaller.includes(undefined)
  return [
    {
      what: `whole files smaller than each of ${GENERAL.join(', ')}, of ${files.length}`,
      unit: 'models',
      measured: known ? smaller.filter(Boolean).length : undefined,
      atLeast: files.length,
    },
    {
      what: `whole files not larger than ${ZPAQ}`,
      unit: '% of models',
      measured: share(({ packed, zpaq }) => packed <= zpaq),
      atLeast: 50,
    },
    {
      what: `whole files smaller than ${ZPAQ}`,
      unit: '% of models',
      measured: share(({ packed, zpaq }) => packed < zpaq),
      aim: 50,
    },
  ]
}

function deltaBars(deltas: readonly DeltaRow[]): Bar[] {
  const saved = (rows: readonly DeltaRow[]): number | undefined => {
    if (rows.length === 0 || rows.some(({ xor }) => xor === undefined)) return undefined
    const bytes = (bits: (row: DeltaRow) => number): number => sum(rows.map((row) => row.weights * bits(row)))
    return percentSmaller(
      bytes(({ delta }) => delta),
      bytes(({ xor }) => xor ?? 0),
    )
  }
  const goals = { unit: '% smaller', atLeast: 25, aim: 45 }
  return [
    {
      what: 'Δ, fine-tuned pair, against XOR + byte split + zstd -19',
      ...goals,
      measured: saved(deltas.filter(({ kind }) => kind === 'fine-tuned')),
    },
    {
      what: 'Δ, perturbed pairs together, against the same',
      ...goals,
      measured: saved(deltas.filter(({ kind }) => kind === 'perturbed')),
    },
  ]
}

const SPEEDS = { bf16: { atLeast: 200, aim: 300 }, fp32: { atLeast: 350, aim: 600 } } as const

/** Node's `DecompressionStream` is slower than its zlib, which stands for the streams of browsers. */
const BESIDE = [
  ['brotli (Node)', { atLeast: 1 }],
  ['gzip (DecompressionStream)', { aim: 1 }],
  ['gzip (Node)', { aim: 1 }],
] as const

function decodingBars(decoding: Measured['decoding']): Bar[] {
  const speeds = (['bf16', 'fp32'] as const).flatMap((type): Bar[] => {
    const goals = { unit: 'MB/s', ...SPEEDS[type] }
    const summary = decoding[type]
    return [
      { what: `decode ${type}, WebAssembly, one thread, median`, ...goals, measured: summary?.middle },
      { what: `decode ${type}, WebAssembly, one thread, together`, ...goals, measured: summary?.together },
      {
        what: `decode ${type}, the slowest${summary?.slowest ? ` (${summary.slowest.model})` : ''}`,
        ...goals,
        measured: summary?.slowest?.speed,
      },
    ]
  })
  const beside = (['bf16', 'fp32', 'int8'] as const).flatMap((type) =>
    BESIDE.map(([peer, goal]): Bar => {
      const measured = decoding[type]?.timesAsFastAs[peer]
      return { what: `decode ${type} beside ${peer}`, unit: 'times as fast', measured, ...goal }
    }),
  )
  return [...speeds, ...beside]
}

/** All bars, as this run measured them. */
export function barsOf({ sets, files, deltas, decoding }: Measured): Bar[] {
  return [...sizeBars(sets), ...fileBars(files), ...deltaBars(deltas), ...decodingBars(decoding)]
}
