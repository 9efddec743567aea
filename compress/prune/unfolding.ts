/**
 * What a contraction reads, as columns u, one for each place where the weights are applied: nodes that unfold the input in the graph.
 *
 * A convolution is unfolded by a grouped convolution whose kernels are one-hot, with the strides, pads and dilations of the layer,
 * so that padding is in the columns as the layer sees it. Columns are channel-major: the taps of a channel lie together.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import {
  type AttributeValue,
  attributeOf,
  type Fragment,
  intsOf,
  type NodeProto,
  textOf,
} from '../../sdk/onnx/index.ts'
import { BATCH } from './passes.ts'
import type { Analysis, Contraction } from './types.ts'

/** Above so many numbers in a column, channels are compared and not taps. */
export const MAX_COLUMN = 2300

/** The largest unfolded input, in numbers. */
const MAX_UNFOLDED = 2 ** 24

/** More columns a dimension say hardly more. */
const COLUMNS_A_DIMENSION = 200

/** The end of a slice that goes to the end. */
const ALL = 2 ** 31 - 1

/** How the inputs of a contraction become columns. */
export interface Unfolding {
  readonly contraction: Contraction
  readonly node: NodeProto
  readonly inputShape: readonly number[]
  readonly outputShape: readonly number[]
  readonly kernel: readonly number[]
  /** Whether a kernel's taps are left together, because a column would be too long. */
  readonly channelsOnly: boolean
  /** Taps that are told apart: the kernel's, or 1. */
  readonly taps: number
  /** Numbers in a column. */
  readonly size: number
  /** Columns of one sample. */
  readonly positions: number
}

/** How a contraction is unfolded. */
export function unfoldingOf(
  { model, observed }: Pick<Analysis, 'model' | 'observed'>,
  contraction: Contraction,
): Unfolding {
  const node = model.graph.node.find(({ output }) => output.includes(contraction.output))
  const input = observed.get(contraction.input)
  const output = observed.get(contraction.output)
  const weight = model.graph.initializer.find(({ name }) => name === contraction.weight)
  if (!node || !input || !output || !weight) {
    throw new HardpackError('INVALID_ARGUMENT', `Layer "${contraction.output}" expected to be in the model, got none.`)
  }
  const kernel = contraction.kind === 'linear' ? [] : weight.dims.slice(2).map(Number)
  const taps = kernel.reduce((product, size) => product * size, 1)
  const channels = contraction.inputs / contraction.groups
  const channelsOnly = taps > 1 && channels * taps > MAX_COLUMN
  const axis = contraction.channelAxis
  const inside =
    contraction.kind === 'linear'
      ? input.shape.filter((_, i) => i > 0 && i !== axis)
      : (channelsOnly ? input : output).shape.slice(2)
  return {
    contraction,
    node,
    inputShape: input.shape,
    outputShape: output.shape,
    kernel,
    channelsOnly,
    taps: channelsOnly ? 1 : taps,
    size: channels * (channelsOnly ? 1 : taps),
    positions: inside.reduce((product, size) => product * size, 1),
  }
}

/** Contractions with the same key have the same columns. */
export function keyOf({ contraction, node, channelsOnly, kernel }: Unfolding): string {
  const { kind, input, groups, channelAxis } = contraction
  const all = [kind, input, groups, channelAxis]
  return JSON.stringify(kind === 'linear' || channelsOnly ? all : [...all, kernel, geometryOf(node)])
}

/** Where a convolution puts its kernel. */
function geometryOf(node: NodeProto): Record<string, AttributeValue> {
  const geometry: Record<string, AttributeValue> = {}
  for (const name of ['strides', 'pads', 'dilations', 'output_padding', 'output_shape']) {
    const ints = intsOf(node, name)
    if (ints) geometry[name] = ints
  }
  if (attributeOf(node, 'auto_pad')) geometry.auto_pad = textOf(node, 'auto_pad', '')
  return geometry
}

/** `[n, …]` with channels on an axis to `[groups, channels / groups, columns]`. */
function flattened(
  fragment: Fragment,
  value: string,
  rank: number,
  axis: number,
  groups: number,
  channels: number,
): string {
  const order = [axis, ...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis)]
  const first = axis === 0 ? value : fragment.node('Transpose', [value], { perm: order })
  return fragment.reshape(first, [groups, channels / groups, -1])
}

/**
 * Every `step`-th position along two spatial axes, so that columns are not many more than they need to be. The first is half a step
 * from the border, where padding makes columns unlike all others.
 */
function thinned(fragment: Fragment, value: string, step: number): string {
  if (step === 1) return value
  const start = Math.floor(step / 2)
  return fragment.slice(fragment.slice(value, 2, start, ALL, step), 3, start, ALL, step)
}

