/**
 * A frontier: values of a graph, kept for samples, so that what lies behind them need not be run from the input again. Layers are
 * fitted one after another, each on what all before it give; with a frontier that moves along, that costs a few passes over the
 * net instead of one a layer.
 */

import { type CallOptions, elementCount } from '../../sdk/core/index.ts'
import { feedsOf, type Model } from '../../sdk/onnx/index.ts'
import { fixedBatchOf } from './observe.ts'
import { liveBefore, upstream } from './parts.ts'
import { BATCH, type Frontier, runOver } from './passes.ts'
import type { Analysis, Execute, Samples } from './types.ts'

/** Bytes that a frontier may take. */
const LIMIT = 2 ** 30

/** Where to move a frontier. */
export interface Move extends CallOptions {
  /** It comes to lie before the first node that makes one of these values. */
  readonly before: readonly string[]
  /** Positions in the set, in the order of the rows. */
  readonly indices: readonly number[]
  /** The graph that is run, and what it calls a value of the model, more than one where it holds several nets. */
  readonly model: Model
  readonly namesOf: (value: string) => readonly string[]
}

/**
 * Moves a frontier on.
 *
 * @param frontier where it lies; its rows are of the same samples, of these first and perhaps of more
 * @returns the same where the next would take too much memory
 */
export async function movedOn(
  { model: net, observed }: Pick<Analysis, 'model' | 'observed'>,
  frontier: Frontier,
  samples: Samples,
  execute: Execute,
  { before, indices, model, namesOf, signal }: Move,
): Promise<Frontier> {
  const [input] = feedsOf(net.graph)
  if (fixedBatchOf(input) !== undefined) return frontier
  const batch = observed.get(input.name)?.shape[0]
  const shapes = new Map<string, readonly number[]>()
  for (const value of liveBefore(net, before)) {
    const seen = observed.get(value)
    if (seen?.dtype !== 'float32' || seen.shape[0] !== batch) continue
    for (const name of namesOf(value)) shapes.set(name, seen.shape.slice(1))
  }
  const numbers = [...shapes.values()].reduce((sum, shape) => sum + elementCount(shape), 0)
  if (4 * numbers * indices.length > LIMIT) return frontier
  const moved = new Map([...frontier].filter(([name]) => shapes.has(name)))
  const missing = [...shapes].filter(([name]) => !moved.has(name))
  if (missing.length === 0) return moved
  const rows = new Map(
    missing.map(([name, shape]) => [name, { shape, data: new Float32Array(indices.length * elementCount(shape)) }]),
  )
  const part = upstream(model, [...rows.keys()], frontier)
  let done = 0
  for await (const { outputs, count } of runOver(part, samples, execute, {
    signal,
    stage: '',
    indices,
    batch: BATCH,
    frontier,
  })) {
    for (const [name, { shape, data }] of rows) {
      const { shape: found, data: numbers } = outputs[name]
      // Its first dimension only happened to be as large as the batch.
      if (found[0] !== count) rows.delete(name)
      else data.set(numbers as Float32Array, done * elementCount(shape))
    }
    done += count
  }
  return new Map([...moved, ...rows])
}
