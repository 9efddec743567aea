/** Samples, and a model run over them: what fitting and calibration have in common. */

import type { Session } from '../../../targets/types.ts'
import { type CallOptions, elementCount, HardpackError, type Tensor, throwIfAborted } from '../../core/index.ts'
import type { SampleSet } from '../samples/index.ts'

/** What a guard needs of a set of samples. */
export type Samples = Pick<SampleSet, 'batch' | 'classes' | 'count' | 'format' | 'labels'>

/** Larger ones are hardly faster. */
const BATCH = 64

/** How many samples a graph takes at once: its first dimension, where that is fixed. */
export function batchSizeOf(shape: readonly (number | string)[]): number {
  const [first] = shape
  return typeof first === 'number' ? first : BATCH
}

/**
 * Runs a session over samples, in order.
 *
 * @param inputs further inputs of a batch, such as the logits of another pass
 * @returns of each output: rows as many as samples, one after another
 * @throws HardpackError `INVALID_ARGUMENT` for samples that the model does not take, and as `session.run` does.
 */
export async function runSamples(
  session: Session,
  input: string,
  samples: Samples,
  indices: readonly number[],
  outputs: readonly string[],
  {
    signal,
    onProgress,
    stage,
    feeds,
  }: CallOptions & { stage: string; feeds?: (start: number, end: number) => Record<string, Tensor> },
): Promise<Record<string, { columns: number; data: Float32Array }>> {
  const size = batchSizeOf(session.inputs.find(({ name }) => name === input)?.shape ?? [])
  const rows: Record<string, { columns: number; data: Float32Array }> = {}
  for (let start = 0; start < indices.length; start += size) {
    throwIfAborted(signal)
    onProgress?.({ stage, done: start, total: indices.length })
    const some = indices.slice(start, start + size)
    const tensor = await samples.batch(some)
    const results = await session.run({ [input]: tensor, ...feeds?.(start, start + some.length) }, { signal })
    for (const name of outputs) {
      const { shape, data } = results[name]
      const columns = elementCount(shape) / some.length
      if (!Number.isSafeInteger(columns)) {
        throw new HardpackError(
          'UNSUPPORTED_MODEL',
          `Output "${name}" expected a row for each of ${some.length} samples, got the shape [${shape}].`,
          { hint: 'A guard needs a model whose outputs have one row a sample.' },
        )
      }
      rows[name] ??= { columns, data: new Float32Array(indices.length * columns) }
      rows[name].data.set(data as Float32Array, start * columns)
    }
  }
  onProgress?.({ stage, done: indices.length, total: indices.length })
  return rows
}
