/** The tables that people read. Absent figures are dashes. */

import { count, table } from '../../../sdk/cli/command.ts'
import { ZPAQ } from '../general-compressors.ts'
import { percentSmaller } from './bars.ts'
import { PEERS } from './decoding.ts'
import type { DeltaRow } from './delta.ts'
import { FILE_PEERS, type FileRow } from './files.ts'
import { type SetType, TYPES } from './sets.ts'
import { type DecodingSummary, speed, type Timed } from './speeds.ts'
import { PEERS_OF_TENSORS, type SizedSet, ZIPNN } from './tensors.ts'

const figure = (n: number | undefined, digits: number): string => (n === undefined ? '–' : n.toFixed(digits))
/** How much smaller ours is than theirs; a dash where either is absent. */
function percentBelow(ours: number | undefined, theirs: number | undefined): string {
  return ours === undefined || theirs === undefined ? '–' : `${percentSmaller(ours, theirs).toFixed(1)} %`
}

const columns = (first: number, length: number): number[] => Array.from({ length }, (_, i) => first + i)

/** Circuits by the bytes that they hold, the greatest first. */
function shares(circuits: Readonly<Record<string, number>>): string {
  const total = Object.values(circuits).reduce((sum, bytes) => sum + bytes, 0)
  return Object.entries(circuits)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 3)
    .map(([circuit, bytes]) => `${circuit} ${((100 * bytes) / total).toFixed(0)} %`)
    .join(', ')
}

/** Bits a weight of each set, by type. */
export function sizeTable(sets: readonly SizedSet[]): string {
  const rows = TYPES.flatMap((type) => sets.filter(({ set }) => set.type === type)).map(({ set, bits, circuits }) => [
    set.model,
    set.kind,
    set.type,
    count(set.weights),
    figure(bits.hardpack, 3),
    ...PEERS_OF_TENSORS.map((name) => figure(bits[name], 3)),
    percentBelow(bits.hardpack, bits['brotli -11']),
    percentBelow(bits.hardpack, bits[ZIPNN]),
    shares(circuits),
  ])
  const head = [
    'model',
    'net',
    'type',
    'weights',
    'hardpack',
    ...PEERS_OF_TENSORS,
    'below brotli',
    `below ${ZIPNN}`,
    'circuits',
  ]
  return table([head, ...rows], columns(3, head.length - 4))
}

/** Bytes of whole files; the last columns say how much smaller a package is than the best of the four, and than zpaq. */
export function fileTable(files: readonly FileRow[]): string {
  const rows = files.map(({ model, bytes, packed, peers, refused }) => {
    const { [ZPAQ]: zpaq, ...general } = peers
    const best = Math.min(...Object.values(general).filter((size) => size !== undefined))
    return [
      model,
      count(bytes),
      packed === undefined ? `refused: ${refused?.slice(0, 60)}` : count(packed),
      ...FILE_PEERS.map((name) => peers[name]?.toLocaleString('en-US') ?? '–'),
      percentBelow(packed, best),
      percentBelow(packed, zpaq),
    ]
  })
  const head = ['model', 'ONNX', 'hardpack', ...FILE_PEERS, 'below best', `below ${ZPAQ}`]
  return table([head, ...rows], columns(1, head.length - 1))
}

/** Releases beside their bases. */
export function deltaTable(deltas: readonly DeltaRow[]): string {
  const rows = deltas.map(({ pair, kind, weights, relativeChange, delta, xor }) => [
    pair,
    kind,
    count(weights),
    `${(100 * relativeChange).toFixed(2)} %`,
    figure(delta, 3),
    figure(xor, 3),
    percentBelow(delta, xor),
  ])
  const head = ['pair', 'kind', 'weights', 'change', 'hardpack Δ', 'XOR, planes, zstd -19', 'smaller']
  return table([head, ...rows], columns(2, head.length - 2))
}

/** Speeds of each set, and of all sets of a type together. */
export function decodingTable(
  timed: readonly Timed[],
  summaries: Readonly<Partial<Record<SetType, DecodingSummary>>>,
): string {
  const decoders = [...new Set(timed.flatMap(({ milliseconds }) => Object.keys(milliseconds)))]
  const rows = TYPES.flatMap((type) => {
    const summary = summaries[type]
    if (!summary) return []
    const own = timed.filter(({ set }) => set.type === type)
    return [
      ...own.map((row) => [
        row.set.model,
        type,
        count(row.set.weights),
        ...decoders.map((name) => figure(speed(row, name), 0)),
      ]),
      [
        'together',
        type,
        count(own.reduce((sum, { set }) => sum + set.weights, 0)),
        ...decoders.map((name) => figure(summary.speeds[name], 0)),
      ],
      [
        'times as fast as',
        type,
        '',
        ...decoders.map((name) =>
          (PEERS as readonly string[]).includes(name) ? figure(summary.timesAsFastAs[name], 2) : '',
        ),
      ],
    ]
  })
  return table([['model', 'type', 'weights', ...decoders], ...rows], columns(2, 1 + decoders.length))
}
