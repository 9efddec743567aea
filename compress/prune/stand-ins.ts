/**
 * Who stands in for residual branches that are gone: the layer before or beside them, which can aim at the sum behind them. Without one, a
 * rectifier behind the sum makes a bias cost more than it is worth; elsewhere the branch leaves its mean.
 */

import type { Tensor } from '../../sdk/core/index.ts'
import { indexGraph, type NodeProto, payloadOf } from '../../sdk/onnx/index.ts'
import { goneGroups, unreadOf } from './branches.ts'
import { endingsOf } from './ending.ts'
import type { Analysis, Contraction, Kept } from './types.ts'
import { unfoldingOf } from './unfolding.ts'
import { layoutOf, withInitializers } from './weights.ts'

const FLOAT = 1

interface StandIns {
  /** Layers that give nothing any more, by their outputs. */
  readonly silent: ReadonlySet<string>
  /** By the output of a layer that adds to the same sum as a gone branch, or to one before it: the sum behind the last of them. */
  readonly sums: ReadonlyMap<string, string>
}

/** Who stands in for the branches that are gone when these units stay. */
export function standInsOf(analysis: Analysis, kept: Kept): StandIns {
  const { model, contractions, branches } = analysis
  const gone = goneGroups(analysis, kept).flatMap((name) => branches.get(name) ?? [])
  const silent = new Set<string>()
  const sums = new Map<string, string>()
  if (gone.length === 0) return { silent, sums }
  const unread = unreadOf(analysis, kept)
  const endingOf = endingsOf(analysis)
  const ends = new Map(
    gone.flatMap((branch) => branch.ends).map((contraction) => [endingOf(contraction).end, contraction]),
  )
  const { consumers } = indexGraph(model.graph)
  const outputs = new Set(model.graph.output.map(({ name }) => name))
  const reader = (value: string): NodeProto | undefined => {
    const readers = (consumers.get(value) ?? []).filter(({ output }) => !output.every((name) => unread.has(name)))
    return readers.length === 1 && !outputs.has(value) ? readers[0] : undefined
  }
  /** The gone layer that adds to a value next, and the sum. */
  const goneBehind = (value: string): { contraction: Contraction; sum: string } | undefined => {
    const next = reader(value)
    const isRectified = next?.opType === 'Relu'
    const add = isRectified ? reader(next.output[0]) : next
    // What is rectified before the sum can only aim at what is rectified behind it.
    if (isRectified && add && reader(add.output[0])?.opType !== 'Relu') return undefined
    const contraction = add?.opType === 'Add' ? add.input.flatMap((name) => ends.get(name) ?? [])[0] : undefined
    return add && contraction && { contraction, sum: add.output[0] }
  }
  const own = new Set([...ends.values()].map(({ output }) => output))
  for (const contraction of contractions) {
    const { output } = contraction
    if (own.has(output) || unread.has(output) || !canAim(analysis, contraction)) continue
    const { end, residual } = endingOf(contraction)
    const goneBeside = residual && ends.get(residual.other)
    if (goneBeside) {
      silent.add(goneBeside.output)
      sums.set(output, residual.sum)
    }
    let last = residual?.sum ?? end
    for (let next = goneBehind(last); next; next = goneBehind(last)) {
      silent.add(next.contraction.output)
      sums.set(output, next.sum)
      last = next.sum
    }
  }
  for (const contraction of ends.values()) {
    if (endingOf(contraction).next?.opType === 'Relu') silent.add(contraction.output)
  }
  return { silent, sums }
}

/** Whether a layer is fitted by what it gives. */
function canAim(analysis: Analysis, contraction: Contraction): boolean {
  const { weight, bias } = contraction
  const [tensor, added] = [weight, bias].map((name) =>
    analysis.model.graph.initializer.find((one) => one.name === name),
  )
  if (tensor?.dataType !== FLOAT || added?.dataType !== FLOAT) return false
  const { channelsOnly } = unfoldingOf(analysis, contraction)
  return layoutOf(contraction, tensor.dims.map(Number), channelsOnly).rowsOfOutput === 1
}

/** The biases of some layers, by their outputs, as zeros. */
export function zeroBiases({ model, contractions }: Analysis, layers: ReadonlySet<string>): Map<string, Tensor> {
  const names = new Set(contractions.flatMap(({ output, bias }) => (layers.has(output) && bias ? [bias] : [])))
  const biases = model.graph.initializer.filter(({ name }) => names.has(name))
  return new Map(biases.map((tensor) => [tensor.name, zerosLike(payloadOf(tensor))]))
}

const zerosLike = ({ dtype, shape, data }: Tensor): Tensor => ({
  dtype,
  shape,
  data: data.map(() => 0 as never) as Tensor['data'],
})

/** A cut as a finished net has it: branches that are gone leave nothing where they are not worth it. */
export const withoutSilent = (analysis: Analysis, kept: Kept): Analysis => ({
  ...analysis,
  model: withInitializers(analysis.model, zeroBiases(analysis, standInsOf(analysis, kept).silent)),
})
