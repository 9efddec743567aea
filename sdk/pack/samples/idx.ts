/**
 * IDX files, as MNIST and its relatives come: a 4-byte magic (0, 0, element type, rank), the dimensions as big-endian
 * 32-bit numbers, then the elements (LeCun, Cortes, Burges). Bytes only; gzipped or not.
 */

import { gunzipSync } from 'node:zlib'
import { elementCount, HardpackError, messageOf, viewOf } from '../../core/index.ts'
import { readWhole } from '../file.ts'

/** MNIST's training images take 47 MB. */
const MOST_BYTES = 2 ** 30

export interface Idx {
  readonly shape: readonly number[]
  readonly data: Uint8Array
}

/** Whether a name is that of an IDX file, such as `t10k-images-idx3-ubyte.gz`. */
export function isIdxName(name: string): boolean {
  return /[-.]idx\d(-ubyte)?(\.gz)?$/.test(name)
}

/** The names that the labels of an IDX file of images may have, beside it. */
export function idxLabelNames(name: string): string[] {
  if (!/images/.test(name)) return []
  const labels = name.replace(/images([-.])idx\d/, 'labels$1idx1')
  return [labels, labels.endsWith('.gz') ? labels.slice(0, -3) : `${labels}.gz`]
}

/**
 * Reads an IDX file of bytes whole.
 *
 * @throws HardpackError `IO`, or `INVALID_INPUT` that names the file when it is no IDX file of bytes, or unpacks to more than
 *   1 GiB.
 * @example
 * (await readIdx('t10k-images-idx3-ubyte.gz')).shape // [10000, 28, 28]
 */
export async function readIdx(path: string): Promise<Idx> {
  const refuse = (got: string, cause?: unknown) =>
    new HardpackError('INVALID_INPUT', `"${path}" expected an IDX file of bytes, got ${got}.`, {
      hint: 'Download it again, or save the images as .npy.',
      cause,
    })
  let bytes = await readWhole(path)
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      bytes = gunzipSync(bytes, { maxOutputLength: MOST_BYTES })
    } catch (error) {
      throw refuse(`gzip that does not unpack (${messageOf(error)})`, error)
    }
  }
  const rank = bytes[3]
  const header = 4 + 4 * rank
  if (bytes.length < 8 || bytes[0] !== 0 || bytes[1] !== 0 || bytes[2] !== 8 || rank < 1 || bytes.length < header)
    throw refuse('another file')
  const view = viewOf(bytes)
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i))
  if (bytes.length - header !== elementCount(shape)) {
    throw refuse(`${bytes.length - header} elements for [${shape.join(',')}]`)
  }
  return { shape, data: bytes.subarray(header) }
}
