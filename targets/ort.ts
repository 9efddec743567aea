/**
 * What onnxruntime-node and onnxruntime-web have in common: session options, tensors to and from ours, metadata, and
 * errors, which have no codes there.
 */

import type { InferenceSession, OnnxValue, TypedTensor } from 'onnxruntime-node'
import { arrayOf, HardpackError, isDType, messageOf, type Tensor, type TypedArray } from '../sdk/core/index.ts'
import type { Feeds, Graph, OptimizationLevel, ValueInfo } from './types.ts'

/** The part of an ONNX Runtime module that is used. */
export interface Ort {
  readonly InferenceSession: {
    create(model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession>
  }
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => TypedTensor<'float32'>
}

/** What goes wrong is thrown, so ONNX Runtime need not print it as well. */
export const LOG_FATAL = 4

/** ONNX Runtime's options for a graph: quiet, external data by path. */
export function ortOptions(
  graph: Graph,
  provider: string,
  optimization: OptimizationLevel = 'all',
): InferenceSession.SessionOptions {
  return {
    executionProviders: [provider],
    graphOptimizationLevel: optimization,
    logSeverityLevel: LOG_FATAL,
    ...(graph.externalData ? { externalData: graph.externalData.map(({ path, data }) => ({ path, data })) } : {}),
  }
}

const MAX_DIMENSION = 2 ** 31 - 1

/**
 * Inputs or outputs as we describe them. An unnamed dimension becomes `''`.
 *
 * @throws HardpackError `UNSUPPORTED_MODEL` for a value that is no tensor, or whose type has no fixed size (string).
 */
export function valueInfos(metadata: readonly InferenceSession.ValueMetadata[]): ValueInfo[] {
  return metadata.map((value) => {
    const type = value.isTensor ? value.type : 'no tensor'
    if (!value.isTensor || !isDType(type)) {
      throw new HardpackError(
        'UNSUPPORTED_MODEL',
        `Value "${value.name}" of the graph expected a tensor of numbers, got ${type}.`,
        { hint: 'Cut the graph before it.' },
      )
    }
    // onnxruntime-node says -1 for an unnamed dimension, onnxruntime-web the same as an unsigned number.
    const shape = value.shape.map((dim) => (typeof dim === 'number' && (dim < 0 || dim > MAX_DIMENSION) ? '' : dim))
    return { name: value.name, dtype: type, shape }
  })
}

/** Feeds as ONNX Runtime's tensors, over the same memory. They have passed `checkFeeds`. */
export function toOrt(ort: Ort, feeds: Feeds): Record<string, OnnxValue> {
  const values: Record<string, OnnxValue> = {}
  for (const [name, tensor] of Object.entries(feeds)) {
    // The constructor's overloads go by literal type names; the pair of type and array is known to match.
    values[name] = new ort.Tensor(tensor.dtype as 'float32', tensor.data as Float32Array, tensor.shape)
  }
  return values
}

/** Outputs as our tensors; a `Float16Array`, where the engine has one, becomes the bit patterns under it. */
export function fromOrt(values: Readonly<Record<string, OnnxValue>>): Record<string, Tensor> {
  const outputs: Record<string, Tensor> = {}
  for (const [name, value] of Object.entries(values)) {
    if (!isDType(value.type)) throw new Error(`output "${name}" is of type ${value.type}`)
    const data = value.data as TypedArray
    const ArrayType = arrayOf(value.type)
    outputs[name] = {
      dtype: value.type,
      shape: [...value.dims],
      data: data instanceof ArrayType ? data : new ArrayType(data.buffer, data.byteOffset, data.length),
    }
  }
  return outputs
}

/** The C++ file, line and function that ONNX Runtime puts in front of some reasons. */
const SOURCE_LOCATION = /\S*onnxruntime\S*\.(?:cc|h):\d+ .*?\) (?=[A-Z])/

/** ONNX Runtime's own words, without the prefix that every message of onnxruntime-web has. */
export function ortReason(error: unknown): string {
  return messageOf(error)
    .replace(/^.*?ERROR_MESSAGE: /, '')
    .replace(SOURCE_LOCATION, '')
    .replace(/[.\s]+$/, '')
}

/** The error of a graph that a runtime refused. */
export function refused(target: string, reason: string, cause?: unknown): HardpackError {
  return new HardpackError('UNSUPPORTED_MODEL', `Target ${target} expected a graph that it can load, got: ${reason}.`, {
    hint: 'Export the model again, with an opset and operators that this runtime knows.',
    cause,
  })
}

/** The error of a run that a runtime failed. */
export function failed(target: string, reason: string, cause?: unknown): HardpackError {
  return new HardpackError('TARGET_FAILED', `Target ${target} failed to run the graph: ${reason}.`, { cause })
}

/** The error of a call after `close()`. */
export function closed(): HardpackError {
  return new HardpackError('CLOSED', 'The session expected no call after close(), got one.', {
    hint: 'Open the model again.',
  })
}
