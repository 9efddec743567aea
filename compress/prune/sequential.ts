/**
 * The refit of a whole net, layer by layer from its input on, each on what it reads once all before it are pruned and refitted. Its
 * target is what the original gives at that place, so that a layer also takes back errors of those before it. Where a layer ends in a
 * residual add, the target is what the sum lacks: the original's sum less the other branch as it has become (He, Zhang, Sun,
 * "Channel pruning for accelerating very deep neural networks", ICCV 2017, section 3.2).
 */

import { type CallOptions, type Tensor, throwIfAborted } from '../../sdk/core/index.ts'
import { indexGraph, type Model, makeNode } from '../../sdk/onnx/index.ts'
import { samplesFor } from './effort.ts'
import { keptColumns, type PrunableLayer, tensorsOfRefit } from './layers.ts'
import { beside, downstream, waves } from './parts.ts'
import { fidelityOf, fullRefit, masked, sequentialRefit } from './refit.ts'
import { type Aim, crossStatisticsOf, type InputStatistics } from './statistics.ts'
import type { Analysis, Contraction, Execute, Kept, Samples } from './types.ts'

/** Multiply-accumulates that the refit of a net may take, where fewer samples than that gives are enough. */
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
  const reached = downstream(model, values.keys())
  const pending = [...layers.values()].filter(
    ({ contraction }) => values.has(contraction.weight) || reached.has(contraction.input),
  )
  const total = pending.length
  let done = 0
  const order = [...waves(model, pending, ({ contraction }) => contraction)]
  const passes = order.map(({ wave }) => wave.map(({ contraction }) => contraction))
  // Both nets run, each half way on the average.
  const indices = samplesFor(analysis, passes, samples.count, REFIT_MACS / macs, seed)
  for (const [pass, { wave, waiting }] of order.entries()) {
    throwIfAborted(signal)
    onProgress?.({ stage: 'refit', done, total })
    done += wave.length
    const both = beside(model, values)
    const aims = wave.map((layer) => aimOf(analysis, layer, both, waiting))
    const moments = await crossStatisticsOf(analysis, both.model, aims, samples, execute, {
      signal,
      indices: indices[pass],
    })
    for (const [i, layer] of wave.entries()) {
      const cross = moments.get(layer.name)
      if (!cross) continue
      const own = keptColumns(groups, layer, kept)
      const added = aims[i].biased ? undefined : layer.bias
      const before = statistics.get(layer.name)
      const prior = before ? fullRefit(layer, before, own).weights : layer.weights
      const refit = sequentialRefit(layer, cross, own, prior, added)
      for (const [name, tensor] of tensorsOfRefit(layer, refit)) values.set(name, tensor)
      const share = fidelityOf(layer, cross.whole, refit)
      if (share !== undefined) fidelity.set(layer.name, share)
    }
  }
  onProgress?.({ stage: 'refit', done: total, total })
  return { values, fidelity }
}

/** The initializers of the layers that lose inputs, without a refit. */
export function maskedNet(
  { groups }: Pick<Analysis, 'groups'>,
  kept: Kept,
  layers: ReadonlyMap<string, PrunableLayer>,
): Map<string, Tensor> {
  const values = new Map<string, Tensor>()
  for (const layer of layers.values()) {
    const columns = keptColumns(groups, layer, kept)
    const left = columns.reduce((sum, list) => sum + list.length, 0)
    if (left === layer.layout.groups * layer.layout.columns) continue
    for (const [name, tensor] of tensorsOfRefit(layer, masked(layer, columns))) values.set(name, tensor)
  }
  return values
}

/** Where the outputs of a layer end up. */
interface Ending {
  /** The layer's output, behind its bias. */
  readonly end: string
  /** Whether `contraction.output` has the bias in it. */
  readonly biased: boolean
  /** The residual sum that it goes into, and the other branch. */
  readonly residual?: { readonly sum: string; readonly other: string }
}

/** Follows a layer to its bias and, where it ends in one, to its residual add. */
export function endingOf({ model, observed }: Pick<Analysis, 'model' | 'observed'>, contraction: Contraction): Ending {
  const { consumers } = indexGraph(model.graph)
  const outputs = new Set(model.graph.output.map(({ name }) => name))
  const onlyReader = (value: string) => {
    const readers = consumers.get(value) ?? []
    return readers.length === 1 && !outputs.has(value) ? readers[0] : undefined
  }
  const behind = onlyReader(contraction.output)
  const bias = behind?.opType === 'Add' && contraction.bias !== undefined && behind.input.includes(contraction.bias)
  const biased = contraction.op !== 'MatMul'
  const end = bias ? behind.output[0] : contraction.output
  const sum = onlyReader(end)
  const other = sum?.opType === 'Add' ? sum.input.find((name) => name !== end) : undefined
  const alike = sum && same(observed.get(sum.output[0])?.shape, observed.get(contraction.output)?.shape)
  return alike && other !== undefined ? { end, biased, residual: { sum: sum.output[0], other } } : { end, biased }
}

/** What a layer should give; may append a node to the graph of both nets. */
export function aimOf(
  analysis: Analysis,
  { contraction, layout }: PrunableLayer,
  both: { model: Model; second: (name: string) => string },
  waiting: ReadonlySet<string>,
): Aim & { biased: boolean } {
  const input = both.second(contraction.input)
  if (layout.rowsOfOutput > 1) return { contraction, input, target: contraction.input, biased: true }
  const { biased, residual } = endingOf(analysis, contraction)
  if (residual && !waiting.has(residual.other) && both.second(residual.other) !== residual.other) {
    const target = `${residual.sum}/lacking`
    both.model.graph.node.push(makeNode('Sub', [residual.sum, both.second(residual.other)], [target]))
    return { contraction, input, target, biased: true }
  }
  return { contraction, input, target: contraction.output, biased }
}

const same = (a: readonly number[] = [], b: readonly number[] = []): boolean =>
  a.length === b.length && a.every((size, i) => size === b[i])
