/** Rows of a batch. */

import { byteLength, elementCount, type Tensor } from '../core/index.ts'

/**
 * Some rows of a tensor, in the order that is asked for; a row may be asked for twice.
 *
 * @param rows numbers of rows, below the first dimension
 * @example
 * rowsOf({ dtype: 'float32', shape: [3, 1], data: Float32Array.of(7, 8, 9) }, [2, 0]).data // 9, 7
 */
export function rowsOf({ dtype, shape, data }: Tensor, rows: readonly number[]): Tensor {
  const [count, ...dims] = shape
  const width = byteLength(dtype, elementCount(shape) / count) / data.BYTES_PER_ELEMENT
  const Type = data.constructor as new (length: number) => Tensor['data']
  const some = new Type(width * rows.length)
  for (const [k, row] of rows.entries()) some.set(data.subarray(width * row, width * (row + 1)) as never, width * k)
  return { dtype, shape: [rows.length, ...dims], data: some }
}

/** The rows of a chunk of a fixed size: the last row is repeated where there are too few. */
export function filled(rows: readonly number[], size: number): number[] {
  return Array.from({ length: size }, (_, i) => rows[Math.min(i, rows.length - 1)])
}
