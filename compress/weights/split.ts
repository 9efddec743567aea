/** Tensors into chunks of about 1 MiB, in the order given: whole tensors, or runs of leading rows of large ones. */

import { elementCount } from '../../sdk/core/index.ts'
import type { WeightTensor } from '../types.ts'
import { ELEMENTS, streamOf } from './elements.ts'
import { MAX_PATTERN, MAX_SEGMENTS } from './header.ts'

const CHUNK_BYTES = 1 << 20
/** A last chunk smaller than this joins the one before: a chunk costs its manifest entry and its tables. */
const LEAST_CHUNK = 1 << 18
/** Row length given to long vectors. */
const VECTOR_ROW = 1 << 12

/** A run of a tensor's bytes that becomes one segment. */
export interface Part {
  readonly tensor: number
  readonly bytes: Uint8Array
  /** The stream that may code it; `undefined` for bytes only. */
  readonly stream: number | undefined
  /** Its elements' dimensions, without any of size 1; bytes where there is no stream. */
  readonly dims: readonly number[]
  /** The same bytes of the tensor's base. */
  readonly base: Uint8Array | undefined
}

/** Cuts a tensor into parts that a segment can hold, none over the chunk size. */
function partsOf(tensor: WeightTensor, index: number): Part[] {
  const stream = streamOf(tensor.dtype)
  const width = stream === undefined ? 1 : ELEMENTS[stream].bytes
  const count = tensor.bytes.length / width
  const parts: Part[] = []
  let position = 0
  const push = (dims: readonly number[]): void => {
    const length = elementCount(dims) * width
    const end = position + length
    parts.push({
      tensor: index,
      bytes: tensor.bytes.subarray(position, end),
      stream,
      dims,
      base: tensor.base?.subarray(position, end),
    })
    position = end
  }
  const cut = (dims: readonly number[]): void => {
    if (dims.length <= 1) {
      const size = dims[0] ?? 1
      if (stream === undefined || size <= MAX_PATTERN) {
        for (let left = size; left > 0; left -= CHUNK_BYTES / width) push([Math.min(left, CHUNK_BYTES / width)])
        return
      }
      const rows = Math.floor(size / VECTOR_ROW)
      const most = CHUNK_BYTES / width / VECTOR_ROW
      for (let row = 0; row < rows; row += most) push([Math.min(most, rows - row), VECTOR_ROW])
      if (size % VECTOR_ROW > 0) push([size % VECTOR_ROW])
      return
    }
    const unit = elementCount(dims.slice(1))
    const last = dims[dims.length - 1]
    if (last > MAX_PATTERN || unit * width > CHUNK_BYTES) {
      for (let row = 0; row < dims[0]; row++) cut(dims.slice(1))
      return
    }
    const pieces = Math.ceil((dims[0] * unit * width) / CHUNK_BYTES)
    const most = Math.ceil(dims[0] / pieces)
    for (let row = 0; row < dims[0]; row += most) push([Math.min(most, dims[0] - row), ...dims.slice(1)])
  }
  // The bytes of a wider integer are the innermost dimension, so that each place gets a class of its own.
  const places = count / elementCount(tensor.shape)
  // Half a byte is no part: rows of an odd number of nibbles are one long row.
  const odd = width < 1 && (tensor.shape.at(-1) ?? 1) % 2 !== 0
  if (count > 0) cut(stream === undefined || odd ? [count] : [...tensor.shape, places].filter((dim) => dim !== 1))
  return parts
}

/** The parts of each chunk. */
export function splitTensors(tensors: readonly WeightTensor[]): Part[][] {
  const chunks: Part[][] = []
  let open: Part[] = []
  let size = 0
  for (let index = 0; index < tensors.length; index++) {
    for (const part of partsOf(tensors[index], index)) {
      if (size > 0 && (size + part.bytes.length > CHUNK_BYTES + LEAST_CHUNK || open.length === MAX_SEGMENTS)) {
        chunks.push(open)
        open = []
        size = 0
      }
      open.push(part)
      size += part.bytes.length
    }
  }
  const before = chunks.at(-1)
  if (before && size < LEAST_CHUNK && before.length + open.length <= MAX_SEGMENTS) before.push(...open)
  else if (size > 0) chunks.push(open)
  return chunks
}
