/** What a classifier takes samples for. No labels: what it said before is what it is compared with. */

import { type CallOptions, HardpackError } from '../../../sdk/core/index.ts'
import { indexGraph, type Model } from '../../../sdk/onnx/index.ts'
import { upstream } from '../parts.ts'
import { BATCH, runOver } from '../passes.ts'
import type { Analysis, Execute, Samples } from '../types.ts'

export interface Predictions {
  readonly columns: number
  /** The best class of each sample. */
  readonly classes: Int32Array
  /** The class that most samples are taken for. */
  readonly mostly: number
  /** By how much the best class leads, in logits, on the average. */
  readonly margin: number
}

/**
 * The value with a logit a class: what the softmax at the end reads, or the first output.
 *
 * @throws HardpackError `UNSUPPORTED_MODEL` where no output has a score a class.
 */
export function logitsOf({ model, observed }: Pick<Analysis, 'model' | 'observed'>): string {
  const { producers } = indexGraph(model.graph)
  for (const { name } of model.graph.output) {
    const { dtype, shape } = observed.get(name) ?? {}
    if (dtype !== 'float32' || shape?.length !== 2 || shape[1] < 2) continue
    const maker = producers.get(name)
    return maker && /Softmax$/.test(maker.opType) ? maker.input[0] : name
  }
  const outputs = model.graph.output.map(({ name }) => `"${name}" [${observed.get(name)?.shape.join(', ')}]`)
  throw new HardpackError(
    'UNSUPPORTED_MODEL',
    `Unlearning expected an output of float32 with a score for each of two classes or more, got ${outputs.join(', ')}.`,
    { hint: 'Give a classifier.' },
  )
}

/** Runs a classifier over some of the samples. */
export async function predictionsOf(
  model: Model,
  logits: string,
  samples: Samples,
  indices: readonly number[],
  execute: Execute,
  { signal }: CallOptions,
): Promise<Predictions> {
  const classes: number[] = []
  let margin = 0
  let columns = 0
  const classifier = upstream(model, [logits])
  for await (const { outputs } of runOver(classifier, samples, execute, { signal, indices, stage: '', batch: BATCH })) {
    const { shape, data } = outputs[logits]
    columns = shape[1]
    for (let from = 0; from < data.length; from += columns) {
      const row = Array.from(data.slice(from, from + columns), Number)
      const [first, second] = Array.from(row.keys()).sort((a, b) => row[b] - row[a])
      classes.push(first)
      margin += row[first] - row[second]
    }
  }
  const counts = Array.from({ length: columns }, (_, i) => countOf(classes, i))
  return {
    columns,
    classes: Int32Array.from(classes),
    mostly: counts.indexOf(Math.max(...counts)),
    margin: margin / classes.length,
  }
}

export const countOf = (classes: ArrayLike<number>, wanted: number): number =>
  Array.from(classes).filter((one) => one === wanted).length

/** The share of samples whose best class is another one. */
export const shareDiffering = (before: Int32Array, after: Int32Array): number =>
  before.reduce((sum, one, i) => sum + (one === after[i] ? 0 : 1), 0) / before.length
