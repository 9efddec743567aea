/** Encodes a chunk of copies: the other side of `decode.ts`. */

import { byteLength, concat, type DType, elementCount, viewOf } from '../../sdk/core/index.ts'
import { bitWriter } from '../coder/bit-writer.ts'
import { CODECS, type EncodedChunk, type WeightTensor } from '../types.ts'
import { type Elements, parse } from './parse.ts'
import { codeFrame, LENGTH_BYTES, MAX_COPIED, type Token, tokenCoder } from './tokens.ts'

/** Bytes that are looked up together: a single element of four bytes is found again, but not one of two. */
const GRAM_BYTES = 4
/** Copies are tried on tensors of which this share of the elements came before. */
const LEAST_SHARE = 1 / 4
/** Elements by which that is judged: of many, some repeat by chance. */
const SAMPLE = 1 << 16

const isFloat = (dtype: DType): boolean => dtype.includes('float')

/** Numbers for elements: the same for the same bytes but for the sign bit of a float. */
function elementsOf({ dtype, bytes }: WeightTensor, limit = Number.POSITIVE_INFINITY): Elements {
  const unit = byteLength(dtype, 1)
  const count = Math.min(limit, bytes.length / unit)
  const view = viewOf(bytes)
  const ids = new Int32Array(count)
  const signs = new Uint8Array(count)
  const known = new Map<number | bigint, number>()
  for (let i = 0; i < count; i++) {
    const at = i * unit
    let value: number | bigint
    if (unit === 8) value = view.getBigUint64(at, true)
    else value = unit === 4 ? view.getUint32(at, true) : unit === 2 ? view.getUint16(at, true) : bytes[at]
    if (isFloat(dtype)) {
      signs[i] = bytes[at + unit - 1] >> 7
      if (signs[i]) value = typeof value === 'bigint' ? value - (1n << 63n) : value - 2 ** (8 * unit - 1)
    }
    let id = known.get(value)
    if (id === undefined) {
      id = known.size
      known.set(value, id)
    }
    ids[i] = id
  }
  return { ids, signs, gram: Math.max(1, GRAM_BYTES / unit), literalBits: literalBits(bytes, unit) }
}

/** Bits of an element by the frequencies of each of its bytes. */
function literalBits(bytes: Uint8Array, unit: number): number {
  const counts = new Uint32Array(256 * unit)
  for (let i = 0; i < bytes.length; i++) counts[256 * (i % unit) + bytes[i]]++
  const elements = bytes.length / unit
  let bits = 0
  for (const count of counts) if (count > 0) bits += count * Math.log2(elements / count)
  return bits / elements
}

/** Whether so much of a tensor came before, in pieces however short, that copies may be worth a try. */
export function looksCopied(tensor: WeightTensor): boolean {
  const { ids, gram } = elementsOf(tensor, SAMPLE)
  const seen = new Set<number>()
  let again = 0
  for (let at = 0; at + gram <= ids.length; at++) {
    let key = 0
    for (let i = 0; i < gram; i++) key = (Math.imul(key, 0x01000193) + ids[at + i]) | 0
    if (seen.has(key)) again++
    else seen.add(key)
  }
  return again > LEAST_SHARE * ids.length
}

/** The elements of a matrix column by column. */
function byColumns(bytes: Uint8Array, unit: number, columns: number): Uint8Array {
  const row = columns * unit
  const turned = new Uint8Array(bytes.length)
  for (let column = 0, position = 0; column < columns; column++) {
    for (let place = column * unit; place < bytes.length; place += row) {
      for (let byte = 0; byte < unit; byte++) turned[position++] = bytes[place + byte]
    }
  }
  return turned
}

/**
 * A tensor of at most 4 MiB as one chunk of copies, in whichever order of its elements is shorter.
 *
 * @param encodeLiterals encodes a vector of elements by any other codec
 */
export function encodeCopies(
  tensor: WeightTensor,
  encodeLiterals: (vector: WeightTensor) => EncodedChunk,
): EncodedChunk {
  const { dtype, shape, bytes } = tensor
  if (bytes.length > MAX_COPIED)
    throw new RangeError(`Copies expected at most ${MAX_COPIED} bytes, got ${bytes.length}.`)
  const unit = byteLength(dtype, 1)
  const inner = shape.filter((dim) => dim !== 1).slice(1)
  const orders = inner.length === 0 ? [1] : [1, elementCount(inner)]
  const encoded = orders.map((columns) => {
    const turned = columns === 1 ? bytes : byColumns(bytes, unit, columns)
    const tokens = parse(elementsOf({ dtype, shape, bytes: turned }))
    return encodeTokens(dtype, turned, columns, tokens, encodeLiterals)
  })
  const best = encoded.reduce((least, next) => (next.length < least.length ? next : least))
  return { codec: CODECS.copies, rawLength: bytes.length, bytes: best }
}

function encodeTokens(
  dtype: DType,
  bytes: Uint8Array,
  columns: number,
  tokens: readonly Token[],
  encodeLiterals: (vector: WeightTensor) => EncodedChunk,
): Uint8Array {
  const unit = byteLength(dtype, 1)
  const parts: Uint8Array[] = []
  let at = 0
  for (const token of tokens) {
    const count = 'literals' in token ? token.literals : token.length
    if ('literals' in token) parts.push(bytes.subarray(at, at + count * unit))
    at += count * unit
  }
  const fresh = concat(parts)
  const literals = fresh.length / unit
  const vector = encodeLiterals({ dtype, shape: [literals], bytes: fresh })
  const writer = bitWriter()
  codeFrame(writer, bytes.length, { unit, columns, codec: vector.codec, literals })
  const coder = tokenCoder(writer)
  let done = 0
  for (const token of tokens) {
    coder.code(done, bytes.length / unit - done, token)
    done += 'literals' in token ? token.literals : token.length
  }
  const header = writer.finish()
  const length = new Uint8Array(LENGTH_BYTES)
  viewOf(length).setUint32(0, header.length, true)
  return concat([length, header, vector.bytes])
}
