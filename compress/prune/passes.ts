/** Passes over samples: a model, with nodes behind it that reduce what it computes, is run batch by batch, and the results are added up. */

import { type CallOptions, elementCount, type Tensor, throwIfAborted } from '../../sdk/core/index.ts'
import { type Fragment, feedsOf, type Model, makeUntypedOutput, writeModel } from '../../sdk/onnx/index.ts'
import { fixedBatchOf } from './observe.ts'
import { upstream } from './parts.ts'
import type { Execute, Samples } from './types.ts'
import { copyOf } from './weights.ts'

/** Samples of a run at most: the next batch takes the memory of the one before, and fresh memory costs more than starting a run. */
export const BATCH = 16

/** What a pass over samples adds up. */
export class Accumulator {
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

/** A value for samples, one after another. */
export interface Rows {
  /** Of one sample. */
  readonly shape: readonly number[]
  readonly data: Float32Array
}

/** Values by name, all for the same samples: what a pass may begin with, instead of the input (see `frontier.ts`). */
export type Frontier = ReadonlyMap<string, Rows>

/** What to run over which samples, in what batches. */
export interface Pass extends CallOptions {
  readonly stage: string
  /** Positions in the set; all unless told. */
  readonly indices?: readonly number[]
  readonly batch: number
  /** Values that the model takes as inputs; the row of a sample is where its position is in `indices`. */
  readonly frontier?: Frontier
}

/** Runs a model over samples and gives the outputs of each batch, and how many samples are in it. */
export async function* runOver(
  model: Model,
  samples: Samples,
  execute: Execute,
  { signal, onProgress, stage, indices, batch, frontier }: Pass,
): AsyncGenerator<{ outputs: Record<string, Tensor>; count: number }> {
  const all = indices ?? Array.from({ length: samples.count }, (_, i) => i)
  const inputs = feedsOf(model.graph).map((input) => ({ ...input, rows: frontier?.get(input.name) }))
  const own = inputs.find(({ rows }) => !rows)
  const size = (own && fixedBatchOf(own)) ?? batch
  const execution = await execute(writeModel(model), { signal })
  try {
    for (let start = 0; start + (size === batch ? 1 : size) <= all.length; start += size) {
      throwIfAborted(signal)
      onProgress?.({ stage, done: start, total: all.length })
      const chosen = all.slice(start, start + size)
      const feeds: Record<string, Tensor> = {}
      for (const { name, rows } of inputs) {
        feeds[name] = rows ? rowsFrom(rows, start, chosen.length) : await samples.batch(chosen)
      }
      yield { outputs: await execution.run(feeds, { signal }), count: chosen.length }
    }
    onProgress?.({ stage, done: all.length, total: all.length })
  } finally {
    await execution.close()
  }
}

/** The part of a model that a fragment reads, from a frontier on where there is one, with the fragment behind it. */
export function withFragment(model: Model, fragment: Fragment, outputs: readonly string[], frontier?: Frontier): Model {
  const longer = copyOf(model, {
    graph: copyOf(model.graph, {
      node: [...model.graph.node, ...fragment.nodes],
      initializer: [...model.graph.initializer, ...fragment.initializers],
      output: outputs.map(makeUntypedOutput),
    }),
  })
  return upstream(longer, outputs, frontier)
}

/** How many samples all values of a frontier have. */
export function rowsOf(frontier: Frontier): number {
  const rows = [...frontier.values()].map(({ shape, data }) => data.length / elementCount(shape))
  return rows.length > 0 ? Math.min(...rows) : 0
}

/** The samples from `start` on. */
function rowsFrom({ shape, data }: Rows, start: number, count: number): Tensor {
  const size = elementCount(shape)
  return { dtype: 'float32', shape: [count, ...shape], data: data.subarray(start * size, (start + count) * size) }
}
