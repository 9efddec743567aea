/**
 * What goes into a chunk together: parts that share tables, and tensors that are smaller by themselves, as copies of their own
 * elements. The choice is by what everything takes in the end.
 */

import { byteLength, elementCount } from '../../sdk/core/index.ts'
import { encodeCopies, looksCopied } from '../copies/encode.ts'
import { sliceRanges } from '../ranges.ts'
import type { BaseRange, EncodedChunk, WeightTensor } from '../types.ts'
import type { Candidate } from './encode.ts'
import { type Part, splitTensors } from './split.ts'

/** What is left to encode of a tensor, and where its bytes are in that tensor. */
export interface Piece extends WeightTensor {
  readonly source: readonly BaseRange[]
}

/** A chunk, and what it holds of which piece, in order. */
export interface Filled {
  readonly chunk: EncodedChunk
  readonly shares: readonly {
    readonly piece: number
    readonly length: number
    readonly circuit: string
    readonly packedBytes: number
  }[]
}

type Encode = (parts: readonly Part[]) => Candidate

/** The longest run of a tensor that becomes a chunk of copies. */
const COPIES_BYTES = 1 << 20
/** What a chunk costs beside its bytes: its entry in the manifest, a range, padding. */
const CHUNK_COST = 112

const sizeOf = (chunks: readonly EncodedChunk[]): number =>
  chunks.reduce((sum, { bytes }) => sum + bytes.length + CHUNK_COST, 0)

/** The ranges of the base that a part lies beside. */
function baseOf({ tensor, bytes }: Part, pieces: readonly Piece[]): BaseRange[] {
  const { source, bytes: all } = pieces[tensor]
  return sliceRanges(source, bytes.byteOffset - all.byteOffset, bytes.length)
}

function filledBy(candidate: Candidate, parts: readonly Part[], pieces: readonly Piece[]): Filled {
  const { codec, rawLength, bytes, circuits, shares } = candidate
  const base = circuits.includes('Δ') ? parts.flatMap((part) => baseOf(part, pieces)) : undefined
  return {
    chunk: { codec, rawLength, bytes, ...(base && { base }) },
    shares: parts.map(({ tensor, bytes: own }, i) => {
      return { piece: tensor, length: own.length, circuit: circuits[i], packedBytes: shares[i] * bytes.length }
    }),
  }
}

function filledByCopies(piece: number, chunks: readonly EncodedChunk[]): Filled[] {
  return chunks.map((chunk) => {
    const { rawLength: length, bytes } = chunk
    return { chunk, shares: [{ piece, length, circuit: 'copies', packedBytes: bytes.length }] }
  })
}

/** A piece as chunks of copies, in runs of whole rows where a row fits a chunk. */
function encodeByCopies({ dtype, shape, bytes }: Piece, encode: Encode): EncodedChunk[] {
  const unit = byteLength(dtype, 1)
  const isPacked = byteLength(dtype, 2) === unit
  const inner = isPacked ? [] : shape.filter((dim) => dim !== 1).slice(1)
  const fits = elementCount(inner) * unit <= COPIES_BYTES
  const row = fits ? elementCount(inner) * unit : unit
  const step = Math.floor(COPIES_BYTES / row) * row
  const chunks: EncodedChunk[] = []
  for (let start = 0; start < bytes.length; start += step) {
    const run = bytes.subarray(start, start + step)
    const dims = [run.length / row, ...(fits ? inner : [])]
    const tensor: WeightTensor = { dtype: isPacked ? 'uint8' : dtype, shape: dims, bytes: run }
    chunks.push(encodeCopies(tensor, (vector) => encode(splitTensors([vector])[0])))
  }
  return chunks
}

/** Whether a piece fills chunks of its own, so that it need not be tried among others. */
export const isLarge = ({ bytes }: Piece): boolean => bytes.length > COPIES_BYTES

/** A large piece as chunks of copies, where it is smaller so; else nothing. */
export function encodeLarge(number: number, piece: Piece, encode: Encode): Filled[] {
  if (!looksCopied(piece)) return []
  const chunks = encodeByCopies(piece, encode)
  return sizeOf(chunks) < sizeOf(splitTensors([piece]).map(encode)) ? filledByCopies(number, chunks) : []
}

/**
 * The parts of a chunk, which are numbered by their pieces: in one chunk, or, where that is smaller, with chunks of copies in
 * place of some of its pieces.
 */
export function encodeGroup(parts: readonly Part[], pieces: readonly Piece[], encode: Encode): Filled[] {
  const whole = encode(parts)
  const sum = (piece: number, value: (part: Part, index: number) => number): number =>
    parts.reduce((total, part, i) => total + (part.tensor === piece ? value(part, i) : 0), 0)
  const copied = new Map<number, EncodedChunk[]>()
  for (const number of new Set(parts.map(({ tensor }) => tensor))) {
    const piece = pieces[number]
    const isWhole = sum(number, ({ bytes }) => bytes.length) === piece.bytes.length
    if (isLarge(piece) || !isWhole || !looksCopied(piece)) continue
    const chunks = encodeByCopies(piece, encode)
    if (sizeOf(chunks) < sum(number, (_, i) => whole.shares[i] * whole.bytes.length)) copied.set(number, chunks)
  }
  if (copied.size === 0) return [filledBy(whole, parts, pieces)]
  const others = parts.filter(({ tensor }) => !copied.has(tensor))
  const divided = [...copied].flatMap(([number, chunks]) => filledByCopies(number, chunks))
  if (others.length > 0) divided.unshift(filledBy(encode(others), others, pieces))
  return sizeOf(divided.map(({ chunk }) => chunk)) < sizeOf([whole]) ? divided : [filledBy(whole, parts, pieces)]
}
