/** What the times of all sets of a type say together: MB of output a second, and how we stand to each peer. */

import { median } from '../../../sdk/core/index.ts'
import { type Milliseconds, PEERS } from './decoding.ts'
import type { SetType, WeightSet } from './sets.ts'

/** Weights from which on the time of a model is not that of its fixed costs. */
const LARGE = 200_000

/** Ours that the bars are about. */
export const OURS = 'hardpack wasm'

export interface Timed {
  readonly set: WeightSet
  readonly milliseconds: Milliseconds
}

export interface DecodingSummary {
  /** MB/s of all sets in a row, by decoder. */
  readonly speeds: Readonly<Record<string, number>>
  /** That of ours. */
  readonly together: number
  /** Ours of a set, in the median. */
  readonly middle: number
  /** The slowest of ours with at least 200,000 weights. */
  readonly slowest?: { readonly model: string; readonly speed: number }
  /** Our speed over that of a peer, all sets in a row. */
  readonly timesAsFastAs: Readonly<Record<string, number>>
}

/** MB of output a second of one set. */
export function speed({ set, milliseconds }: Timed, decoder: string): number {
  return set.raw.length / milliseconds[decoder] / 1e3
}

/** All sets of a type together; `undefined` without any. */
export function summaryOf(type: SetType, all: readonly Timed[]): DecodingSummary | undefined {
  const rows = all.filter(({ set }) => set.type === type)
  if (rows.length === 0) return undefined
  const speeds = Object.fromEntries(
    Object.keys(rows[0].milliseconds).map((decoder) => {
      const bytes = rows.reduce((sum, { set }) => sum + set.raw.length, 0)
      return [decoder, bytes / rows.reduce((sum, { milliseconds }) => sum + milliseconds[decoder], 0) / 1e3]
    }),
  )
  const [last] = rows
    .filter(({ set }) => set.weights >= LARGE)
    .map((row) => ({ model: row.set.model, speed: speed(row, OURS) }))
    .sort((a, b) => a.speed - b.speed)
  return {
    speeds,
    together: speeds[OURS],
    middle: median(rows.map((row) => speed(row, OURS))) as number,
    ...(last ? { slowest: last } : {}),
    timesAsFastAs: Object.fromEntries(
      PEERS.filter((peer) => peer in speeds).map((peer) => [peer, speeds[OURS] / speeds[peer]]),
    ),
  }
}