/** The columns of a contraction's input, `[groups, d, columns]`. */
export function columnsOf(fragment: Fragment, unfolding: Unfolding, value: string, step: number): string {
  const { contraction, node, kernel, taps, inputShape, channelsOnly } = unfolding
  const { kind, groups, inputs, channelAxis } = contraction
  if (kind === 'linear') return flattened(fragment, value, inputShape.length, channelAxis, 1, inputs)
  const rank = inputShape.length
  if (channelsOnly) return flattened(fragment, thinned(fragment, value, step), rank, 1, groups, inputs)
  const geometry = geometryOf(node)
  if (kind === 'conv' && taps === 1 && !intsOf(node, 'pads')?.some((pad) => pad > 0)) {
    const strides = intsOf(node, 'strides') ?? []
    const reached = strides.reduce(
      (from, stride, i) => (stride > 1 ? fragment.slice(from, 2 + i, 0, ALL, stride) : from),
      value,
    )
    return flattened(fragment, thinned(fragment, reached, step), rank, 1, groups, inputs)
  }
  const oneHot = new Float32Array(inputs * taps * taps)
  for (let row = 0; row < inputs * taps; row++) oneHot[row * taps + (row % taps)] = 1
  const shape = kind === 'conv' ? [inputs * taps, 1, ...kernel] : [inputs, taps, ...kernel]
  const kernels = fragment.constant({ dtype: 'float32', shape, data: oneHot })
  const [from, placed] = kind === 'conv' ? sparser(fragment, unfolding, value, step) : [value, geometry]
  const unfolded = fragment.node(node.opType, [from, kernels], { ...placed, group: inputs })
  const left = kind === 'conv' ? unfolded : thinned(fragment, unfolded, step)
  return flattened(fragment, left, rank, 1, groups, inputs * taps)
}

/** A kernel's input and geometry for only the positions that `thinned` leaves: unfolding all of them takes step² times as long. */
function sparser(
  fragment: Fragment,
  unfolding: Unfolding,
  value: string,
  step: number,
): [string, Record<string, AttributeValue>] {
  const { node, kernel } = unfolding
  const strides = intsOf(node, 'strides') ?? kernel.map(() => 1)
  const dilations = intsOf(node, 'dilations') ?? kernel.map(() => 1)
  const { begins, ends } = padsOf(unfolding, strides, dilations)
  // The first position lies so far inside the padded input.
  const shifts = strides.map((stride, axis) => Math.floor(step / 2) * stride - begins[axis])
  const from = shifts.reduce(
    (sliced, shift, axis) => (shift > 0 ? fragment.slice(sliced, 2 + axis, shift, ALL) : sliced),
    value,
  )
  const pads = [...shifts.map((shift) => Math.max(0, -shift)), ...ends]
  return [from, { dilations, strides: strides.map((stride) => stride * step), pads }]
}

/** The padding of a convolution, in numbers where the model names it: `SAME` makes ⌈input / stride⌉ outputs. */
function padsOf(
  { node, kernel, inputShape, outputShape }: Unfolding,
  strides: readonly number[],
  dilations: readonly number[],
): { begins: readonly number[]; ends: readonly number[] } {
  const rule = textOf(node, 'auto_pad', 'NOTSET')
  if (!rule.startsWith('SAME')) {
    const pads = intsOf(node, 'pads') ?? kernel.flatMap(() => [0, 0])
    return { begins: pads.slice(0, kernel.length), ends: pads.slice(kernel.length) }
  }
  const all = kernel.map((size, axis) => {
    const reach = (outputShape[2 + axis] - 1) * strides[axis] + (size - 1) * dilations[axis] + 1
    return Math.max(0, reach - inputShape[2 + axis])
  })
  const less = all.map((pad) => pad >> 1)
  const more = all.map((pad) => pad - (pad >> 1))
  return rule === 'SAME_LOWER' ? { begins: more, ends: less } : { begins: less, ends: more }
}

/** Targets at the positions of the columns, `[groups, targets, columns]`. */
export function targetColumns(fragment: Fragment, unfolding: Unfolding, target: string, step: number): string {
  const { contraction, channelsOnly, outputShape } = unfolding
  if (contraction.kind === 'linear') {
    return flattened(fragment, target, outputShape.length, outputShape.length - 1, 1, contraction.outputs)
  }
  if (channelsOnly) return columnsOf(fragment, unfolding, target, step)
  return flattened(
    fragment,
    thinned(fragment, target, step),
    outputShape.length,
    1,
    contraction.groups,
    contraction.outputs,
  )
}

/** How far apart the positions are that are looked at. */
export function stepOf({ positions, size, outputShape }: Unfolding, samples: number): number {
  if (outputShape.length !== 4) return 1
  const enough = COLUMNS_A_DIMENSION * size
  return Math.max(1, Math.floor(Math.sqrt((positions * samples) / Math.max(1, enough))))
}

/** Samples that a batch may have for unfolded inputs to stay in bounds. */
export function batchOf(unfoldings: readonly Unfolding[], samples: number): number {
  const largest = Math.max(
    1,
    ...unfoldings.map((unfolding) => {
      const { size, positions, contraction } = unfolding
      return (size * contraction.groups * positions) / stepOf(unfolding, samples) ** 2
    }),
  )
  return Math.max(1, Math.min(BATCH, samples, Math.floor(MAX_UNFOLDED / largest)))
}
