/** A model made ready to be analysed: its batch is opened where it can be, and every layer in float32 has a bias to correct. */

import { type CallOptions, HardpackError } from '../../sdk/core/index.ts'
import { type Model, type NodeProto, openBatch } from '../../sdk/onnx/index.ts'
import { withBiases } from './biases.ts'
import { analyse } from './groups/analyse.ts'
import { isPlain } from './groups/reading.ts'
import { observeValues } from './observe.ts'
import type { Analysis, Execute, Samples } from './types.ts'

const FLOAT = 1

const isFloat = ({ graph }: Model, name: string): boolean =>
  graph.initializer.some((tensor) => tensor.name === name && tensor.dataType === FLOAT)

/** The analysis of a model whose layers all have a bias, for batches of any size where it takes those. */
export async function analysed(
  model: Model,
  samples: Samples,
  execute: Execute,
  options: CallOptions,
): Promise<Analysis> {
  const { open, observed } = await opened(model, samples, execute, options)
  const first = analyse(open, observed)
  const nodes = new Map(first.model.graph.node.flatMap((node) => node.output.map((name) => [name, node])))
  const lacking = first.contractions.filter(({ output, bias, weight }) => {
    const node = nodes.get(output) as NodeProto
    // A third input that is no bias of its own is computed.
    return bias === undefined && isFloat(first.model, weight) && !node.input[2] && isPlain(node)
  })
  if (lacking.length === 0) return first
  const longer = withBiases(first, lacking)
  return analyse(longer.model, longer.observed)
}

async function opened(model: Model, samples: Samples, execute: Execute, { signal }: CallOptions) {
  const open = openBatch(model, 'n')
  try {
    const observed = await observeValues(open, samples, execute, { signal })
    const batch = observed.get(model.graph.input[0].name)?.shape[0]
    if (model.graph.output.every(({ name }) => observed.get(name)?.shape[0] === batch)) return { open, observed }
  } catch (error) {
    if (!(error instanceof HardpackError && error.code === 'UNSUPPORTED_MODEL')) throw error
  }
  return { open: model, observed: await observeValues(model, samples, execute, { signal }) }
}
