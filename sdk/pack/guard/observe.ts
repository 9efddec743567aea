/** Values inside a model, looked at by running it: their types and shapes, and the rows that a detector is fitted on. */

import type { Target } from '../../../targets/types.ts'
import type { ValueEntry } from '../../container/manifest.ts'
import { type CallOptions, type DType, HardpackError, messageOf, throwIfAborted } from '../../core/index.ts'
import { appendToFile, type Fragment, makeUntypedOutput, type ValueInfoProto } from '../../onnx/index.ts'
import { filled } from '../../run/rows.ts'
import type { GraphFile } from '../graphs.ts'
import { fixedBatchOf, runSamples, type Samples } from './samples.ts'

/** Fitting is no place for a runtime that rewrites a graph wrongly. */
const OPTIMIZATION = 'basic'

export interface Observed {
  readonly dtype: DType
  readonly shape: readonly number[]
}

/**
 * Types and shapes of values of the main graph, for one batch of samples.
 *
 * @throws HardpackError `UNSUPPORTED_MODEL` where the model does not take the samples.
 */
export async function observe(
  { file, inputs, outputs }: GraphFile,
  values: readonly string[],
  samples: Samples,
  target: Target,
  { signal }: CallOptions,
): Promise<Map<string, Observed>> {
  const { file: longer } = appendToFile(file, { nodes: [], outputs: further(values, outputs) })
  const session = await target.create({ model: longer }, { optimization: OPTIMIZATION, signal })
  try {
    const [input] = inputs
    const few = Array.from({ length: Math.min(2, samples.count) }, (_, i) => i)
    const fixed = fixedBatchOf(input.shape)
    const tensor = await samples.batch(fixed === undefined ? few : filled(few, fixed))
    const results = await session.run({ [input.name]: tensor }, { signal })
    return new Map(values.map((name) => [name, { dtype: results[name].dtype, shape: results[name].shape }]))
  } catch (error) {
    throwIfAborted(signal)
    throw new HardpackError('UNSUPPORTED_MODEL', `The model expected to take the samples, got: ${messageOf(error)}`, {
      hint: 'Check the samples, and --preprocess.',
      cause: error,
    })
  } finally {
    await session.close()
  }
}

/** What makes outputs of values that are none. */
function further(values: readonly string[], outputs: readonly ValueEntry[]): ValueInfoProto[] {
  return values.filter((value) => !outputs.some(({ name }) => name === value)).map(makeUntypedOutput)
}

/** Rows of values that a fragment computes, for all samples. */
export async function collect(
  { file, inputs, outputs }: GraphFile,
  fragment: Fragment,
  values: readonly string[],
  samples: Samples,
  target: Target,
  options: CallOptions,
): Promise<Record<string, { columns: number; data: Float32Array }>> {
  const { nodes, initializers } = fragment
  const { file: longer } = appendToFile(file, { nodes, initializers, outputs: further(values, outputs) })
  const session = await target.create({ model: longer }, { optimization: OPTIMIZATION, signal: options.signal })
  try {
    const all = Array.from({ length: samples.count }, (_, i) => i)
    return await runSamples(session, inputs[0].name, samples, all, values, { ...options, stage: 'features of samples' })
  } finally {
    await session.close()
  }
}
