/** For tests: onnxruntime-node as what executes, and samples in memory. */

import ort from 'onnxruntime-node'
import { elementCount, rng, type Tensor, tensorOf } from '../../sdk/core/index.ts'
import type { Execute, Samples } from './types.ts'

/** Opens a model on the CPU, in one thread. */
export const execute: Execute = async (model) => {
  const session = await ort.InferenceSession.create(model, { intraOpNumThreads: 1, logSeverityLevel: 3 })
  return {
    async run(feeds) {
      const given: Record<string, ort.Tensor> = {}
      for (const [name, { dtype, data, shape }] of Object.entries(feeds)) {
        given[name] = new ort.Tensor(dtype as ort.Tensor.Type, data as ort.Tensor.DataType, shape)
      }
      const results = await session.run(given)
      return Object.fromEntries(
        Object.entries(results).map(([name, { type, dims, data }]) => {
          const { buffer, byteOffset, byteLength } = data as Float32Array
          return [name, tensorOf(type as Tensor['dtype'], dims, new Uint8Array(buffer, byteOffset, byteLength))]
        }),
      )
    },
    close: () => session.release(),
  }
}

/** Samples of one tensor, `[count, …]`. */
export function samplesOf({ dtype, shape, data }: Tensor): Samples {
  const [count = 0, ...rest] = shape
  const size = elementCount(rest)
  return {
    count,
    async batch(indices) {
      const rows = new Float32Array(indices.length * size)
      for (const [row, index] of indices.entries()) {
        rows.set((data as Float32Array).subarray(index * size, (index + 1) * size), row * size)
      }
      return { dtype, shape: [indices.length, ...rest], data: rows }
    },
  }
}

/** Sums of three uniform numbers, less their mean. */
export function noise(shape: readonly number[], seed: number): Tensor {
  const { uniform } = rng(seed)
  const normal = () => uniform() + uniform() + uniform() - 1.5
  return { dtype: 'float32', shape, data: Float32Array.from({ length: elementCount(shape) }, normal) }
}
