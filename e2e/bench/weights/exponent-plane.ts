/**
 * A baseline in the manner of ZipNN (Hershcovitch et al., "ZipNN: Lossless Compression for AI Models", 2024): exponents form
 * a plane of their own, coded without context; signs and mantissas are left as they are. ZipNN codes with Huffman's codes;
 * here a static arithmetic code with 12-bit frequencies stands in, which is never larger.
 */

import type { DType } from '../../../sdk/core/index.ts'

interface Layout {
  readonly bytes: 2 | 4
  readonly mantissaBits: number
  readonly exponentBits: number
}

const LAYOUTS: Partial<Record<DType, Layout>> = {
  float32: { bytes: 4, mantissaBits: 23, exponentBits: 8 },
  bfloat16: { bytes: 2, mantissaBits: 7, exponentBits: 8 },
  float16: { bytes: 2, mantissaBits: 10, exponentBits: 5 },
}

const TOTAL = 1 << 12
/** The state of the coder when it ends. */
const STATE_BITS = 32

/** How often each exponent occurs in the little-endian elements of a tensor. */
function countExponents(bytes: Uint8Array, { bytes: size, mantissaBits, exponentBits }: Layout): Uint32Array {
  const counts = new Uint32Array(1 << exponentBits)
  // Sign and exponent are the two upper bytes of every type; a float32's exponent begins 16 bits higher.
  const shift = size === 4 ? mantissaBits - 16 : mantissaBits
  for (let i = size - 2; i < bytes.length; i += size) {
    counts[((bytes[i] | (bytes[i + 1] << 8)) >> shift) & (counts.length - 1)]++
  }
  return counts
}

/** Integer frequencies that sum to 2^12, at least 1 where a symbol occurs. */
function frequencies(counts: Uint32Array): Uint32Array {
  const total = counts.reduce((sum, count) => sum + count, 0)
  const scaled = counts.map((count) => (count === 0 ? 0 : Math.max(1, Math.floor((count * TOTAL) / total))))
  let left = TOTAL - scaled.reduce((sum, f) => sum + f, 0)
  // One at a time to (or from) the symbol to which a step means most (or least): at most 256 steps.
  for (; left !== 0; left -= Math.sign(left)) {
    const step = Math.sign(left)
    let best = -1
    let bestGain = Number.NEGATIVE_INFINITY
    for (let s = 0; s < scaled.length; s++) {
      if (counts[s] === 0 || scaled[s] + step < 1) continue
      const gain = counts[s] * Math.log2((scaled[s] + step) / scaled[s])
      if (gain > bestGain) [best, bestGain] = [s, gain]
    }
    scaled[best] += step
  }
  return scaled
}

/** Bits of a plane of symbols under its own static code: table, symbols and the coder's state. */
export function staticCodeBits(counts: Uint32Array): number {
  if (counts.every((count) => count === 0)) return 0
  let bits = counts.length + STATE_BITS
  for (const [s, f] of frequencies(counts).entries()) {
    if (counts[s] > 0) bits += 12 + counts[s] * Math.log2(TOTAL / f)
  }
  return bits
}

/**
 * Bytes that the baseline takes: one table for all tensors or one for each, whichever is smaller.
 *
 * @returns `undefined` when a tensor is not of a float type that has an exponent plane
 */
export function exponentPlaneBytes(
  tensors: readonly { readonly dtype: DType; readonly bytes: Uint8Array }[],
): number | undefined {
  let rawBits = 0
  let separate = 0
  const shared = new Uint32Array(256)
  for (const { dtype, bytes } of tensors) {
    const layout = LAYOUTS[dtype]
    if (!layout) return undefined
    const counts = countExponents(bytes, layout)
    counts.forEach((count, exponent) => {
      shared[exponent] += count
    })
    separate += staticCodeBits(counts)
    rawBits += (bytes.length / layout.bytes) * (layout.mantissaBits + 1)
  }
  return Math.ceil((rawBits + Math.min(separate, staticCodeBits(shared))) / 8)
}
