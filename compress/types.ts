/** What `compress` gives to the rooms above it: chunks of encoded bytes, and where each tensor lies in them. */

import type { DType } from '../sdk/core/index.ts'

/** How a chunk's bytes are encoded. The numbers are part of the file format and never change. */
export const CODECS = { raw: 0, deflate: 1, weights: 2, mix: 3 } as const

/** A tensor to compress: little-endian, row-major bytes. */
export interface WeightTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** About 1 MiB raw, never over 4 MiB; decodes on its own. */
export interface EncodedChunk {
  readonly codec: number
  readonly rawLength: number
  readonly bytes: Uint8Array
}

export interface EncodedTensor {
  /** `A` (scale circuit), `Q` (its form for integers), `raw`, or the byte codec that was smallest; joined by `+` if several. */
  readonly circuit: string
  /** Raw ranges `[start, start + length)` of decoded chunks that make up the tensor, in order. */
  readonly ranges: readonly { readonly chunk: number; readonly start: number; readonly length: number }[]
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
  /** `wasm`, `typescript` or `webgpu`. */
  readonly name: string
  /**
   * Fills `out` exactly from all of `bytes`, or throws `CHUNK_CORRUPT`.
   *
   * @param base as long as `out`: the bytes that a chunk with differences was encoded against
   */
  decode(codec: number, bytes: Uint8Array, out: Uint8Array, base?: Uint8Array): void
}
