/**
 * Statistics of live BatchNormalization nodes, estimated anew on what they read in the pruned net, from the input on: each depends on
 * those before it.
 */

import type { CallOptions, Tensor } from '../../sdk/core/index.ts'
import type { NodeProto } from '../../sdk/onnx/index.ts'
import { beside, downstream, waves } from './parts.ts'
import { channelMomentsOf } from './statistics.ts'
import type { Analysis, Execute, Samples } from './types.ts'
import { initializersOf, type Tensors } from './weights.ts'

const [MEAN, VARIANCE] = [3, 4]

/**
 * Means and variances of the nodes that some changes reach.
 *
 * @param values the initializers of the pruned net that differ from the model's
 * @returns those, and the new statistics
 */
export async function reestimated(
  { model }: Pick<Analysis, 'model'>,
  values: Tensors,
  samples: Samples,
  execute: Execute,
  options: CallOptions & { readonly indices?: readonly number[] },
): Promise<Map<string, Tensor>> {
  const reached = downstream(model, values.keys())
  const constants = initializersOf(
    model,
    model.graph.node.filter(isNorm).flatMap(({ input }) => input.slice(MEAN)),
  )
  const nodes = model.graph.node.filter(
    (node) => isNorm(node) && reached.has(node.input[0]) && constants.get(node.input[MEAN])?.dtype === 'float32',
  )
  const changed = new Map(values)
  for (const { wave } of waves(model, nodes, (node) => ({ weight: node.input[MEAN], input: node.input[0] }))) {
    const { model: both, second } = beside(model, changed)
    const inputs = wave.map(({ input }) => second(input[0]))
    const moments = await channelMomentsOf(both, inputs, samples, execute, options)
    for (const [i, { input }] of wave.entries()) {
      const { mean, variance } = moments[i]
      changed.set(input[MEAN], { dtype: 'float32', shape: [mean.length], data: Float32Array.from(mean) })
      changed.set(input[VARIANCE], { dtype: 'float32', shape: [mean.length], data: Float32Array.from(variance) })
    }
  }
  return changed
}

const isNorm = ({ opType, domain, input }: NodeProto): boolean =>
  opType === 'BatchNormalization' && domain === '' && input.length > VARIANCE
