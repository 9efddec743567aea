/**
 * Second moments of what a contraction reads, computed where the model runs: nodes appended to the graph unfold the input into
 * columns u, one for each place where the weights are applied, and multiply the matrix of columns by its transpose. Only sums
 * Σ u and Σ u uᵀ come out, a batch at a time; they are added up here in float64.
 *
 * A convolution is unfolded by a grouped convolution whose kernels are one-hot, with the strides, pads and dilations of the layer,
 * so that padding is in the columns as the layer sees it. Columns are channel-major: the taps of a channel lie together.
 */

import { type CallOptions, HardpackError, type Tensor, throwIfAborted } from '../../sdk/core/index.ts'
import {
  type AttributeValue,
  Fragment,
  feedsOf,
  type Model,
  makeUntypedOutput,
  type NodeProto,
  opsetOf,
  writeModel,
} from '../../sdk/onnx/index.ts'
import { upstream } from './parts.ts'
import type { Analysis, Contraction, Execute, Samples } from './types.ts'
import { copyOf, initializersOf } from './weights.ts'

export interface InputStatistics {
  /** Columns that were counted. */
  readonly rows: number
  /** Columns of one channel: the taps of a kernel; 1 where only channels are told apart. */
  readonly taps: number
  /** Numbers in a column, d = inputs of a convolution group · taps. */
  readonly size: number
  /** E[u], `[groups, d]`. */
  readonly mean: Float64Array
  /** E[u uᵀ], `[groups, d, d]`, not centred. */
  readonly gram: Float64Array
}

/** With what the layer ought to give there, t. */
export interface CrossStatistics extends InputStatistics {
  /** E[t], `[groups, targets]`. */
  readonly targetMean: Float64Array
  /** E[t²], `[groups, targets]`. */
  readonly targetPower: Float64Array
  /** E[t uᵀ], `[groups, targets, d]`. */
  readonly cross: Float64Array
}

/** Of all samples and, where there are several batches, of two halves of them. */
export interface CrossMoments {
  readonly whole: CrossStatistics
  readonly halves?: readonly [CrossStatistics, CrossStatistics]
}

/** Above so many numbers in a column, channels are compared and not taps. */
export const MAX_COLUMN = 2300

/** Samples of a run at most. */
export const BATCH = 64

/** The largest unfolded input, in numbers. */
const MAX_UNFOLDED = 2 ** 24

/** More columns a dimension say hardly more. */
const COLUMNS_A_DIMENSION = 400

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

