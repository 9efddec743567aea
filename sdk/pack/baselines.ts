/**
 * What others make of the same weights, to judge a circuit by.
 *
 * - *Order-0*: of floats, the entropy of the exponents, with sign and mantissa as they are, which is the bound of codecs with
 *   an exponent plane (Hershcovitch et al., "ZipNN: Lossless Compression for AI Models", 2024); of every other type, the entropy of
 *   each byte place. Each tensor has its own counts, and a table of them is not charged: a real coder is a little larger.
 * - *brotli -11*: all tensors in one stream with a window of 16 MiB, flushed after each, so that a tensor counts with the bytes
 *   that it adds. A repeat of an earlier tensor then costs brotli nothing either, and the sizes add up.
 */

import { once } from 'node:events'
import { setImmediate } from 'node:timers/promises'
import { constants, createBrotliCompress } from 'node:zlib'
import { byteLength, type CallOptions, type DType, throwIfAborted } from '../core/index.ts'

/** Bits of the exponent, and of the mantissa below it. */
const EXPONENTS: Partial<Record<DType, readonly [exponent: number, mantissa: number]>> = {
  float64: [11, 52],
  float32: [8, 23],
  float16: [5, 10],
  bfloat16: [8, 7],
}

/** Brotli is given this much at a time, so that progress and an abort are seen in between. */
const STEP = 1 << 18

/**
 * Bytes of a tensor under an order-0 code of its own, rounded up; see above.
 *
 * @param bytes little-endian elements
 * @example
 * orderZeroBytes('bfloat16', bytes) / bytes.length // about 0.66 for trained weights
 */
export function orderZeroBytes(dtype: DType, bytes: Uint8Array): number {
  const exponent = EXPONENTS[dtype]
  const width = byteLength(dtype, 1)
  if (!exponent) {
    let bits = 0
    for (let place = 0; place < width; place++) bits += entropyBits(countBytes(bytes, place, width))
    return Math.ceil(bits / 8)
  }
  const [exponentBits, mantissaBits] = exponent
  const rest = (bytes.length / width) * (mantissaBits + 1)
  return Math.ceil((rest + entropyBits(countExponents(bytes, width, exponentBits))) / 8)
}

function countBytes(bytes: Uint8Array, place: number, width: number): Uint32Array {
  const counts = new Uint32Array(256)
  for (let i = place; i < bytes.length; i += width) counts[bytes[i]]++
  return counts
}

/** Sign and exponent are within the two uppermost bytes of every type. */
function countExponents(bytes: Uint8Array, width: number, exponentBits: number): Uint32Array {
  const counts = new Uint32Array(1 << exponentBits)
  const shift = 15 - exponentBits
  for (let i = width - 2; i < bytes.length; i += width) {
    counts[((bytes[i] | (bytes[i + 1] << 8)) >> shift) & (counts.length - 1)]++
  }
  return counts
}

/** The entropy of all that was counted: Σ c · log2(total / c). */
function entropyBits(counts: Uint32Array): number {
  const total = counts.reduce((sum, count) => sum + count, 0)
  return counts.reduce((bits, count) => (count > 0 ? bits + count * Math.log2(total / count) : bits), 0)
}

/**
 * Bytes that each tensor adds to one `brotli -11` stream of all of them, in order. Takes about two seconds a megabyte.
 *
 * @throws HardpackError `ABORTED`.
 */
export async function brotliBytes(
  tensors: readonly Uint8Array[],
  { signal, onProgress }: CallOptions = {},
): Promise<number[]> {
  const stage = 'brotli -11'
  const total = tensors.reduce((sum, { length }) => sum + length, 0)
  const stream = createBrotliCompress({
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: total,
    },
  })
  let encoded = 0
  stream.on('data', (part: Uint8Array) => {
    encoded += part.length
  })
  const sizes: number[] = []
  let counted = 0
  let done = 0
  try {
    for (const bytes of tensors) {
      for (let start = 0; start < bytes.length; start += STEP) {
        throwIfAborted(signal)
        onProgress?.({ stage, done, total })
        const step = bytes.subarray(start, start + STEP)
        await new Promise<void>((resolve) => stream.write(step, () => resolve()))
        done += step.length
      }
      await new Promise<void>((resolve) => stream.flush(constants.BROTLI_OPERATION_FLUSH, resolve))
      await setImmediate() // What was flushed reaches the listener in a later tick.
      sizes.push(encoded - counted)
      counted = encoded
    }
  } finally {
    stream.destroy()
    await once(stream, 'close')
  }
  onProgress?.({ stage, done: total, total })
  return sizes
}
