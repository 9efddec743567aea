/**
 * What a layer of a pruned net should give: what the original gives at that place. Where it ends in a residual add, what the sum lacks:
 * the original's sum less the other branch as it has become (He, Zhang, Sun, "Channel pruning for accelerating very deep neural
 * networks", ICCV 2017, section 3.2). Where a rectifier follows, everything below zero is as good as zero.
 */

import { onnxOf } from '../../sdk/core/index.ts'
import { type Model, makeNode } from '../../sdk/onnx/index.ts'
import { type Ending, endingOf } from './ending.ts'
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

export interface Surroundings {
  /** What has not settled yet. */
  readonly waiting: ReadonlySet<string>
  /** Sums behind branches that are gone, by the layers that stand in for those (see `stand-ins.ts`). */
  readonly sums: ReadonlyMap<string, string>
}

/** What a layer should give; may append nodes to the graph of both nets. */
export function aimOf(analysis: Analysis, layer: PrunableLayer, both: BothNets, surroundings: Surroundings): LayerAim {
  const { contraction, layout } = layer
  const input = both.second(contraction.input)
  // A transposed convolution is fitted by what it reads: what it gives overlaps.
  if (layout.rowsOfOutput > 1) return { layer, contraction, input, target: contraction.input, biased: true }
  const { aim, other, biased } = placeOf(analysis, contraction, both, surroundings)
  return { layer, contraction, input, target: less(both, contraction, aim, other), biased }
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
  surroundings: Surroundings,
): LayerAim | undefined {
  const { contraction, layout } = layer
  if (layout.rowsOfOutput > 1) return undefined
  const { whole, aim, other, biased, next } = placeOf(analysis, contraction, both, surroundings)
  const isRectified = next?.opType === 'Relu' && next.input[0] === whole && both.second(whole) !== whole
  if (!isRectified) return undefined
  const now = both.second(whole)
  const negative = append(both, contraction, 'Sub', [now, append(both, contraction, 'Relu', [now])])
  const positive = append(both, contraction, 'Relu', [aim])
  const mask = append(both, contraction, 'Cast', [positive], { to: onnxOf('bool') })
  const wanted = append(both, contraction, 'Where', [mask, aim, negative])
  const target = less(both, contraction, wanted, other)
  return { layer, contraction, input: both.second(contraction.input), target, biased }
}

/** Where a layer is fitted. */
interface Place extends Pick<Ending, 'next'> {
  /** What it gives, or the residual sum that it has a part in. */
  readonly whole: string
  /** The same, or the sum behind branches that it stands in for. */
  readonly aim: string
  /** The other branch of the sum as it has become; none where it is as it was. */
  readonly other?: string
  readonly biased: boolean
}

function placeOf(
  analysis: Analysis,
  contraction: Contraction,
  { second }: BothNets,
  { waiting, sums }: Surroundings,
): Place {
  const { end, addsBias, residual, next } = endingOf(analysis, contraction)
  const behind = sums.get(contraction.output)
  // What has not settled gives what it does in the original.
  const now = residual && (waiting.has(residual.other) ? residual.other : second(residual.other))
  const other = behind !== undefined || now !== residual?.other ? now : undefined
  const whole = residual && other !== undefined ? residual.sum : end
  const aim = behind ?? whole
  return { whole, aim, other, next, biased: contraction.op !== 'MatMul' || addsBias || aim !== end }
}

const less = (both: BothNets, contraction: Contraction, value: string, other: string | undefined): string =>
  other === undefined ? value : append(both, contraction, 'Sub', [value, other])

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
