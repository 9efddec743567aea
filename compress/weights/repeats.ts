/**
 * Exact repeats, inside a tensor and across tensors, found before anything is encoded: a tensor is a list of ranges of
 * decoded chunks, so what occurs again is named again, and no decoder has to know.
 *
 * Source: Manber, "Finding Similar Files in a Large File System", USENIX 1994, with the roles of Tridgell's rsync
 * (1996): the hash of every aligned block is kept, a rolling hash of the same length (Karp and Rabin 1987) goes over every
 * element, and a match is compared and extended both ways. A tensor like an earlier one is found whatever its length.
 *
 * Blocks grow with the model, so that their number, and with it the memory and the ranges in the manifest, is bounded.
 */

import { byteLength, type CallOptions, concat, elementCount, equal, throwIfAborted } from '../../sdk/core/index.ts'
import { deflate } from '../bytes/encode.ts'
import type { WeightTensor } from '../types.ts'

/** A range costs about 8 bytes in the manifest, and a copy inside a tensor brings two. */
const RANGE_BYTES = 8
/** What a copy has to save, by the estimate below, for each range that it brings. */
const LEAST_GAIN = 6 * RANGE_BYTES
/** Bytes of a block: at least so many, and the 2^-15th part of all weights. A repeat is a block or more. */
const LEAST_BLOCK = 128
const SHARE_BITS = 15
/** Bytes after which others get their turn. */
const PAUSE = 1 << 22
/** Bytes on which the gain of a copy is estimated. */
const SAMPLE = 1 << 14
/** The share of what is left of a tensor that may be encoded twice so that the rest keeps its rows: a 16th. */
const LOST_SHARE = 16

/** A run of a tensor's bytes: encoded, or the same as bytes of this or an earlier tensor. */
export interface Run {
  readonly start: number
  readonly length: number
  readonly copy?: { readonly tensor: number; readonly start: number }
}

export interface Repeats {
  /** The runs of each tensor, in order. */
  readonly runs: readonly (readonly Run[])[]
  /** What is left to encode of each tensor, in one piece; `undefined` where it is all copies, or empty. */
  readonly rest: readonly (WeightTensor | undefined)[]
}

/**
 * Divides tensors into copies of what came before and the rest.
 *
 * The rest of a tensor keeps its rows: a copy is cut back to whole rows, unless a good part of the tensor would be encoded twice.
 *
 * @throws HardpackError `ABORTED`.
 * @example
 * const { runs, rest } = await findRepeats([tensor, tensor])
 * runs[1] // [{ start: 0, length: tensor.bytes.length, copy: { tensor: 0, start: 0 } }]
 * rest[1] // undefined
 */
export async function findRepeats(
  tensors: readonly WeightTensor[],
  { signal, onProgress }: CallOptions = {},
): Promise<Repeats> {
  const total = tensors.reduce((sum, { bytes }) => sum + bytes.length, 0)
  const size = 2 ** Math.ceil(Math.log2(Math.max(LEAST_BLOCK, total / 2 ** SHARE_BITS)))
  const indices = new Map<number, BlockIndex>()
  const whole = new Map<string, number[]>()
  const runs: Run[][] = []
  const rest: (WeightTensor | undefined)[] = []
  let done = 0
  let paused = 0
  for (const [number, tensor] of tensors.entries()) {
    const { bytes } = tensor
    if (done - paused > PAUSE) {
      await new Promise((resolve) => setTimeout(resolve))
      paused = done
    }
    throwIfAborted(signal)
    const key = `${bytes.length}:${digestOf(bytes)}`
    const alike = whole.get(key) ?? []
    const same = alike.find((other) => equal(tensors[other].bytes, bytes))
    if (same !== undefined && bytes.length > 0) {
      runs.push([{ start: 0, length: bytes.length, copy: { tensor: same, start: 0 } }])
      rest.push(undefined)
    } else {
      whole.set(key, [...alike, number])
      const unit = unitOf(tensor)
      const index = indices.get(unit) ?? blockIndex(size, unit, total)
      indices.set(unit, index)
      const divided = divide(tensor, copiesIn(tensors, number, index, runs), size)
      runs.push(divided.runs)
      rest.push(divided.rest)
    }
    done += bytes.length
    onProgress?.({ stage: 'find repeats', done, total })
  }
  return { runs, rest }
}

/** Bytes of an element; of 4-bit elements, which come in pairs, those of a pair. */
const unitOf = ({ dtype }: WeightTensor): number => byteLength(dtype, 1)

