/**
 * How far a changed net is from the original, on unlabelled samples. Where the model gives one row of class scores a sample, by the
 * Kullback–Leibler divergence of its class probabilities and by how often the best class differs; elsewhere by the squared
 * error of the outputs, each as a share of its variance.
 */

import type { CallOptions, Tensor } from '../../sdk/core/index.ts'
import type { Model } from '../../sdk/onnx/index.ts'
import { upstream } from './parts.ts'
import { BATCH, type Frontier, runOver } from './passes.ts'
import type { Execute, Samples } from './types.ts'

export interface Difference {
  /** Mean divergence in nats, KL(original ‖ changed); for outputs without classes the relative squared error. */
  readonly distance: number
  /** The share of samples whose best class differs; for outputs without classes the relative error, a root. */
  readonly disagreement: number
}

export interface Judge {
  /** Whether the outputs are class scores, so that distances are divergences. */
  readonly classes: boolean
  readonly samples: number
  /**
   * How far a model is from the original.
   *
   * @param options.frontier of the judged samples: what to run it from, instead of the input
   */
  compare(model: Model, options?: CallOptions & { readonly frontier?: Frontier }): Promise<Difference>
}

type Outputs = ReadonlyMap<string, { readonly rank: number; readonly columns: number; readonly data: Float64Array }>

async function outputsOf(
  model: Model,
  samples: Samples,
  indices: readonly number[],
  execute: Execute,
  { signal, frontier }: CallOptions & { readonly frontier?: Frontier },
): Promise<Outputs> {
  const parts = new Map<string, Tensor[]>()
  let rows = 0
  const pass = { signal, stage: '', indices, batch: BATCH, frontier }
  const part = frontier
    ? upstream(
        model,
        model.graph.output.map(({ name }) => name),
        frontier,
      )
    : model
  for await (const { outputs, count } of runOver(part, samples, execute, pass)) {
    rows += count
    for (const [name, tensor] of Object.entries(outputs)) {
      if (tensor.dtype !== 'float32') continue
      const own = parts.get(name)
      if (own) own.push(tensor)
      else parts.set(name, [tensor])
    }
  }
  return new Map(
    [...parts].map(([name, tensors]) => {
      const data = new Float64Array(tensors.reduce((length, tensor) => length + tensor.data.length, 0))
      let to = 0
      for (const tensor of tensors) {
        data.set(tensor.data as Float32Array, to)
        to += tensor.data.length
      }
      return [name, { rank: tensors[0].shape.length, columns: data.length / rows, data }]
    }),
  )
}

/** log p of a row of scores, which may be probabilities already. */
function logProbabilities(scores: Float64Array): Float64Array {
  const sum = scores.reduce((total, score) => total + score, 0)
  if (Math.abs(sum - 1) < 1e-3 && scores.every((score) => score >= 0)) {
    return scores.map((score) => Math.log(Math.max(score, 1e-12)))
  }
  const most = scores.reduce((a, b) => Math.max(a, b))
  const log = Math.log(scores.reduce((total, score) => total + Math.exp(score - most), 0)) + most
  return scores.map((score) => score - log)
}

const best = (scores: Float64Array): number => scores.reduce((at, score, i) => (score > scores[at] ? i : at), 0)

function compareClasses(columns: number, before: Float64Array, after: Float64Array): Difference {
  let divergence = 0
  let differ = 0
  const rows = before.length / columns
  for (let at = 0; at < before.length; at += columns) {
    const [was, is] = [before.subarray(at, at + columns), after.subarray(at, at + columns)]
    const [p, q] = [logProbabilities(was), logProbabilities(is)]
    for (let i = 0; i < columns; i++) divergence += Math.exp(p[i]) * (p[i] - q[i])
    if (best(was) !== best(is)) differ++
  }
  return { distance: divergence / rows, disagreement: differ / rows }
}

/** The squared error as a share of the variance, a mean over outputs. */
function compareValues(before: Outputs, after: Outputs): Difference {
  let total = 0
  for (const [name, { columns, data }] of before) {
    const others = after.get(name)?.data ?? data
    const rows = data.length / columns
    const mean = new Float64Array(columns)
    for (let i = 0; i < data.length; i++) mean[i % columns] += data[i] / rows
    let error = 0
    let variance = 0
    for (let i = 0; i < data.length; i++) {
      error += (data[i] - others[i]) ** 2
      variance += (data[i] - mean[i % columns]) ** 2
    }
    total += error / (variance || 1) / before.size
  }
  return { distance: total, disagreement: Math.sqrt(total) }
}

/**
 * A judge that knows the original's outputs for some samples.
 *
 * @param indices the samples that count
 * @example
 * const judge = await judgeOf(model, samples, [0, 1, 2], execute)
 * await judge.compare(narrower) // { distance: 0.02, disagreement: 0 }
 */
export async function judgeOf(
  model: Model,
  samples: Samples,
  indices: readonly number[],
  execute: Execute,
  options: CallOptions = {},
): Promise<Judge> {
  const before = await outputsOf(model, samples, indices, execute, options)
  const [first] = before.values()
  const classes = model.graph.output.length === 1 && first?.rank === 2 && first.columns > 1
  return {
    classes,
    samples: indices.length,
    async compare(changed, callOptions = {}) {
      const after = await outputsOf(changed, samples, indices, execute, callOptions)
      const [second] = after.values()
      return classes ? compareClasses(first.columns, first.data, second.data) : compareValues(before, after)
    },
  }
}
