/**
 * The elements of a `TensorProto`, wherever the exporter put them: `raw_data` and packed floats are views into the file;
 * integers and 16-bit floats stored as varints (`int32_data`, `int64_data`, `uint64_data`) are decoded.
 */

import {
  type Bytes,
  byteLength,
  concat,
  type DType,
  dtypeOf,
  elementCount,
  HardpackError,
  type Tensor,
  tensorOf,
} from '../core/index.ts'
import type { TensorProto } from './proto.ts'

const EXTERNAL = 1

/** Whether a tensor's payload lies in another file. */
export function isExternal(tensor: TensorProto): boolean {
  return tensor.dataLocation === EXTERNAL
}

/** How a tensor is called in an error. */
export function labelOf(tensor: TensorProto): string {
  return tensor.name ? `Tensor "${tensor.name}"` : 'A tensor without a name'
}

/**
 * Element type and shape.
 *
 * @throws HardpackError `UNSUPPORTED_MODEL` for a type without a fixed size (string, complex, unknown);
 *   `INVALID_MODEL` for dimensions that are negative or too large.
 */
export function typeAndShapeOf(tensor: TensorProto): { dtype: DType; shape: number[]; bytes: number } {
  const dtype = dtypeOf(tensor.dataType)
  if (!dtype) {
    throw new HardpackError(
      'UNSUPPORTED_MODEL',
      `${labelOf(tensor)} expected elements of a fixed size, got ONNX data type ${tensor.dataType}.`,
      { hint: 'Export the model with numeric tensors.' },
    )
  }
  const shape = tensor.dims.map(Number)
  const count = elementCount(shape)
  if (shape.some((dim) => dim < 0) || !Number.isSafeInteger(8 * count)) {
    throw new HardpackError(
      'INVALID_MODEL',
      `${labelOf(tensor)} expected dimensions from 0 up, got [${tensor.dims.join(', ')}].`,
      { hint: 'Export the model again.' },
    )
  }
  return { dtype, shape, bytes: byteLength(dtype, count) }
}

/** Decodes packed varints to little-endian elements of `width` bytes; bits above those are dropped. */
function unpackVarints(runs: readonly Uint8Array[], width: number, out: Bytes): boolean {
  let at = 0
  for (const run of runs) {
    let position = 0
    while (position < run.length) {
      if (at === out.length) return false
      for (let shift = 0; ; shift += 7) {
        if (position === run.length || shift > 63) return false
        const byte = run[position++]
        const bits = (byte & 0x7f) << (shift & 7)
        const i = shift >>> 3
        if (i < width) out[at + i] |= bits
        if (i + 1 < width) out[at + i + 1] |= bits >>> 8
        if (byte < 0x80) break
      }
      at += width
    }
  }
  return at === out.length
}

/** The little-endian bytes of a tensor; undefined when what is there does not make `length` bytes. */
function bytesOfPayload(tensor: TensorProto, dtype: DType, length: number): Uint8Array | undefined {
  if (Object.hasOwn(tensor, 'rawData')) return tensor.rawData.length === length ? tensor.rawData : undefined
  if (dtype === 'float32' || dtype === 'float64') {
    const runs = dtype === 'float32' ? tensor.floatData : tensor.doubleData
    const bytes = runs.length === 1 ? runs[0] : concat(runs)
    return bytes.length === length ? bytes : undefined
  }
  const runs =
    dtype === 'int64'
      ? tensor.int64Data
      : dtype === 'uint32' || dtype === 'uint64'
        ? tensor.uint64Data
        : tensor.int32Data
  const width = byteLength(dtype, 1)
  // A varint takes a byte or more, so a shape that promises more elements than that is not worth an allocation.
  if (length > width * runs.reduce((sum, run) => sum + run.length, 0)) return undefined
  const out = new Uint8Array(length)
  return unpackVarints(runs, width, out) ? out : undefined
}

/**
 * The value of a tensor; a view into the file where its bytes lie aligned there.
 *
 * @throws HardpackError `INVALID_MODEL` when the payload is not as long as shape × type says; `UNSUPPORTED_MODEL` for
 *   strings and other types without a fixed size; `EXTERNAL_DATA` when the payload lies in another file.
 * @example
 * payloadOf(model.graph.initializer[0]) // { dtype: 'float32', shape: [64, 3, 7, 7], data: Float32Array … }
 */
export function payloadOf(tensor: TensorProto): Tensor {
  if (isExternal(tensor)) {
    throw new HardpackError('EXTERNAL_DATA', `${labelOf(tensor)} expected its data in the model, got external data.`, {
      hint: 'Call inlineExternalData first.',
    })
  }
  const { dtype, shape, bytes } = typeAndShapeOf(tensor)
  const payload = bytesOfPayload(tensor, dtype, bytes)
  if (!payload) {
    throw new HardpackError(
      'INVALID_MODEL',
      `${labelOf(tensor)} expected ${bytes} bytes for ${dtype}[${shape.join(', ')}], got another amount.`,
      { hint: 'Export the model again.' },
    )
  }
  return tensorOf(dtype, shape, payload)
}
