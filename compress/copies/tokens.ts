/**
 * Copies of elements: a chunk as runs of new elements ("literals") and copies of elements that came before (Ziv and Lempel 1977),
 * for tensors that somebody computed rather than trained: Fourier bases, filter banks, position tables, anchors. A copy may
 * run backwards and may flip the sign bit, since such tables are full of symmetry; and elements may be taken column
 * by column. The literals are one string of bytes under another codec, circuits among them.
 *
 *     u32 length of the header | header (arithmetic coded) | the literals, encoded
 *
 * Stated once for reading and writing: see `coder/bits.ts`.
 */

import { type BitCoder, bitModels, codeBit, codeNumber, codeTree, numberModels } from '../coder/bits.ts'
import { corrupt } from '../corrupt.ts'

/** The largest chunk, raw. */
export const MAX_COPIED = 1 << 22
/** Bytes of the length of the header. */
export const LENGTH_BYTES = 4
/** Distances that a copy can name by their place in the list of the last ones. */
export const RECENT = 4
const RECENT_BITS = 2
const WIDTH_BITS = 2
const CODEC_BITS = 2

export interface Frame {
  /** Bytes of an element: 1, 2, 4 or 8. */
  readonly unit: number
  /** Elements are coded column by column of so many columns; 1 for the order in which they lie. */
  readonly columns: number
  /** The codec of the literals: raw, deflate, weights or mix. */
  readonly codec: number
  readonly literals: number
}

/** `literals` new elements; or a copy of `length` elements that begins `distance` elements back. */
export type Token =
  | { readonly literals: number }
  | { readonly length: number; readonly distance: number; readonly backwards: boolean; readonly flipped: boolean }

/** Reads or writes what comes before the tokens, for a chunk of `rawLength` bytes. */
export function codeFrame(coder: BitCoder, rawLength: number, given?: Frame): Frame {
  const unit = 1 << codeTree(coder, bitModels(1 << WIDTH_BITS), WIDTH_BITS, given ? Math.log2(given.unit) : 0)
  const count = rawLength / unit
  const codec = codeTree(coder, bitModels(1 << CODEC_BITS), CODEC_BITS, given?.codec ?? 0)
  const columns = 1 + codeNumber(coder, numberModels(), given ? given.columns - 1 : 0)
  const literals = 1 + codeNumber(coder, numberModels(), given ? given.literals - 1 : 0)
  if (!Number.isInteger(count) || count % columns !== 0) {
    throw corrupt(`${rawLength} bytes to be ${columns} columns of elements of ${unit} bytes`)
  }
  if (literals > count) throw corrupt(`at most ${count} literals, got ${literals}`)
  return { unit, columns, codec, literals }
}

export interface TokenCoder {
  /**
   * Reads or writes the next token.
   *
   * @param at elements that came before
   * @param left elements that are still to come
   */
  code(at: number, left: number, given?: Token): Token
}

/** A coder of tokens in their order: it remembers what came last. */
export function tokenCoder(coder: BitCoder): TokenCoder {
  const models = {
    kind: bitModels(2),
    runs: numberModels(),
    /** Of new and of recent distances. */
    lengths: [numberModels(), numberModels()],
    recent: bitModels(2),
    place: bitModels(1 << RECENT_BITS),
    distances: numberModels(),
    backwards: bitModels(2),
    flipped: bitModels(4),
  }
  const recent: number[] = new Array(RECENT).fill(1)
  let afterLiterals = 0
  let first = true
  return {
    code(at, left, given) {
      const isGiven = given !== undefined
      const copy = isGiven && 'distance' in given ? given : undefined
      // After literals comes a copy, and in front there is nothing to copy.
      const isCopy = first ? 0 : afterLiterals || codeBit(coder, models.kind, 0, copy ? 1 : 0)
      first = false
      if (!isCopy) {
        const literals = 1 + codeNumber(coder, models.runs, isGiven && 'literals' in given ? given.literals - 1 : 0)
        if (literals > left) throw corrupt(`at most ${left} elements, got ${literals}`)
        afterLiterals = 1
        return { literals }
      }
      const known = copy ? recent.indexOf(copy.distance) : -1
      const isRecent = codeBit(coder, models.recent, afterLiterals, known >= 0 ? 1 : 0)
      afterLiterals = 0
      let place = RECENT - 1
      let distance: number
      if (isRecent) {
        place = codeTree(coder, models.place, RECENT_BITS, Math.max(0, known))
        distance = recent[place]
      } else distance = 1 + codeNumber(coder, models.distances, copy ? copy.distance - 1 : 0)
      recent.splice(place, 1)
      recent.unshift(distance)
      const length = 1 + codeNumber(coder, models.lengths[isRecent], copy ? copy.length - 1 : 0)
      const backwards = codeBit(coder, models.backwards, isRecent, copy?.backwards ? 1 : 0) === 1
      const flipped = codeBit(coder, models.flipped, 2 * isRecent + (backwards ? 1 : 0), copy?.flipped ? 1 : 0) === 1
      if (length > left) throw corrupt(`at most ${left} elements, got ${length}`)
      if (distance > at || (backwards && distance + length - 1 > at)) {
        throw corrupt(`a copy of the ${at} elements before it, got one from ${distance} back`)
      }
      return { length, distance, backwards, flipped }
    },
  }
}
