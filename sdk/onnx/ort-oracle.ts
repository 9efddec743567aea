/** For tests: ONNX Runtime as the judge of what a model means. */

import ort from 'onnxruntime-node'
import { bytesOf, type Tensor } from '../core/index.ts'

/**
 * The outputs of a model, as element type, shape and bytes, without any graph optimisation.
 *
 * @param model the ONNX file, or its path, which finds external data beside it
 */
export async function runOrt(
  model: Uint8Array | string,
  feeds: Readonly<Record<string, Tensor>>,
): Promise<Record<string, { type: string; dims: readonly number[]; bytes: Uint8Array }>> {
  const options: ort.InferenceSession.SessionOptions = { graphOptimizationLevel: 'disabled', logSeverityLevel: 3 }
  const session =
    typeof model === 'string'
      ? await ort.InferenceSession.create(model, options)
      : await ort.InferenceSession.create(model, options)
  const ortFeeds: Record<string, ort.Tensor> = {}
  for (const [name, tensor] of Object.entries(feeds)) {
    const data = tensor.dtype === 'bool' ? new Uint8Array(bytesOf(tensor)) : tensor.data
    ortFeeds[name] = new ort.Tensor(tensor.dtype as ort.Tensor.Type, data as ort.Tensor.DataType, tensor.shape)
  }
  const outputs = await session.run(ortFeeds)
  await session.release()
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { type, dims, data }]) => {
      const { buffer, byteOffset, byteLength } = data as Float32Array
      return [name, { type, dims, bytes: new Uint8Array(buffer, byteOffset, byteLength).slice() }]
    }),
  )
}
