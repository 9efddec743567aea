/**
 * Latency as a cost: what narrowing each group saves on the target, measured by slicing that group alone to a half and to a
 * quarter, and between these widths in proportion. Savings are added up, which is exact for groups that share no layer; for
 * the rest all groups are sliced at once, once, and the sum is scaled to what that saved.
 */

import { type Analysis, type Group, type Kept, slice } from '../../compress/prune/index.ts'
import type { Target } from '../../targets/types.ts'
import type { CallOptions, Tensor } from '../core/index.ts'
import { writeModel } from '../onnx/index.ts'
import { measureLatency } from './latency.ts'
import { keptUnits } from './widths.ts'

/** Rounds of one measurement of a group: the sum over groups is what counts, so each may be rough. */
const ROUNDS = 15
const SHARES = [1 / 2, 1 / 4] as const

/** What a group saves, as a share of the model's latency, at numbers of units in falling order; nothing at all of them. */
interface Savings {
  readonly units: readonly number[]
  readonly saved: readonly number[]
}

/**
 * Measures what each group costs.
 *
 * @param align widths in channels that the runtime is fast at
 * @returns the latency that remains of the original's, about: 1 for all units
 * @throws HardpackError as `target.create` and `session.run` do.
 * @example
 * const cost = await latencyCost(analysis, feeds, node({ threads: 1 }), { align: 8 })
 * cost(new Map()) // 1
 */
export async function latencyCost(
  analysis: Analysis,
  feeds: Readonly<Record<string, Tensor>>,
  target: Target,
  { align, signal, onProgress }: CallOptions & { readonly align: number },
): Promise<(kept: Kept) => number> {
  const original = writeModel(analysis.model)
  const { groups } = analysis
  const savings = new Map<string, Savings>()
  const stage = 'measure the latency of groups'
  for (const [i, group] of groups.entries()) {
    onProgress?.({ stage, done: i, total: groups.length + 1 })
    const units = [...new Set(SHARES.map((share) => narrowed(group, share, align)))].filter((n) => n < group.units)
    const narrow = units.map((n) => writeModel(slice(analysis, new Map([[group.name, firstUnits(n)]]))))
    const measured =
      narrow.length > 0 ? await measureLatency([original, ...narrow], feeds, target, { rounds: ROUNDS, signal }) : []
    let most = 0
    const saved = measured.slice(1).map(({ ratio }) => {
      most = Math.max(most, 1 - ratio)
      return most
    })
    savings.set(group.name, { units: [group.units, ...units], saved: [0, ...saved] })
  }
  onProgress?.({ stage, done: groups.length, total: groups.length + 1 })
  const added = (kept: Kept): number =>
    groups.reduce((sum, group) => {
      const own = savings.get(group.name)
      return own ? sum + savedAt(own, keptUnits(group, kept)) : sum
    }, 0)
  const half: Kept = new Map(groups.map((group) => [group.name, firstUnits(narrowed(group, 1 / 2, align))]))
  const [, together] = await measureLatency([original, writeModel(slice(analysis, half))], feeds, target, {
    rounds: 2 * ROUNDS,
    signal,
  })
  onProgress?.({ stage, done: groups.length + 1, total: groups.length + 1 })
  const scale = added(half) > 0 ? Math.max(0, 1 - together.ratio) / added(half) : 1
  return (kept) => 1 - scale * added(kept)
}

const firstUnits = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** Units of a share of a group, in whole steps of the alignment where it is wide enough. */
function narrowed({ units, width }: Group, share: number, align: number): number {
  const step = Math.max(1, Math.round(align / width))
  return Math.min(units, Math.max(1, step * Math.max(1, Math.round((share * units) / step))))
}

/** Between measured widths in proportion; below the narrowest, on along the last line. */
function savedAt({ units, saved }: Savings, kept: number): number {
  if (units.length < 2) return 0
  const found = units.findIndex((n) => n <= kept)
  const to = found < 0 ? units.length - 1 : Math.max(1, found)
  const slope = (saved[to] - saved[to - 1]) / (units[to - 1] - units[to])
  return saved[to - 1] + slope * (units[to - 1] - kept)
}
