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
  const longer = copyModel(model)
  const { graph } = longer
  const known = new Set(graph.output.map(({ name }) => name))
  const computed = graph.node.filter(({ opType }) => opType !== 'Constant').flatMap(({ output }) => output)
  const values = computed.filter((name) => name !== '' && !known.has(name))
  graph.output.push(...values.map(makeUntypedOutput))
  const batch = fixedBatchOf(input) ?? FEW
  const tensor = await samples.batch(Array.from({ length: batch }, (_, i) => i % samples.count))
  const observed = new Map([[input.name, observedOf(tensor)]])
  try {
    const execution = await execute(writeModel(longer), { signal })
    try {
      const results = await execution.run({ [input.name]: tensor }, { signal })
      for (const [name, result] of Object.entries(results)) observed.set(name, observedOf(result))
    } finally {
      await execution.close()
    }
  } catch (error) {
    throwIfAborted(signal)
    throw new HardpackError('UNSUPPORTED_MODEL', `The model expected to take the samples, got: ${messageOf(error)}`, {
      hint: 'Check the samples, and how they are prepared.',
      cause: error,
    })
  }
  return observed
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
