/**
 * The refit of a whole net, layer by layer from its input on, each on what it reads once all before it are pruned and refitted. Its
 * target is what the original gives at that place, so that a layer also takes back errors of those before it. Where a layer ends in a
 * residual add, the target is what the sum lacks: the original's sum less the other branch as it has become (He, Zhang, Sun,
 * "Channel pruning for accelerating very deep neural networks", ICCV 2017, section 3.2).
 */

import { type CallOptions, onnxOf, type Tensor, throwIfAborted } from '../../sdk/core/index.ts'
import { indexGraph, type Model, makeNode, type NodeProto } from '../../sdk/onnx/index.ts'
import { samplesFor } from './effort.ts'
import { keptColumns, type PrunableLayer, tensorsOfRefit } from './layers.ts'
import { beside, downstream, waves } from './parts.ts'
import { fidelityOf, fullRefit, type KeptColumns, masked, sequentialRefit } from './refit.ts'
import { type Aim, type CrossMoments, crossStatisticsOf, type InputStatistics } from './statistics.ts'
import type { Analysis, Execute, Kept, Samples } from './types.ts'

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
    const priors = new Map(wave.map((layer) => [layer, priorOf(layer, statistics, keptColumns(groups, layer, kept))]))
    // Once on what is before the rectifiers, and once more on what they let through.
    for (const rectified of [false, true]) {
      const both = beside(model, values)
      const aims = wave.flatMap((layer) => aimOf(analysis, layer, both, waiting, rectified) ?? [])
      if (aims.length === 0) continue
      const moments = await crossStatisticsOf(analysis, both.model, aims, samples, execute, {
        signal,
        indices: indices[pass],
      })
      for (const { layer, biased } of aims) {
        const cross = moments.get(layer.name) as CrossMoments
        const own = keptColumns(groups, layer, kept)
        const refit = sequentialRefit(
          layer,
          cross,
          own,
          priors.get(layer) as Float64Array,
          biased ? undefined : layer.bias,
        )
        for (const [name, tensor] of tensorsOfRefit(layer, refit)) values.set(name, tensor)
        const share = rectified ? undefined : fidelityOf(layer, cross.whole, refit)
        if (share !== undefined) fidelity.set(layer.name, share)
      }
    }
  }
  onProgress?.({ stage: 'refit', done: total, total })
  return { values, fidelity }
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

export interface LayerAim extends Aim {
  readonly layer: PrunableLayer
  /** Whether the target has the layer's bias in it. */
  readonly biased: boolean
}

/**
 * What a layer should give; may append nodes to the graph of both nets. Where a rectifier follows, everything below zero is as good as
 * zero: `rectified` asks for what the original gives above zero, and elsewhere only for no more than zero.
 *
 * @returns `undefined` for `rectified` where no rectifier follows
 */
export function aimOf(
  { model, observed }: Analysis,
  layer: PrunableLayer,
  both: { model: Model; second: (name: string) => string },
  waiting: ReadonlySet<string>,
  rectified: boolean,
): LayerAim | undefined {
  const { contraction, layout } = layer
  const input = both.second(contraction.input)
  if (layout.rowsOfOutput > 1) {
    return rectified ? undefined : { layer, contraction, input, target: contraction.input, biased: true }
  }
  const { consumers } = indexGraph(model.graph)
  const outputs = new Set(model.graph.output.map(({ name }) => name))
  const onlyReader = (value: string) => {
    const readers = consumers.get(value) ?? []
    return readers.length === 1 && !outputs.has(value) ? readers[0] : undefined
  }
  const behind = onlyReader(contraction.output)
  const bias = behind?.opType === 'Add' && contraction.bias !== undefined && behind.input.includes(contraction.bias)
  const end = bias ? behind.output[0] : contraction.output
  const sum = onlyReader(end)
  const other = sum?.opType === 'Add' ? sum.input.find((name) => name !== end) : undefined
  const alike = sum && same(observed.get(sum.output[0])?.shape, observed.get(contraction.output)?.shape)
  const added = alike && other !== undefined && !waiting.has(other) && both.second(other) !== other ? other : undefined
  const whole = added === undefined ? end : (sum as NodeProto).output[0]
  const append = (op: string, inputs: readonly string[], attributes = {}): string => {
    const name = `${contraction.output}/aim_${both.model.graph.node.length}`
    both.model.graph.node.push(makeNode(op, inputs, [name], attributes))
    return name
  }
  let target = whole
  if (rectified) {
    if (onlyReader(whole)?.opType !== 'Relu' || both.second(whole) === whole) return undefined
    const negative = append('Sub', [both.second(whole), append('Relu', [both.second(whole)])])
    target = append('Where', [append('Cast', [append('Relu', [whole])], { to: onnxOf('bool') }), whole, negative])
  }
  if (added !== undefined) target = append('Sub', [target, both.second(added)])
  const biased = contraction.op !== 'MatMul' || bias || added !== undefined
  return { layer, contraction, input, target: target === end && !bias ? contraction.output : target, biased }
}

const same = (a: readonly number[] = [], b: readonly number[] = []): boolean =>
  a.length === b.length && a.every((size, i) => size === b[i])
