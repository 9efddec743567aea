/** NumPy's `.npy` files, format 1 to 3, little endian, C order: the header, and whole files. */

import {
  byteLength,
  type DType,
  elementCount,
  HardpackError,
  type Source,
  type Tensor,
  tensorOf,
} from '../../core/index.ts'

const TYPES: Readonly<Record<string, DType>> = {
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  i1: 'int8',
  u1: 'uint8',
  i2: 'int16',
  u2: 'uint16',
  i4: 'int32',
  u4: 'uint32',
  i8: 'int64',
  u8: 'uint64',
  b1: 'bool',
}

/** NumPy itself refuses longer headers unless told that the file is trusted. */
const LONGEST_HEADER = 10_000

export interface NpyHeader {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Where the elements begin. */
  readonly start: number
}

/**
 * What a `.npy` file holds, from its first bytes.
 *
 * @param head the file up to its elements or further
 * @param fileLength bytes of the whole file: it must hold exactly the elements
 * @param path names the file in errors
 * @throws HardpackError `INVALID_INPUT` for what is no such file.
 */
export function parseNpyHeader(head: Uint8Array, fileLength: number, path: string): NpyHeader {
  const refuse = (got: string) =>
    new HardpackError('INVALID_INPUT', `"${path}" expected a NumPy file in little-endian C order, got ${got}.`, {
      hint: 'Save it with numpy.save(path, numpy.ascontiguousarray(x)).',
    })
  if (head.length < 12 || String.fromCharCode(...head.subarray(0, 6)) !== '\x93NUMPY') throw refuse('another file')
  const view = new DataView(head.buffer, head.byteOffset, head.length)
  const wide = head[6] >= 2
  const first = wide ? 12 : 10
  const length = wide ? view.getUint32(8, true) : view.getUint16(8, true)
  const start = first + length
  if (start > fileLength) throw refuse('a file that is cut short')
  if (length > LONGEST_HEADER || start > head.length) throw refuse(`a header of ${length} bytes`)
  const header = new TextDecoder().decode(head.subarray(first, start))
  const type = /'descr':\s*'[<|]([fiub][1248])'/.exec(header)?.[1]
  const shape = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1]
  const dtype = type === undefined ? undefined : TYPES[type]
  if (dtype === undefined || shape === undefined || !/'fortran_order':\s*False/.test(header))
    throw refuse(header.trim())
  const dims = shape
    .split(',')
    .filter((dim) => dim.trim() !== '')
    .map(Number)
  if (fileLength - start !== byteLength(dtype, elementCount(dims)))
    throw refuse(`${fileLength - start} bytes for [${dims.join(',')}]`)
  return { dtype, shape: dims, start }
}

/**
 * The array of a whole file.
 *
 * @throws HardpackError as `parseNpyHeader` does.
 */
export function parseNpy(bytes: Uint8Array, path: string): Tensor {
  const { dtype, shape, start } = parseNpyHeader(bytes, bytes.length, path)
  return tensorOf(dtype, shape, bytes.subarray(start))
}

/** What a file holds, without reading its elements. */
export async function readNpyHeader(source: Source, path: string): Promise<NpyHeader> {
  const head = await source.read(0, Math.min(source.byteLength, LONGEST_HEADER + 12))
  return parseNpyHeader(head, source.byteLength, path)
}
