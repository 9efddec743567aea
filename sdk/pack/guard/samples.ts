/** Samples, and a model run over them: what fitting and calibration have in common. */

import type { Session } from '../../../targets/types.ts'
import { type CallOptions, elementCount, HardpackError, type Tensor, throwIfAborted } from '../../core/index.ts'
import { filled } from '../../run/rows.ts'
import type { SampleSet } from '../samples/index.ts'

/** What a guard needs of a set of samples. */
export type Samples = Pick<SampleSet, 'batch' | 'classes' | 'count' | 'format' | 'labels'>

/** Larger ones are hardly faster. */
const BATCH = 64

/** How many samples a graph takes at once, where its first dimension is fixed. */
export function fixedBatchOf(shape: readonly (number | string)[]): number | undefined {
  const [first] = shape
  return typeof first === 'number' ? first : undefined
}

/**
 * Runs a session over samples, in order. A graph of a fixed batch gets the last sample again where there are too few.
 *
 * @param feeds further inputs of a batch of these positions among `indices`, such as the logits of another pass
 * @returns of each output: rows as many as samples, one after another
 * @throws HardpackError `UNSUPPORTED_MODEL` for outputs without a row a sample, and as `session.run` does.
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
  }: CallOptions & { stage: string; feeds?: (positions: readonly number[]) => Record<string, Tensor> },
): Promise<Record<string, { columns: number; data: Float32Array }>> {
  const fixed = fixedBatchOf(session.inputs.find(({ name }) => name === input)?.shape ?? [])
  const size = fixed ?? BATCH
  const rows: Record<string, { columns: number; data: Float32Array }> = {}
  for (let start = 0; start < indices.length; start += size) {
    throwIfAborted(signal)
    onProgress?.({ stage, done: start, total: indices.length })
    const wanted = Array.from({ length: Math.min(size, indices.length - start) }, (_, i) => start + i)
    const positions = fixed === undefined ? wanted : filled(wanted, size)
    const tensor = await samples.batch(positions.map((position) => indices[position]))
    const results = await session.run({ [input]: tensor, ...feeds?.(positions) }, { outputs, signal })
    for (const name of outputs) {
      const { shape, data } = results[name]
      const columns = elementCount(shape) / positions.length
      if (!Number.isSafeInteger(columns)) {
        throw new HardpackError(
          'UNSUPPORTED_MODEL',
          `Output "${name}" expected a row for each of ${positions.length} samples, got the shape [${shape}].`,
          { hint: 'A guard needs a model whose outputs have one row a sample.' },
        )
      }
      rows[name] ??= { columns, data: new Float32Array(indices.length * columns) }
      rows[name].data.set((data as Float32Array).subarray(0, wanted.length * columns), start * columns)
    }
  }
  onProgress?.({ stage, done: indices.length, total: indices.length })
  return rows
}