/** FNV-1a over words of 32 bits; what has equal digests is compared. */
function digestOf(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const words = bytes.length & ~3
  let hash = 0x811c9dc5 | 0
  for (let i = 0; i < words; i += 4) hash = Math.imul(hash ^ view.getInt32(i, true), 0x01000193) ^ (hash >>> 15)
  for (let i = words; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193)
  return hash
}

const MULTIPLIER = 0x2c1b3c6d

/** Where blocks of `size` bytes lie, by their hash: of blocks with the same hash, the first. */
interface BlockIndex {
  readonly size: number
  /** Bytes of a word: what a hash takes in at a time. */
  readonly word: number
  /** `MULTIPLIER` to the power of a block's words: what a word has become when it leaves the block. */
  readonly leaving: number
  readonly hashes: Int32Array
  /** Numbers of blocks; 0 where there is none. */
  readonly blocks: Int32Array
  /** By the number of the block. */
  readonly places: { readonly tensor: number; readonly start: number }[]
}

function blockIndex(size: number, unit: number, total: number): BlockIndex {
  const word = Math.min(4, unit)
  let leaving = 1
  for (let i = 0; i < size / word; i++) leaving = Math.imul(leaving, MULTIPLIER)
  const capacity = 2 ** Math.ceil(Math.log2(2 + (2 * total) / size))
  const hashes = new Int32Array(capacity)
  const blocks = new Int32Array(capacity)
  return { size, word, leaving, hashes, blocks, places: [{ tensor: 0, start: 0 }] }
}

/** The slot of a hash: where it is, or where it would be. */
function slotOf({ hashes, blocks }: BlockIndex, hash: number): number {
  const mask = hashes.length - 1
  let slot = (Math.imul(hash, 0x9e3779b1) >>> 7) & mask
  while (blocks[slot] !== 0 && hashes[slot] !== hash) slot = (slot + 1) & mask
  return slot
}

function wordReader(bytes: Uint8Array, word: number): (position: number) => number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (word === 4) return (position) => view.getInt32(position, true)
  if (word === 2) return (position) => view.getUint16(position, true)
  return (position) => bytes[position]
}

/** Bytes `[start, end)` of a tensor that lie in `tensor` from `from` on. */
interface Copy {
  readonly start: number
  readonly end: number
  readonly tensor: number
  readonly from: number
}

/** The copies in a tensor, ascending and disjoint; its blocks enter the index. */
function copiesIn(
  tensors: readonly WeightTensor[],
  number: number,
  index: BlockIndex,
  runs: readonly (readonly Run[])[],
): Copy[] {
  const { bytes } = tensors[number]
  const unit = unitOf(tensors[number])
  const { size, word, leaving, hashes, blocks, places } = index
  const read = wordReader(bytes, word)
  const hashAt = (at: number): number => {
    let hash = 0
    for (let i = at; i < Math.min(at + size, bytes.length); i += word)
      hash = (Math.imul(hash, MULTIPLIER) + read(i)) | 0
    return hash
  }
  const copies: Copy[] = []
  let free = 0
  let at = 0
  let hash = hashAt(0)
  while (at + size <= bytes.length) {
    const slot = slotOf(index, hash)
    const found = blocks[slot] === 0 ? undefined : extend(tensors, number, at, free, places[blocks[slot]], size)
    if (found !== undefined) {
      const ranges = rangesOf(runs[found.tensor], found)
      if (pays(bytes.subarray(found.start, found.end), unit, ranges)) copies.push(found)
      // A repeat that is not worth a copy is not looked at again either: constants are one repeat at every element.
      free = found.end
      at = found.end
      hash = hashAt(at)
      continue
    }
    if (blocks[slot] === 0 && at % size === 0) {
      hashes[slot] = hash
      blocks[slot] = places.push({ tensor: number, start: at }) - 1
    }
    if (at + unit + size > bytes.length) break
    for (let i = at; i < at + unit; i += word) {
      hash = (Math.imul(hash, MULTIPLIER) + read(i + size) - Math.imul(leaving, read(i))) | 0
    }
    at += unit
  }
  return copies
}

/** The whole of a match, extended both ways by elements, not before `free`; `undefined` when only the hashes match. */
function extend(
  tensors: readonly WeightTensor[],
  number: number,
  at: number,
  free: number,
  place: BlockIndex['places'][number],
  size: number,
): Copy | undefined {
  const own = tensors[number].bytes
  const other = tensors[place.tensor].bytes
  const unit = unitOf(tensors[number])
  const shift = place.start - at
  // A copy inside a tensor does not reach into itself.
  const longest = place.tensor === number ? -shift : own.length
  const limit = Math.min(own.length, other.length - shift, at + longest)
  let end = at
  while (end < limit && own[end] === other[end + shift]) end++
  end -= (end - at) % unit
  if (end - at < size) return undefined
  const least = Math.max(free, -shift, end - longest)
  let start = at
  while (start > least && own[start - 1] === other[start - 1 + shift]) start--
  start += (at - start) % unit
  return { start, end, tensor: place.tensor, from: start + shift }
}

