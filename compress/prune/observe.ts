/**
 * Shapes by execution: one run of a few samples with every intermediate as an output says the type and shape of each value,
 * whatever the graph computes them from. No shape inference is needed, and symbolic dimensions have their sizes.
 */

import { type CallOptions, HardpackError, messageOf, type Tensor, throwIfAborted } from '../../sdk/core/index.ts'
import { feedsOf, type Model, makeUntypedOutput, type ValueInfoProto, writeModel } from '../../sdk/onnx/index.ts'
import { copyModel } from './groups/unshare.ts'
import type { Execute, Observed, Samples } from './types.ts'

/** Two samples, so that no axis of them looks like one that can be left out. */
const FEW = 2

/** Their halves, thirds and quarters, as whole numbers, differ too. */
const TELLING = [2, 7]

/** Integers of larger tensors are no shapes. */
const SMALL = 64

const INTEGERS = new Set(['int64', 'int32', 'bool'])

/**
 * What one run says of each value that the main graph computes, and of its input.
 *
 * @param execute opens a model; graph optimisation is its business
 * @throws HardpackError `UNSUPPORTED_MODEL` for a model with several inputs, or that does not take the samples.
 * @example
 * (await observeValues(model, samples, execute)).get('logits') // { dtype: 'float32', shape: [2, 10] }
 */
export async function observeValues(
  model: Model,
  samples: Samples,
  execute: Execute,
  { signal }: CallOptions = {},
): Promise<Map<string, Observed>> {
  const input = inputOf(model)
  const computed = model.graph.node.filter(({ opType }) => opType !== 'Constant').flatMap(({ output }) => output)
  const values = computed.filter((name) => name !== '')
  const tensor = await firstSamples(samples, fixedBatchOf(input) ?? FEW)
  const observed = new Map([[input.name, observedOf(tensor)]])
  try {
    const [results] = await runsOf(model, values, [tensor], execute, { signal })
    for (const [name, result] of Object.entries(results)) observed.set(name, observedOf(result))
  } catch (error) {
    throwIfAborted(signal)
    throw new HardpackError('UNSUPPORTED_MODEL', `The model expected to take the samples, got: ${messageOf(error)}`, {
      hint: 'Check the samples, and how they are prepared.',
      cause: error,
    })
  }
  return observed
}

/**
 * Batches that tell which sizes of values follow the batch: two of different sizes, or the one that is fixed.
 *
 * @returns none where another size of the input is open
 */
export async function tellingBatches(model: Model, samples: Samples): Promise<Tensor[]> {
  const [input] = feedsOf(model.graph)
  const dims = input.type?.tensorType?.shape?.dim
  if (!dims || dims.slice(1).some(({ value }) => value !== 'dimValue')) return []
  const fixed = fixedBatchOf(input)
  return Promise.all((fixed === undefined ? TELLING : [fixed]).map((count) => firstSamples(samples, count)))
}

/** The first samples; from the beginning again where there are fewer. */
export function firstSamples(samples: Samples, count: number): Promise<Tensor> {
  return samples.batch(Array.from({ length: count }, (_, i) => i % samples.count))
}

/**
 * Runs a model with one input.
 *
 * @param values what of it is an output, too
 * @param batches of samples, one a run
 * @returns the outputs of each run
 */
export async function runsOf(
  model: Model,
  values: readonly string[],
  batches: readonly Tensor[],
  execute: Execute,
  { signal }: CallOptions,
): Promise<Record<string, Tensor>[]> {
  const longer = copyModel(model)
  const { graph } = longer
  const known = new Set(graph.output.map(({ name }) => name))
  graph.output.push(...values.filter((name) => !known.has(name)).map(makeUntypedOutput))
  const [input] = feedsOf(graph)
  const execution = await execute(writeModel(longer), { signal })
  try {
    const runs: Record<string, Tensor>[] = []
    for (const batch of batches) runs.push(await execution.run({ [input.name]: batch }, { signal }))
    return runs
  } finally {
    await execution.close()
  }
}

/** The one input that a model has. */
function inputOf(model: Model): ValueInfoProto {
  const inputs = feedsOf(model.graph)
  if (inputs.length !== 1) {
    throw new HardpackError('UNSUPPORTED_MODEL', `Pruning expected a model with one input, got ${inputs.length}.`, {
      hint: 'Give the other inputs as initializers.',
    })
  }
  return inputs[0]
}

/** How many samples a model takes at once, where its first dimension is fixed. */
export function fixedBatchOf({ type }: ValueInfoProto): number | undefined {
  const first = type?.tensorType?.shape?.dim[0]
  return first?.value === 'dimValue' ? Number(first.dimValue) : undefined
}

function observedOf({ dtype, shape, data }: Tensor): Observed {
  const observed = { dtype, shape: [...shape] }
  return INTEGERS.has(dtype) && data.length <= SMALL ? { ...observed, integers: Array.from(data, Number) } : observed
}
