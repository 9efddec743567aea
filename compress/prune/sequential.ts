/**
 * The refit of a whole net, layer by layer from its input on, each on what it reads once all before it are pruned and refitted. It
 * aims at what the original gives at that place (see `aims.ts`), so that a layer also takes back errors of those before it.
 */

import { type CallOptions, type Tensor, throwIfAborted } from '../../sdk/core/index.ts'
import { aimOf, rectifiedAimOf } from './aims.ts'
import { unreadOf } from './branches.ts'
import { samplesFor } from './effort.ts'
import { movedOn } from './frontier.ts'
import { keptColumns, type PrunableLayer, tensorsOfRefit } from './layers.ts'
import { beside, downstream, waves } from './parts.ts'
import { type Frontier, rowsOf } from './passes.ts'
import { fidelityOf, fullRefit, type KeptColumns, masked, sequentialRefit } from './refit.ts'
import { standInsOf, zeroBiases } from './stand-ins.ts'
import { type CrossMoments, crossBatchOf, crossStatisticsOf, type InputStatistics } from './statistics.ts'
import type { Analysis, Execute, Kept, Samples } from './types.ts'

/** Samples of all passes, times the multiply-accumulates of one, where fewer are enough. */
const REFIT_MACS = 2.5e12

export interface SequentialOptions extends CallOptions {
  /** Of one sample. */
  readonly macs: number
  readonly seed: number
}

export interface RefittedNet {
  /** The initializers of the unsliced model, zero where removed units are read: `slice` may follow. */
  readonly values: Map<string, Tensor>
  /** By layer, how much of what it was to give it gives: 1 − E‖t − Y'‖² / E‖t‖², centred. */
  readonly fidelity: Map<string, number>
}

/**
 * Refits every layer that lost inputs or reads what has changed.
 */
export async function refitNet(
  analysis: Analysis,
  kept: Kept,
  layers: ReadonlyMap<string, PrunableLayer>,
  statistics: ReadonlyMap<string, InputStatistics>,
  samples: Samples,
  execute: Execute,
  { signal, onProgress, macs, seed }: SequentialOptions,
): Promise<RefittedNet> {
  const { model, groups } = analysis
  const fidelity = new Map<string, number>()
  const values = maskedNet(analysis, kept, layers)
  const unread = unreadOf(analysis, kept)
  const { silent, sums } = standInsOf(analysis, kept)
  for (const [name, tensor] of zeroBiases(analysis, silent)) values.set(name, tensor)
  const reached = downstream(model, values.keys())
  const pending = [...layers.values()].filter(
    ({ name, contraction: { weight, input } }) =>
      !unread.has(name) && !silent.has(name) && (values.has(weight) || reached.has(input) || sums.has(name)),
  )
  const total = pending.length
  let done = 0
  const order = [...waves(model, pending, ({ contraction }) => contraction)]
  const passes = order.map(({ wave }) => wave.map(({ contraction }) => contraction))
  const indices = samplesFor(analysis, passes, samples.count, REFIT_MACS / macs, seed)
  let frontier: Frontier = new Map()
  let both = beside(model, values)
  for (const [pass, { wave, waiting }] of order.entries()) {
    throwIfAborted(signal)
    onProgress?.({ stage: 'refit', done, total })
    done += wave.length
    const known = new Map(
      wave.map((layer) => {
        const own = keptColumns(groups, layer, kept)
        return [layer, { own, prior: priorOf(layer, statistics, own) }]
      }),
    )
    const batch = crossBatchOf(analysis, passes[pass], indices[pass].length)
    let before: ReadonlyMap<string, CrossMoments> | undefined
    // Once on what is before the rectifiers, and once more on what they let through.
    for (const wanted of [aimOf, rectifiedAimOf]) {
      const aims = wave.flatMap((layer) => wanted(analysis, layer, both, { waiting, sums }) ?? [])
      if (aims.length === 0) continue
      const moments = await crossStatisticsOf(analysis, both.model, aims, samples, execute, {
        signal,
        indices: indices[pass],
        frontier,
        batch,
        known: before,
      })
      before = moments
      for (const { layer, biased } of aims) {
        const cross = moments.get(layer.name) as CrossMoments
        const { own, prior } = known.get(layer) as { own: KeptColumns; prior: Float64Array }
        const refit = sequentialRefit(layer, cross, own, prior, biased ? undefined : layer.bias)
        for (const [name, tensor] of tensorsOfRefit(layer, refit)) values.set(name, tensor)
        const share = wanted === rectifiedAimOf ? undefined : fidelityOf(layer, cross.whole, refit)
        if (share !== undefined) fidelity.set(layer.name, share)
      }
      both = beside(model, values)
    }
    const left = order.slice(pass + 1).flatMap(({ wave }) => wave.map(({ contraction }) => contraction.output))
    if (left.length === 0) continue
    const next = enoughFor(indices.slice(pass + 1), rowsOf(frontier))
    if (rowsOf(frontier) < next.length) frontier = new Map()
    frontier = await movedOn(analysis, frontier, samples, execute, {
      before: left,
      indices: next,
      model: both.model,
      namesOf: (value) => [...new Set([value, both.second(value)])],
      signal,
    })
  }
  onProgress?.({ stage: 'refit', done: total, total })
  return { values, fidelity }
}

/**
 * The samples of the next pass, and those of later ones that need not many more, or that a frontier has already; all are beginnings of one
 * order.
 */
function enoughFor([next, ...later]: readonly (readonly number[])[], rows: number): readonly number[] {
  const most = Math.max(rows, 2 * next.length)
  return later.reduce((longest, own) => (own.length > longest.length && own.length <= most ? own : longest), next)
}

/** The weights of the full refit; the layer's own where it keeps all its inputs. */
function priorOf(
  layer: PrunableLayer,
  statistics: ReadonlyMap<string, InputStatistics>,
  kept: KeptColumns,
): Float64Array {
  const moments = statistics.get(layer.name)
  const whole = kept.every((columns) => columns.length === layer.layout.columns)
  return moments && !whole ? fullRefit(layer, moments, kept).weights : layer.weights
}

/** The initializers of the layers that lose inputs, without a refit. */
export function maskedNet(
  analysis: Pick<Analysis, 'groups' | 'branches'>,
  kept: Kept,
  layers: ReadonlyMap<string, PrunableLayer>,
): Map<string, Tensor> {
  const values = new Map<string, Tensor>()
  const unread = unreadOf(analysis, kept)
  for (const layer of layers.values()) {
    // Of zeros it might make what is no number.
    if (unread.has(layer.name)) continue
    const columns = keptColumns(analysis.groups, layer, kept)
    const left = columns.reduce((sum, list) => sum + list.length, 0)
    if (left === layer.layout.groups * layer.layout.columns) continue
    for (const [name, tensor] of tensorsOfRefit(layer, masked(layer, columns))) values.set(name, tensor)
  }
  return values
}
