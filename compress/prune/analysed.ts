/** A model made ready to be analysed: its batch is opened where it can be, and every layer in float32 has a bias to correct. */

import { type CallOptions, HardpackError } from '../../sdk/core/index.ts'
import { type Model, openBatch } from '../../sdk/onnx/index.ts'
import { withBiases } from './biases.ts'
import { analyse } from './groups/analyse.ts'
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
  const lacking = first.contractions.filter(({ bias, weight }) => bias === undefined && isFloat(first.model, weight))
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
