/**
 * Latency as a cost. A layer is taken to need time in proportion to what remains of its weight, `t_c · share_c`, which two
 * groups narrow at once: that of its inputs and that of its outputs. A residual branch needs some time beside that of its layers,
 * which goes only with the whole of it: its nodes are fewer then. How much time each needs is not read off MACs but fitted
 * to measurements on the target, one group sliced at a time, and all of them together: non-negative least squares by
 * multiplicative updates (Lee and Seung, NIPS 2001), which start at MACs and stay near them where measurements cannot tell.
 */

import {
  type Analysis,
  costByContraction,
  type Group,
  goneGroups,
  type Kept,
  slice,
  unitsOfStep,
  withoutSilent,
} from '../../compress/prune/index.ts'
import type { Target } from '../../targets/types.ts'
import type { CallOptions, Tensor } from '../core/index.ts'
import { writeModel } from '../onnx/index.ts'
import { measureLatency } from './latency.ts'
import { sharesOf } from './widths.ts'

/** Time of one measurement: the sum over groups is what counts, so each may be rough. */
const MILLISECONDS = 400
const SHARES = [1 / 2, 1 / 4] as const
const UPDATES = 300
/** The time of all branches beside their layers, as a share of the layers' time, before anything is measured. */
const BESIDE = 0.1

/** A narrower model, and the share of the latency that it saves. */
interface Measurement {
  /** What each contraction has lost of its weight, and each branch of what goes only with the whole of it. */
  readonly lost: Float64Array
  readonly saved: number
}

/**
 * Measures what each layer costs.
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
  const { groups, contractions, branches } = analysis
  const stage = 'measure the latency of groups'
  const lostOf = (kept: Kept): Float64Array => {
    const shares = sharesOf(analysis, kept)
    const gone = new Set(goneGroups(analysis, kept))
    const ofBranches = Array.from(branches.keys(), (name) => (gone.has(name) ? 1 : 0))
    return Float64Array.of(...contractions.map(({ output }) => 1 - (shares.get(output) ?? 1)), ...ofBranches)
  }
  const measure = async (cuts: readonly Kept[]): Promise<Measurement[]> => {
    if (cuts.length === 0) return []
    const narrow = cuts.map((kept) => writeModel(slice(withoutSilent(analysis, kept), kept)))
    const times = await measureLatency([original, ...narrow], feeds, target, { milliseconds: MILLISECONDS, signal })
    return cuts.map((kept, i) => ({ lost: lostOf(kept), saved: Math.max(0, 1 - times[i + 1].ratio) }))
  }
  const measurements: Measurement[] = []
  for (const [i, group] of groups.entries()) {
    onProgress?.({ stage, done: i, total: groups.length + 1 })
    const none = branches.has(group.name) ? [0] : []
    const widths = [...new Set([...SHARES.map((share) => narrowed(group, share, align)), ...none])]
    const cuts = widths.filter((n) => n < group.units).map((n) => new Map([[group.name, firstUnits(n)]]))
    measurements.push(...(await measure(cuts)))
  }
  onProgress?.({ stage, done: groups.length, total: groups.length + 1 })
  measurements.push(
    ...(await measure(
      SHARES.map((share) => new Map(groups.map((group) => [group.name, firstUnits(narrowed(group, share, align))]))),
    )),
  )
  onProgress?.({ stage, done: groups.length + 1, total: groups.length + 1 })
  const macs = costByContraction(analysis)
  const own = contractions.map(({ output }) => macs.get(output) ?? 0)
  const beside = (BESIDE * own.reduce((sum, one) => sum + one, 0)) / branches.size
  const times = fitted(Float64Array.of(...own, ...Array.from(branches, () => beside)), measurements)
  return (kept) => 1 - lostOf(kept).reduce((sum, lost, part) => sum + lost * times[part], 0)
}

/** The time of each contraction and branch, as a share of the whole model's. */
function fitted(prior: Float64Array, measurements: readonly Measurement[]): Float64Array {
  const total = prior.reduce((sum, own) => sum + own, 0)
  const times = prior.map((own) => own / total)
  for (let update = 0; update < UPDATES; update++) {
    const wanted = new Float64Array(times.length)
    const had = new Float64Array(times.length)
    for (const { lost, saved } of measurements) {
      const predicted = lost.reduce((sum, own, c) => sum + own * times[c], 0)
      for (const [c, own] of lost.entries()) {
        wanted[c] += own * saved
        had[c] += own * predicted
      }
    }
    for (const [c, own] of had.entries()) if (own > 0) times[c] *= wanted[c] / own
  }
  return times
}

const firstUnits = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

/** Units of a share of a group, in whole steps of the alignment where it is wide enough. */
function narrowed(group: Group, share: number, align: number): number {
  const { units } = group
  const step = unitsOfStep(group, align)
  return Math.min(units, step * Math.max(1, Math.round((share * units) / step)))
}
