/**
 * Where everything of a package goes: the parts that are not weights (skeletons, golden data) form one stream of bytes
 * in front, since loading needs them first and small packages are mostly this; the weights follow.
 */

import { type EncodedChunk, type EncodeOptions, encodeBytes, encodeWeights } from '../../compress/index.ts'
import { sliceRanges } from '../../compress/ranges.ts'
import type { ChunkRange } from '../container/manifest.ts'
import { concat } from '../core/index.ts'
import type { Weight } from './graphs.ts'

/** An encoded chunk, with its base as ranges of chunks of the base package. */
export type LaidOutChunk = Omit<EncodedChunk, 'base'> & { readonly base: readonly ChunkRange[] }

export interface Layout {
  readonly chunks: readonly LaidOutChunk[]
  /** For each plain part, in the order given. */
  readonly plain: readonly (readonly ChunkRange[])[]
  /** For each weight, in the order given. */
  readonly weights: readonly (readonly ChunkRange[])[]
}

/** What a weight may be encoded against: a weight of the base package. */
export interface Partner {
  readonly bytes: Uint8Array
  /** Of chunks of the base package. */
  readonly ranges: readonly ChunkRange[]
}

/**
 * Encodes everything and says where each part lies.
 *
 * @param partners of the weights, in their order
 */
export async function layOut(
  plain: readonly Uint8Array[],
  weights: readonly Weight[],
  partners: readonly (Partner | undefined)[],
  options: EncodeOptions,
): Promise<Layout> {
  const front = await encodeBytes(concat(plain), options)
  const encoded = await encodeWeights(
    weights.map(({ dtype, shape, bytes }, i) => ({ dtype, shape, bytes, base: partners[i]?.bytes })),
    options,
  )
  const chunks = encoded.chunks.map(({ base: ranges = [], ...chunk }): LaidOutChunk => {
    return {
      ...chunk,
      base: ranges.flatMap(({ tensor, start, length }) => sliceRanges(partners[tensor]?.ranges ?? [], start, length)),
    }
  })
  const stream = front.map(({ rawLength }, chunk) => ({ chunk, start: 0, length: rawLength }))
  let at = 0
  return {
    chunks: [...front.map((chunk) => ({ ...chunk, base: [] })), ...chunks],
    plain: plain.map((part) => {
      const start = at
      at += part.length
      return sliceRanges(stream, start, part.length)
    }),
    weights: encoded.tensors.map(({ ranges }) =>
      ranges.map(({ chunk, start, length }) => ({ chunk: chunk + front.length, start, length })),
    ),
  }
}
