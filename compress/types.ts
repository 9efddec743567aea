/** What `compress` gives to the rooms above it: chunks of encoded bytes, and where each tensor lies in them. */

import type { DType } from '../sdk/core/index.ts'
import type { RawRange } from './ranges.ts'

/** How a chunk's bytes are encoded. The numbers are part of the file format and never change. */
export const CODECS = { raw: 0, deflate: 1, weights: 2, mix: 3, copies: 4, xor: 5 } as const

/** A tensor to compress: little-endian, row-major bytes. */
export interface WeightTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
  /** Bytes of the same length that this tensor is probably close to: those of a base model. */
  readonly base?: Uint8Array
}

/** About 1 MiB raw, never over 4 MiB; decodes on its own. */
export interface EncodedChunk {
  readonly codec: number
  readonly rawLength: number
  readonly bytes: Uint8Array
  /** What the chunk was encoded against: runs of the bases of these tensors, together `rawLength` bytes. */
  readonly base?: readonly BaseRange[]
}

/** Bytes `[start, start + length)` of the base of a tensor, by its number. */
export interface BaseRange {
  readonly tensor: number
  readonly start: number
  readonly length: number
}

export interface EncodedTensor {
  /**
   * `A` (scale circuit), `Q` (its form for integers), `repeat` (bytes that came before), `raw`, or the byte codec that was
   * smallest; joined by `+` if several.
   */
  readonly circuit: string
  /** What makes up the tensor, in order. The same bytes may be named more than once. */
  readonly ranges: readonly RawRange[]
  /** This tensor's share of the encoded bytes. */
  readonly packedBytes: number
}

export interface EncodedWeights {
  readonly chunks: readonly EncodedChunk[]
  /** In the order of the tensors given. */
  readonly tensors: readonly EncodedTensor[]
}

/** Decodes chunks. Every implementation gives the same bytes or throws `CHUNK_CORRUPT`. */
export interface Decoder {
  /** `wasm` or `typescript`. */
  readonly name: string
  /**
   * Fills `out` exactly from all of `bytes`, or throws `CHUNK_CORRUPT`.
   *
   * @param base what the chunk was encoded against, as long as `out`; `undefined` for a chunk without a base
   */
  decode(codec: number, bytes: Uint8Array, out: Uint8Array, base?: Uint8Array): void | Promise<void>
}
