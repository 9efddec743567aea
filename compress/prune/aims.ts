/**
 * What a layer of a pruned net should give: what the original gives at that place. Where it ends in a residual add, what the sum lacks:
 * the original's sum less the other branch as it has become (He, Zhang, Sun, "Channel pruning for accelerating very deep neural
 * networks", ICCV 2017, section 3.2). Where a rectifier follows, everything below zero is as good as zero.
 */

import { onnxOf } from '../../sdk/core/index.ts'
import { indexGraph, type Model, makeNode, type NodeProto } from '../../sdk/onnx/index.ts'
import type { PrunableLayer } from './layers.ts'
import type { Aim } from './statistics.ts'
import type { Analysis, Contraction } from './types.ts'

export interface LayerAim extends Aim {
  readonly layer: PrunableLayer
  /** Whether the target has the layer's bias in it. */
  readonly biased: boolean
}

/** The original and the pruned net in one graph, and what a value of the one is called in the other. */
export interface BothNets {
  readonly model: Model
  readonly second: (name: string) => string
}

/** Where the outputs of a layer end up. */
export interface Ending {
  /** The layer's output, behind its bias. */
  readonly end: string
  /** Whether a node of its own adds the bias. */
  readonly addsBias: boolean
  /** The residual sum that it goes into, and the other branch. */
  readonly residual?: { readonly sum: string; readonly other: string }
  /** What only reads the end, or the sum. */
  readonly next?: NodeProto
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
  const addsBias = behind?.opType === 'Add' && contraction.bias !== undefined && behind.input.includes(contraction.bias)
  const end = addsBias ? behind.output[0] : contraction.output
  const next = onlyReader(end)
  const other = next?.opType === 'Add' ? next.input.find((name) => name !== end) : undefined
  const alike = next && same(observed.get(next.output[0])?.shape, observed.get(contraction.output)?.shape)
  if (!alike || other === undefined) return { end, addsBias, next }
  const [sum] = next.output
  return { end, addsBias, residual: { sum, other }, next: onlyReader(sum) }
}

/**
 * What a layer should give; may append nodes to the graph of both nets.
 *
 * @param waiting values that are yet to change
 */
export function aimOf(
  analysis: Analysis,
  layer: PrunableLayer,
  both: BothNets,
  waiting: ReadonlySet<string>,
): LayerAim {
  const { contraction, layout } = layer
  const input = both.second(contraction.input)
  // A transposed convolution is fitted by what it reads: what it gives overlaps.
  if (layout.rowsOfOutput > 1) return { layer, contraction, input, target: contraction.input, biased: true }
  const { end, addsBias, residual } = endingOf(analysis, contraction)
  const lacking = changedResidual(residual, both, waiting)
  const target = lacking
    ? append(both, contraction, 'Sub', [lacking.sum, both.second(lacking.other)])
    : addsBias
      ? end
      : contraction.output
  return { layer, contraction, input, target, biased: contraction.op !== 'MatMul' || addsBias || lacking !== undefined }
}

/**
 * What a layer before a rectifier should give: what the original gives where that is above zero, and elsewhere no more than zero.
 *
 * @returns `undefined` where no rectifier follows
 */
export function rectifiedAimOf(
  analysis: Analysis,
  layer: PrunableLayer,
  both: BothNets,
  waiting: ReadonlySet<string>,
): LayerAim | undefined {
  const { contraction, layout } = layer
  if (layout.rowsOfOutput > 1) return undefined
  const { end, addsBias, residual, next } = endingOf(analysis, contraction)
  const lacking = changedResidual(residual, both, waiting)
  const whole = lacking?.sum ?? end
  const isRectified = next?.opType === 'Relu' && next.input[0] === whole && both.second(whole) !== whole
  if (!isRectified) return undefined
  const now = both.second(whole)
  const negative = append(both, contraction, 'Sub', [now, append(both, contraction, 'Relu', [now])])
  const positive = append(both, contraction, 'Relu', [whole])
  const mask = append(both, contraction, 'Cast', [positive], { to: onnxOf('bool') })
  const wanted = append(both, contraction, 'Where', [mask, whole, negative])
  const target = lacking ? append(both, contraction, 'Sub', [wanted, both.second(lacking.other)]) : wanted
  const biased = contraction.op !== 'MatMul' || addsBias || lacking !== undefined
  return { layer, contraction, input: both.second(contraction.input), target, biased }
}

/** A residual sum whose other branch has settled, and is another than the original's. */
function changedResidual(residual: Ending['residual'], { second }: BothNets, waiting: ReadonlySet<string>) {
  return residual && !waiting.has(residual.other) && second(residual.other) !== residual.other ? residual : undefined
}

function append(
  { model: { graph } }: BothNets,
  { output }: Contraction,
  op: string,
  inputs: readonly string[],
  attributes: Readonly<Record<string, number>> = {},
): string {
  const name = `${output}/aim_${graph.node.length}`
  graph.node.push(makeNode(op, inputs, [name], attributes))
  return name
}

const same = (a: readonly number[] = [], b: readonly number[] = []): boolean =>
  a.length === b.length && a.every((size, i) => size === b[i])
