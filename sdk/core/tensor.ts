/** A tensor: element type, shape, and elements in row-major order. */

import { arrayOf, byteLength, type DType, elementCount, type TypedArray } from './dtype.ts'
import { HardpackError } from './errors.ts'

export interface Tensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Row-major; float16 and bfloat16 as bit patterns in a `Uint16Array`, bool as 0 and 1 in a `Uint8Array`. */
  readonly data: TypedArray
}

/** The little-endian bytes of a tensor's elements; a view, not a copy. */
export function bytesOf(tensor: Tensor): Uint8Array {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength)
}

/**
 * A tensor over little-endian bytes. A view where the bytes lie aligned, else a copy.
 *
 * @throws HardpackError `INVALID_ARGUMENT` when the bytes are not as long as shape × type says.
 * @example
 * tensorOf('float32', [2], new Uint8Array(8)).data // Float32Array [0, 0]
 */
export function tensorOf(dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  const expected = byteLength(dtype, elementCount(shape))
  if (bytes.length !== expected) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `Tensor ${dtype}[${shape.join(',')}] expected ${expected} bytes, got ${bytes.length}.`,
    )
  }
  const ArrayType = arrayOf(dtype)
  const width = (ArrayType as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT
  // Not slice(): a Node Buffer's is a view.
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes)
  return { dtype, shape, data: new ArrayType(aligned.buffer, aligned.byteOffset, bytes.length / width) }
}