/** How many ranges a copy brings: one for each run that it goes through. */
function rangesOf(runs: readonly Run[] = [], { start, end, from }: Copy): number {
  const to = from + end - start
  return Math.max(1, runs.filter((run) => run.start < to && run.start + run.length > from).length)
}

/**
 * Whether a copy costs less than its bytes would: coded by the frequencies of each byte place, or deflated, which finds
 * what is regular in itself.
 */
function pays(bytes: Uint8Array, unit: number, ranges: number): boolean {
  const sample = bytes.subarray(0, SAMPLE)
  const counts = new Uint32Array(256 * unit)
  for (let i = 0; i < sample.length; i++) counts[256 * (i % unit) + sample[i]]++
  let bits = 0
  for (const count of counts) if (count > 0) bits += count * Math.log2(sample.length / unit / count)
  const estimate = Math.min(Math.round(bits / 8), deflate(sample).length)
  return estimate * (bytes.length / sample.length) >= LEAST_GAIN * (ranges + 1)
}

/** A way to see a tensor as rows: bytes of a row, and its dimensions. */
interface Rows {
  readonly bytes: number
  readonly dims: readonly number[]
}

/** From the largest rows, those of the first dimension, to single elements. */
function viewsOf(tensor: WeightTensor): Rows[] {
  const dims = tensor.shape.filter((dim) => dim !== 1)
  const views = dims.slice(1).map((_, level) => {
    const inner = dims.slice(level + 1)
    return { bytes: (tensor.bytes.length * elementCount(inner)) / elementCount(dims), dims: inner }
  })
  return [...views.filter(({ bytes }) => Number.isInteger(bytes)), { bytes: unitOf(tensor), dims: [] }]
}

/** The copies cut back to whole rows, where enough is left of them. */
function cutToRows(tensor: WeightTensor, copies: readonly Copy[], row: number, least: number): Copy[] {
  return copies.flatMap(({ start, end, tensor: source, from }) => {
    const first = Math.ceil(start / row) * row
    const last = Math.floor(end / row) * row
    if (last - first < least || !pays(tensor.bytes.subarray(first, last), unitOf(tensor), 1)) return []
    return [{ start: first, end: last, tensor: source, from: from + first - start }]
  })
}

const lengthOf = (copies: readonly Copy[]): number => copies.reduce((sum, { start, end }) => sum + end - start, 0)

/**
 * A tensor as copies and a rest in the largest rows with which next to nothing is encoded twice: rows and columns are what a
 * circuit knows a weight by.
 */
function divide(
  tensor: WeightTensor,
  copies: readonly Copy[],
  least: number,
): { runs: Run[]; rest: WeightTensor | undefined } {
  const { dtype, bytes, base } = tensor
  const most = lengthOf(copies)
  const views = viewsOf(tensor)
  const rows = views.find((view) => {
    const lost = most - lengthOf(cutToRows(tensor, copies, view.bytes, least))
    return lost * LOST_SHARE <= bytes.length - most
  }) as Rows
  const runs: Run[] = []
  let at = 0
  for (const { start, end, tensor: source, from } of cutToRows(tensor, copies, rows.bytes, least)) {
    if (start > at) runs.push({ start: at, length: start - at })
    runs.push({ start, length: end - start, copy: { tensor: source, start: from } })
    at = end
  }
  if (runs.length === 0)
    return bytes.length === 0 ? { runs, rest: undefined } : { runs: [{ start: 0, length: bytes.length }], rest: tensor }
  if (at < bytes.length) runs.push({ start: at, length: bytes.length - at })
  const own = runs.filter(({ copy }) => copy === undefined)
  if (own.length === 0) return { runs, rest: undefined }
  const ofRest = (whole: Uint8Array) => concat(own.map(({ start, length }) => whole.subarray(start, start + length)))
  const rest = ofRest(bytes)
  // 4-bit elements come two in a byte.
  const elements = rows.dims.length === 0 && byteLength(dtype, 2) === 1 ? 2 : 1
  const shape = [(rest.length / rows.bytes) * elements, ...rows.dims]
  return { runs, rest: { dtype, shape, bytes: rest, ...(base && { base: ofRest(base) }) } }
}
