/** For tests: onnxruntime as the executor, and random samples. */

import { elementCount, rng, type Tensor, tensorOf } from '../../sdk/core/index.ts'
import { runOrt } from '../../sdk/onnx/ort-oracle.ts'
import type { Execute, Samples } from './types.ts'

export const execute: Execute = async (model) => ({
  async run(feeds) {
    const outputs = await runOrt(model, feeds)
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { type, dims, bytes }]) => [
        name,
        tensorOf(type as Tensor['dtype'], dims, bytes),
      ]),
    )
  },
  close: async () => {},
})

/** Samples of one shape, of uniform numbers in [−1, 1). */
export function randomSamples(shape: readonly number[], count = 4): Samples {
  return {
    count,
    batch: async (indices) => {
      const size = elementCount(shape)
      const data = new Float32Array(indices.length * size)
      for (const [row, index] of indices.entries()) {
        const { uniform } = rng(index, 77)
        for (let i = 0; i < size; i++) data[row * size + i] = 2 * uniform() - 1
      }
      return { dtype: 'float32', shape: [indices.length, ...shape], data }
    },
  }
}