const intsOf = (node: NodeProto, name: string): number[] | undefined =>
  node.attribute.find((attribute) => attribute.name === name)?.ints.map(Number)

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
function keyOf({ contraction, node, channelsOnly, kernel }: Unfolding): string {
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
  const auto = node.attribute.find(({ name }) => name === 'auto_pad')
  if (auto) geometry.auto_pad = new TextDecoder().decode(auto.s)
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
function columnsOf(fragment: Fragment, unfolding: Unfolding, value: string, step: number): string {
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
  const unfolded = fragment.node(node.opType, [value, kernels], { ...geometry, group: inputs })
  return flattened(fragment, thinned(fragment, unfolded, step), rank, 1, groups, inputs * taps)
}

interface Sums {
  readonly gram: string
  readonly sum: string
}

/** Σ u uᵀ and Σ u of columns `[groups, d, columns]`. */
function sumsOf(fragment: Fragment, columns: string): Sums {
  const transposed = fragment.node('Transpose', [columns], { perm: [0, 2, 1] })
  return { gram: fragment.node('MatMul', [columns, transposed]), sum: fragment.reduce('ReduceSum', columns, [2]) }
}

/** How far apart the positions are that are looked at. */
function stepOf({ positions, size, outputShape }: Unfolding, samples: number): number {
  if (outputShape.length !== 4) return 1
  const enough = COLUMNS_A_DIMENSION * size
  return Math.max(1, Math.floor(Math.sqrt((positions * samples) / Math.max(1, enough))))
}

/** What a pass over samples adds up. */
class Accumulator {
  readonly #totals = new Map<string, Float64Array>()

  add(name: string, { data }: Tensor): void {
    const total = this.#totals.get(name) ?? new Float64Array(data.length)
    for (let i = 0; i < total.length; i++) total[i] += data[i] as number
    this.#totals.set(name, total)
  }

  mean(name: string, rows: number): Float64Array {
    return (this.#totals.get(name) ?? new Float64Array(0)).map((sum) => sum / rows)
  }
}

/** What to run over which samples, in what batches. */
export interface Pass extends CallOptions {
  readonly stage: string
  /** Positions in the set; all unless told. */
  readonly indices?: readonly number[]
  readonly batch: number
}

/** Runs a model over samples and gives the outputs of each batch, and how many samples are in it. */
export async function* runOver(
  model: Model,
  samples: Samples,
  execute: Execute,
  { signal, onProgress, stage, indices, batch }: Pass,
): AsyncGenerator<{ outputs: Record<string, Tensor>; count: number }> {
  const all = indices ?? Array.from({ length: samples.count }, (_, i) => i)
  const [input] = feedsOf(model.graph)
  const fixed = input.type?.tensorType?.shape?.dim[0]
  const size = fixed?.value === 'dimValue' ? Number(fixed.dimValue) : batch
  const execution = await execute(writeModel(model), { signal })
  try {
    for (let start = 0; start + (size === batch ? 1 : size) <= all.length; start += size) {
      throwIfAborted(signal)
      onProgress?.({ stage, done: start, total: all.length })
      const chosen = all.slice(start, start + size)
      yield {
        outputs: await execution.run({ [input.name]: await samples.batch(chosen) }, { signal }),
        count: chosen.length,
      }
    }
    onProgress?.({ stage, done: all.length, total: all.length })
  } finally {
    await execution.close()
  }
}

/** Samples that a batch may have for unfolded inputs to stay in bounds. */
function batchOf(unfoldings: readonly Unfolding[], samples: number): number {
  const largest = Math.max(
    1,
    ...unfoldings.map(({ size, positions, contraction }) => size * contraction.groups * positions),
  )
  return Math.max(1, Math.min(BATCH, samples, Math.floor(MAX_UNFOLDED / largest)))
}

/**
 * Means and Gram matrices of what contractions read.
 *
 * @param contractions of the analysis
 * @returns by `contraction.output`; those that read the same columns share one object
 * @throws HardpackError `ABORTED`, and what `execute` and its runs throw.
 * @example
 * const statistics = await statisticsOf(analysis, analysis.contractions, samples, execute)
 * statistics.get('conv1')?.gram // Float64Array [d · d]
 */
export async function statisticsOf(
  analysis: Pick<Analysis, 'model' | 'observed'>,
  contractions: readonly Contraction[],
  samples: Samples,
  execute: Execute,
  options: CallOptions & { readonly indices?: readonly number[] } = {},
): Promise<ReadonlyMap<string, InputStatistics>> {
  const unfoldings = contractions.map((contraction) => unfoldingOf(analysis, contraction))
  const count = options.indices?.length ?? samples.count
  const fragment = new Fragment({ opset: opsetOf(analysis.model), prefix: 'statistics' })
  const shared = new Map<string, { unfolding: Unfolding; columns: string } & Sums>()
  for (const unfolding of unfoldings) {
    if (shared.has(keyOf(unfolding))) continue
    const columns = columnsOf(fragment, unfolding, unfolding.contraction.input, stepOf(unfolding, count))
    shared.set(keyOf(unfolding), { unfolding, columns, ...sumsOf(fragment, columns) })
  }
  const wanted = [...shared.values()].flatMap(({ gram, sum }) => [gram, sum])
  const counts = new Map([...shared].map(([key, { columns }]) => [key, countOf(fragment, columns)]))
  const model = withFragment(analysis.model, fragment, [...wanted, ...counts.values()])
  const totals = new Accumulator()
  const pass = { ...options, stage: 'statistics', batch: batchOf(unfoldings, count) }
  const rows = new Map<string, number>()
  for await (const { outputs } of runOver(model, samples, execute, pass)) {
    for (const name of wanted) totals.add(name, outputs[name])
    for (const [key, name] of counts) rows.set(key, (rows.get(key) ?? 0) + Number(outputs[name].data[2]))
  }
  const found = new Map(
    [...shared].map(([key, { unfolding, gram, sum }]): [string, InputStatistics] => {
      const of = rows.get(key) ?? 1
      const { taps, size } = unfolding
      return [key, { rows: of, taps, size, mean: totals.mean(sum, of), gram: totals.mean(gram, of) }]
    }),
  )
  return new Map(
    unfoldings.map((unfolding) => [unfolding.contraction.output, found.get(keyOf(unfolding)) as InputStatistics]),
  )
}

/** The shape of columns, whose last number is how many there are. */
const countOf = (fragment: Fragment, columns: string): string => fragment.node('Shape', [columns])

/** The part of a model that a fragment reads, with the fragment behind it. */
function withFragment(model: Model, fragment: Fragment, outputs: readonly string[]): Model {
  const longer = copyOf(model, {
    graph: copyOf(model.graph, {
      node: [...model.graph.node, ...fragment.nodes],
      initializer: [...model.graph.initializer, ...fragment.initializers],
      output: outputs.map(makeUntypedOutput),
    }),
  })
  return upstream(longer, outputs)
}

/** What a contraction should give, from which values of a graph of two nets. */
export interface Aim {
  readonly contraction: Contraction
  /** The value that it reads in the second net. */
  readonly input: string
  /** What it should give: a value with the shape of its output; for columns of channels only, of its input. */
  readonly target: string
}

/**
 * Moments of what contractions read in one net and what they should give, which another net says.
 *
 * @param analysis of the first net, for shapes
 * @param model holds both nets
 * @returns by `contraction.output`
 */
export async function crossStatisticsOf(
  analysis: Pick<Analysis, 'model' | 'observed'>,
  model: Model,
  aims: readonly Aim[],
  samples: Samples,
  execute: Execute,
  options: CallOptions & { readonly indices?: readonly number[] } = {},
): Promise<ReadonlyMap<string, CrossMoments>> {
  const count = options.indices?.length ?? samples.count
  const fragment = new Fragment({ opset: opsetOf(model), prefix: 'statistics' })
  const pending = aims.map(({ contraction, input, target }) => {
    const unfolding = unfoldingOf(analysis, contraction)
    const step = stepOf(unfolding, count)
    const columns = columnsOf(fragment, unfolding, input, step)
    const { gram, sum } = sumsOf(fragment, columns)
    const targets = targetColumns(fragment, unfolding, target, step)
    const transposed = fragment.node('Transpose', [columns], { perm: [0, 2, 1] })
    const cross = fragment.node('MatMul', [targets, transposed])
    const targetSum = fragment.reduce('ReduceSum', targets, [2])
    const power = fragment.reduce('ReduceSum', fragment.node('Mul', [targets, targets]), [2])
    return { unfolding, gram, sum, cross, targetSum, power, count: countOf(fragment, columns), rows: 0 }
  })
  const wanted = pending.flatMap(({ gram, sum, cross, targetSum, power }) => [gram, sum, cross, targetSum, power])
  const both = withFragment(model, fragment, [...wanted, ...pending.map((one) => one.count)])
  // Two halves, so that what is fitted on one can be tried on the other.
  const halves = [0, 1].map(() => ({ totals: new Accumulator(), rows: new Map<string, number>() }))
  const unfoldings = pending.map(({ unfolding }) => unfolding)
  const batch = Math.min(batchOf(unfoldings, count), Math.ceil(count / 2))
  let turn = 0
  for await (const { outputs } of runOver(both, samples, execute, { ...options, stage: 'refit', batch })) {
    const { totals, rows } = halves[turn++ % 2]
    for (const name of wanted) totals.add(name, outputs[name])
    for (const { count: name } of pending) rows.set(name, (rows.get(name) ?? 0) + Number(outputs[name].data[2]))
  }
  return new Map(
    pending.map(({ unfolding, gram, sum, cross, targetSum, power, count: counted }): [string, CrossMoments] => {
      const { contraction, taps, size } = unfolding
      const [first, second] = halves.map(({ totals, rows }): CrossStatistics => {
        const own = rows.get(counted) ?? 0
        return {
          rows: own,
          taps,
          size,
          mean: totals.mean(sum, own),
          gram: totals.mean(gram, own),
          targetMean: totals.mean(targetSum, own),
          targetPower: totals.mean(power, own),
          cross: totals.mean(cross, own),
        }
      })
      return [
        contraction.output,
        second.rows > 0 ? { whole: joined(first, second), halves: [first, second] } : { whole: first },
      ]
    }),
  )
}

/** The moments of both of two sets of columns. */
export function joined(a: CrossStatistics, b: CrossStatistics): CrossStatistics {
  const rows = a.rows + b.rows
  const both = (x: Float64Array, y: Float64Array): Float64Array =>
    x.map((value, i) => (value * a.rows + y[i] * b.rows) / rows)
  return {
    rows,
    taps: a.taps,
    size: a.size,
    mean: both(a.mean, b.mean),
    gram: both(a.gram, b.gram),
    targetMean: both(a.targetMean, b.targetMean),
    targetPower: both(a.targetPower, b.targetPower),
    cross: both(a.cross, b.cross),
  }
}

/**
 * Means and variances of the channels of some values, `[n, channels, …]`.
 *
 * @returns of each value, in order
 */
export async function channelMomentsOf(
  model: Model,
  values: readonly string[],
  samples: Samples,
  execute: Execute,
  options: CallOptions & { readonly indices?: readonly number[] } = {},
): Promise<{ mean: Float64Array; variance: Float64Array }[]> {
  const fragment = new Fragment({ opset: opsetOf(model), prefix: 'statistics' })
  const pending = values.map((value) => {
    // [n, channels, …] to [n, channels, positions], whatever the rank.
    const flat = fragment.node('Reshape', [value, fragment.integers([0, 0, -1])])
    const sum = fragment.reduce('ReduceSum', flat, [0, 2])
    const power = fragment.reduce('ReduceSum', fragment.node('Mul', [flat, flat]), [0, 2])
    return { sum, power, shape: fragment.node('Shape', [flat]), rows: 0 }
  })
  const wanted = pending.flatMap(({ sum, power }) => [sum, power])
  const longer = withFragment(model, fragment, [...wanted, ...pending.map(({ shape }) => shape)])
  const totals = new Accumulator()
  for await (const { outputs } of runOver(longer, samples, execute, { ...options, stage: 'norms', batch: BATCH })) {
    for (const name of wanted) totals.add(name, outputs[name])
    for (const one of pending) one.rows += Number(outputs[one.shape].data[0]) * Number(outputs[one.shape].data[2])
  }
  return pending.map(({ sum, power, rows }) => {
    const mean = totals.mean(sum, rows)
    return { mean, variance: totals.mean(power, rows).map((square, i) => Math.max(0, square - mean[i] ** 2)) }
  })
}

/** Targets at the positions of the columns, `[groups, targets, columns]`. */
function targetColumns(fragment: Fragment, unfolding: Unfolding, target: string, step: number): string {
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

/** Σ = E[u uᵀ] − E[u] E[u]ᵀ of one convolution group, `[d, d]`. */
export function covarianceOf({ size, mean, gram }: InputStatistics, group = 0): Float64Array {
  const covariance = gram.slice(group * size * size, (group + 1) * size * size)
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) covariance[i * size + j] -= mean[group * size + i] * mean[group * size + j]
  }
  return covariance
}

/** The weights of contractions that are in use, by the name of the initializer. */
export const weightsOf = (model: Model, contractions: readonly Contraction[]): Map<string, Tensor> =>
  initializersOf(
    model,
    contractions.flatMap(({ weight, bias }) => (bias ? [weight, bias] : [weight])),
  )
