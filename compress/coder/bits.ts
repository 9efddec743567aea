/**
 * Adaptive binary coding of numbers. One description serves both directions: `code` takes the value to write, gives back
 * the value that holds, and a reader ignores what it is given. So a format is stated once, and its reader and its
 * writer cannot disagree.
 *
 * A model of a bit is 32 bits: 22 bits of probability that the bit is 1, and a count of up to 255 in the low 10 bits; it
 * moves by 1 / (count + 1.5) a step (the state map of Mahoney's lpaq).
 */

import { corrupt } from '../corrupt.ts'

export interface BitCoder {
  /**
   * @param probability that the bit is 1, from 1 to 65535, of 65536
   * @param bit the bit to write; ignored when reading
   */
  code(probability: number, bit: number): number
}

const COUNT_LIMIT = 255
const EVEN = 0x8000
const RECIPROCALS = /* @__PURE__ */ Int32Array.from({ length: COUNT_LIMIT + 1 }, (_, n) =>
  Math.floor(16384 / (2 * n + 3)),
)

/** `count` models that expect 0 and 1 alike. */
export function bitModels(count: number): Int32Array {
  return new Int32Array(count).fill(0x80000000 | 0)
}

export function codeBit(coder: BitCoder, models: Int32Array, index: number, bit: number): number {
  const model = models[index]
  const coded = coder.code(Math.max(1, model >>> 16), bit)
  const count = model & 1023
  const step = Math.imul(((coded << 22) - (model >>> 10)) >> 3, RECIPROCALS[count]) & ~1023
  models[index] = (model + step + (count < COUNT_LIMIT ? 1 : 0)) | 0
  return coded
}

/** A number of `width` bits, most significant first, each bit in the context of those before; `1 << width` models from `first` on. */
export function codeTree(coder: BitCoder, models: Int32Array, width: number, value: number, first = 0): number {
  let node = 1
  for (let bit = width - 1; bit >= 0; bit--) node = node * 2 + codeBit(coder, models, first + node, (value >>> bit) & 1)
  return node - (1 << width)
}

/** Models for `codeNumber`: 32 for the length in bits, and 4 a length for the two bits below the leading one. */
export const numberModels = (): Int32Array => bitModels(160)

/**
 * A number from 0 to 2^24 - 2, Elias gamma with an adaptive length and adaptive leading bits.
 *
 * @throws HardpackError `CHUNK_CORRUPT` for a length over 24 bits.
 */
export function codeNumber(coder: BitCoder, models: Int32Array, value: number): number {
  const given = 31 - Math.clz32(value + 1)
  let length = 0
  while (codeBit(coder, models, length, length < given ? 1 : 0)) {
    if (++length > 23) throw corrupt('a number below 2^24, got a larger one')
  }
  let number = 1
  for (let bit = length - 1; bit >= 0; bit--) {
    const next = ((value + 1) >>> bit) & 1
    const depth = length - 1 - bit
    number =
      number * 2 +
      (depth < 2
        ? codeBit(coder, models, 32 + length * 4 + (1 << depth) + (depth ? number & 1 : 0), next)
        : coder.code(EVEN, next))
  }
  return number - 1
}

/** The size from which `codeSigned` leaves unary, and the bits of what is above it. */
const FAR = 16
const FAR_BITS = 8
const FAR_MODELS = 36

/** Models for `codeSigned`: is it 0, its sign, the unary steps of its size for either sign, and a tree for sizes far out. */
export const signedModels = (): Int32Array => bitModels(FAR_MODELS + (1 << FAR_BITS))

/** A small signed number, at most 271 either way: zero, sign, size in unary with a model a step; from 16 on, in a tree. */
export function codeSigned(coder: BitCoder, models: Int32Array, value: number): number {
  if (codeBit(coder, models, 0, value === 0 ? 1 : 0)) return 0
  const negative = codeBit(coder, models, 1, value < 0 ? 1 : 0)
  const given = Math.abs(value)
  let size = 1
  while (size < FAR && codeBit(coder, models, size + (negative ? 18 : 1), size < given ? 1 : 0)) size++
  if (size === FAR) size += codeTree(coder, models, FAR_BITS, given - FAR, FAR_MODELS)
  return negative ? -size : size
}
