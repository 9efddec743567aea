/**
 * Where everything of a package goes: the parts that are not weights (skeletons, golden data) form one stream of bytes
 * in front, since loading needs them first and small packages are mostly this; the weights follow. Tensors with the same
 * bytes are stored once.
 */

import { type EncodedChunk, type EncodeOptions, encodeBytes, encodeWeights } from '../../compress/index.ts'
import type { ChunkRange } from '../container/manifest.ts'
import { concat, sha256, toHex } from '../core/index.ts'
import type { WeightLocation } from '../onnx/index.ts'

export interface Layout {
  readonly chunks: readonly EncodedChunk[]
  /** For each plain part, in the order given. */
  readonly plain: readonly (readonly ChunkRange[])[]
  /** For each weight, in the order given. */
  readonly weights: readonly (readonly ChunkRange[])[]
}

/** Encodes everything and says where each part lies. */
export async function layOut(
  plain: readonly Uint8Array[],
  model: Uint8Array,
  locations: readonly WeightLocation[],
  options: EncodeOptions,
): Promise<Layout> {
  const front = await encodeBytes(concat(plain), options)
  const slots = new Map<string, number>()
  const unique: WeightLocation[] = []
  const slotOf: number[] = []
  for (const location of locations) {
    const { dtype, start, end } = location
    const key = `${dtype}:${toHex(await sha256(model.subarray(start, end)))}`
    let slot = slots.get(key)
    if (slot === undefined) {
      slot = unique.push(location) - 1
      slots.set(key, slot)
    }
    slotOf.push(slot)
  }
  const encoded = await encodeWeights(
    unique.map(({ dtype, shape, start, end }) => ({ dtype, shape, bytes: model.subarray(start, end) })),
    options,
  )
  const ranges = encoded.tensors.map((tensor) =>
    tensor.ranges.map(({ chunk, start, length }) => ({ chunk: chunk + front.length, start, length })),
  )
  let at = 0
  return {
    chunks: [...front, ...encoded.chunks],
    plain: plain.map((part) => {
      const start = at
      at += part.length
      return rangesWithin(front, start, at)
    }),
    weights: slotOf.map((slot) => ranges[slot]),
  }
}

/** Bytes `[start, end)` of the stream that consecutive chunks hold. */
function rangesWithin(chunks: readonly EncodedChunk[], start: number, end: number): ChunkRange[] {
  const ranges: ChunkRange[] = []
  let chunkStart = 0
  for (const [chunk, { rawLength }] of chunks.entries()) {
    const from = Math.max(start, chunkStart)
    const to = Math.min(end, chunkStart + rawLength)
    if (from < to) ranges.push({ chunk, start: from - chunkStart, length: to - from })
    chunkStart += rawLength
  }
  return ranges
}
