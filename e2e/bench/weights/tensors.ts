/** Sizes: one set of tensors, encoded by us and by every peer, everything counted. */

import { type EncodedWeights, encodeWeights } from '../../../compress/index.ts'
import { compressGenerally, GENERAL, type GeneralCompressor } from '../general-compressors.ts'
import { exponentPlaneBytes } from './exponent-plane.ts'
import type { WeightSet } from './sets.ts'

export const ZIPNN = 'ZipNN-like'
export const PEERS_OF_TENSORS = [...GENERAL, ZIPNN] as const
export type TensorPeer = (typeof PEERS_OF_TENSORS)[number]

export interface SizedSet {
  readonly set: WeightSet
  readonly encoded: EncodedWeights
  /** What the general compressors made of the same bytes. */
  readonly frames: Readonly<Partial<Record<GeneralCompressor, Uint8Array>>>
  /** Bits a weight; a peer's are absent where its tool is, or where it has no meaning. */
  readonly bits: { readonly hardpack: number } & Readonly<Partial<Record<TensorPeer, number>>>
  /** Raw bytes that each circuit holds. */
  readonly circuits: Readonly<Record<string, number>>
}

async function framesOf(bytes: Uint8Array): Promise<Partial<Record<GeneralCompressor, Uint8Array>>> {
  const frames: Partial<Record<GeneralCompressor, Uint8Array>> = {}
  for (const name of GENERAL) frames[name] = await compressGenerally(name, bytes)
  return frames
}

/** Bytes of all chunks together. */
export function packedBytes({ chunks }: EncodedWeights): number {
  return chunks.reduce((sum, { bytes }) => sum + bytes.length, 0)
}

/** Encodes a set by all means. The peers work in other threads and processes meanwhile. */
export async function sizesOf(set: WeightSet): Promise<SizedSet> {
  const [encoded, frames] = await Promise.all([encodeWeights(set.tensors), framesOf(set.raw)])
  const bits: { hardpack: number } & Partial<Record<TensorPeer, number>> = {
    hardpack: (8 * packedBytes(encoded)) / set.weights,
  }
  for (const name of PEERS_OF_TENSORS) {
    const size = name === ZIPNN ? exponentPlaneBytes(set.tensors) : frames[name]?.length
    if (size !== undefined) bits[name] = (8 * size) / set.weights
  }
  const circuits: Record<string, number> = {}
  encoded.tensors.forEach(({ circuit }, i) => {
    circuits[circuit] = (circuits[circuit] ?? 0) + set.tensors[i].bytes.length
  })
  return { set, encoded, frames, bits, circuits }
}
