/**
 * Second moments of what a contraction reads, computed where the model runs: nodes appended to the graph unfold the input into
 * columns u (see `unfolding.ts`), and multiply the matrix of columns by its transpose. Only sums Σ u and Σ u uᵀ come out, a batch at a
 * time; they are added up in float64.
 */

import type { CallOptions } from '../../sdk/core/index.ts'
import { Fragment, type Model, opsetOf } from '../../sdk/onnx/index.ts'
import { Accumulator, BATCH, type Frontier, runOver, withFragment } from './passes.ts'
import type { Analysis, Contraction, Execute, Samples } from './types.ts'
import { batchOf, columnsOf, keyOf, stepOf, targetColumns, type Unfolding, unfoldingOf } from './unfolding.ts'

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

interface Sums {
  readonly gram: string
  readonly sum: string
}

/** Σ u uᵀ and Σ u of columns `[groups, d, columns]`. */
function sumsOf(fragment: Fragment, columns: string): Sums {
  const transposed = fragment.node('Transpose', [columns], { perm: [0, 2, 1] })
  return { gram: fragment.node('MatMul', [columns, transposed]), sum: fragment.reduce('ReduceSum', columns, [2]) }
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

/** What a contraction should give, from which values of a graph of two nets. */
export interface Aim {
  readonly contraction: Contraction
  /** The value that it reads in the second net. */
  readonly input: string
  /** What it should give: a value with the shape of its output; for columns of channels only, of its input. */
  readonly target: string
}

export interface CrossOptions extends CallOptions {
  readonly indices?: readonly number[]
  /** What to run the nets from, instead of the input. */
  readonly frontier?: Frontier
  /** Samples of a run, where two passes have to be alike. */
  readonly batch?: number
  /** Moments of the same inputs with other targets, from a pass that was alike: what the two have in common is not summed again. */
  readonly known?: ReadonlyMap<string, CrossMoments>
}

/** Samples of a run over the columns of some contractions; at most half of all, so that there are two halves. */
export function crossBatchOf(
  analysis: Pick<Analysis, 'model' | 'observed'>,
  contractions: readonly Contraction[],
  samples: number,
): number {
  const unfoldings = contractions.map((contraction) => unfoldingOf(analysis, contraction))
  return Math.min(batchOf(unfoldings, samples), Math.ceil(samples / 2))
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
  { known, ...options }: CrossOptions = {},
): Promise<ReadonlyMap<string, CrossMoments>> {
  const count = options.indices?.length ?? samples.count
  const fragment = new Fragment({ opset: opsetOf(model), prefix: 'statistics' })
  const pending = aims.map(({ contraction, input, target }) => {
    const unfolding = unfoldingOf(analysis, contraction)
    const step = stepOf(unfolding, count)
    const columns = columnsOf(fragment, unfolding, input, step)
    const targets = targetColumns(fragment, unfolding, target, step)
    const transposed = fragment.node('Transpose', [columns], { perm: [0, 2, 1] })
    return {
      unfolding,
      before: known?.get(contraction.output),
      own: known?.has(contraction.output) ? undefined : sumsOf(fragment, columns),
      cross: fragment.node('MatMul', [targets, transposed]),
      targetSum: fragment.reduce('ReduceSum', targets, [2]),
      power: fragment.reduce('ReduceSum', fragment.node('Mul', [targets, targets]), [2]),
      count: countOf(fragment, columns),
    }
  })
  const wanted = pending.flatMap(({ own, cross, targetSum, power }) => [
    ...(own ? [own.gram, own.sum] : []),
    cross,
    targetSum,
    power,
  ])
  const counts = pending.map((one) => one.count)
  const both = withFragment(model, fragment, [...wanted, ...counts], options.frontier)
  // Two halves, so that what is fitted on one can be tried on the other.
  const halves = [0, 1].map(() => ({ totals: new Accumulator(), rows: new Map<string, number>() }))
  const contractions = aims.map(({ contraction }) => contraction)
  const { batch = crossBatchOf(analysis, contractions, count) } = options
  let turn = 0
  for await (const { outputs } of runOver(both, samples, execute, { ...options, stage: 'refit', batch })) {
    const { totals, rows } = halves[turn++ % 2]
    for (const name of wanted) totals.add(name, outputs[name])
    for (const name of counts) rows.set(name, (rows.get(name) ?? 0) + Number(outputs[name].data[2]))
  }
  return new Map(
    pending.map(({ unfolding, before, own, cross, targetSum, power, count: counted }): [string, CrossMoments] => {
      const { contraction, taps, size } = unfolding
      const [first, second] = halves.map(({ totals, rows }, half): CrossStatistics => {
        const of = rows.get(counted) ?? 0
        const inputs = own
          ? { mean: totals.mean(own.sum, of), gram: totals.mean(own.gram, of) }
          : inputsOf((before?.halves?.[half] ?? before?.whole) as CrossStatistics)
        return {
          rows: of,
          taps,
          size,
          ...inputs,
          targetMean: totals.mean(targetSum, of),
          targetPower: totals.mean(power, of),
          cross: totals.mean(cross, of),
        }
      })
      return [
        contraction.output,
        second.rows > 0 ? { whole: mixture(first, second), halves: [first, second] } : { whole: first },
      ]
    }),
  )
}

const inputsOf = ({ mean, gram }: CrossStatistics): Pick<CrossStatistics, 'mean' | 'gram'> => ({ mean, gram })

/** The moments of a mixture: a column of `a` counts as much as `shares` says, next to one of `b`. */
export function mixture(
  a: CrossStatistics,
  b: CrossStatistics,
  [ofA, ofB]: readonly [number, number] = [a.rows, b.rows],
): CrossStatistics {
  const mean = (x: Float64Array, y: Float64Array): Float64Array =>
    x.map((value, i) => (ofA * value + ofB * y[i]) / (ofA + ofB))
  return {
    rows: a.rows + b.rows,
    taps: a.taps,
    size: a.size,
    mean: mean(a.mean, b.mean),
    gram: mean(a.gram, b.gram),
    targetMean: mean(a.targetMean, b.targetMean),
    targetPower: mean(a.targetPower, b.targetPower),
    cross: mean(a.cross, b.cross),
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

/** Σ = E[u uᵀ] − E[u] E[u]ᵀ of one convolution group, `[d, d]`. */
export function covarianceOf({ size, mean, gram }: InputStatistics, group = 0): Float64Array {
  const covariance = gram.slice(group * size * size, (group + 1) * size * size)
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) covariance[i * size + j] -= mean[group * size + i] * mean[group * size + j]
  }
  return covariance
}
