/**
 * From chunks back to tensors, as a runtime does it: chunks are decoded into one arena in which every tensor then has its
 * place; what occurs twice is decoded once and copied.
 */

import type { EncodedWeights, WeightTensor } from '../../../compress/index.ts'
import { equal } from '../../../sdk/core/index.ts'

/** A decoder as a benchmark needs it: it may work elsewhere (a pool of workers) and may need the bytes of a base. */
export interface ChunkDecoder {
  readonly name: string
  decode(codec: number, bytes: Uint8Array, out: Uint8Array, base?: Uint8Array): void | Promise<void>
}

export interface Arena {
  readonly bytes: Uint8Array
  /** Where each chunk begins. */
  readonly offsets: readonly number[]
  /** Ranges that another tensor, or another place of this one, has already. */
  readonly repeats: readonly { readonly from: number; readonly to: number; readonly length: number }[]
  /** For each tensor, the pieces of the arena that make it up. */
  readonly pieces: readonly (readonly { readonly at: number; readonly length: number }[])[]
}

/** An arena for encoded weights, with the place of everything in it. */
export function arenaOf({ chunks, tensors }: EncodedWeights): Arena {
  const offsets: number[] = []
  let end = 0
  for (const { rawLength } of chunks) {
    offsets.push(end)
    end += rawLength
  }
  const taken = new Uint8Array(end)
  const repeats: { from: number; to: number; length: number }[] = []
  const pieces = tensors.map(({ ranges }) =>
    ranges.map(({ chunk, start, length }) => {
      const from = offsets[chunk] + start
      if (taken[from] === 0) {
        taken.fill(1, from, from + length)
        return { at: from, length }
      }
      repeats.push({ from, to: end, length })
      end += length
      return { at: end - length, length }
    }),
  )
  return { bytes: new Uint8Array(end), offsets, repeats, pieces }
}

/** Decodes all chunks into their arena. Several may be under way at once, if the decoder can. */
export async function decodeInto(
  arena: Arena,
  { chunks }: EncodedWeights,
  decoder: ChunkDecoder,
  base?: Uint8Array,
): Promise<void> {
  await Promise.all(
    chunks.map(({ codec, bytes, rawLength }, i) => {
      const [start, end] = [arena.offsets[i], arena.offsets[i] + rawLength]
      return decoder.decode(codec, bytes, arena.bytes.subarray(start, end), base?.subarray(start, end))
    }),
  )
  for (const { from, to, length } of arena.repeats) arena.bytes.copyWithin(to, from, from + length)
}

/** Whether an arena holds exactly these tensors. */
export function holds({ bytes, pieces }: Arena, tensors: readonly WeightTensor[]): boolean {
  return tensors.every((tensor, i) => {
    let position = 0
    for (const { at, length } of pieces[i]) {
      if (!equal(bytes.subarray(at, at + length), tensor.bytes.subarray(position, position + length))) return false
      position += length
    }
    return position === tensor.bytes.length
  })
}

/** Other tensors laid out as those of an arena are: the base of every chunk is at the chunk's place. */
export function laidOut({ bytes, pieces }: Arena, tensors: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(bytes.length)
  tensors.forEach((tensor, i) => {
    let position = 0
    for (const { at, length } of pieces[i]) {
      all.set(tensor.subarray(position, position + length), at)
      position += length
    }
  })
  return all
}
