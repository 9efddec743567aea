/** What `compress` gives to the rooms above it: chunks of encoded bytes, and where each tensor lies in them. */

import type { CallOptions, DType } from '../sdk/core/index.ts'
import type { RawRange } from './ranges.ts'

/** How a chunk's bytes are encoded. The numbers are part of the file format and never change. */
export const CODECS = { raw: 0, deflate: 1, weights: 2, mix: 3, copies: 4 } as const

/** How long the encoder may search. */
export const EFFORTS = ['fast', 'default', 'best'] as const
export type Effort = (typeof EFFORTS)[number]

export interface EncodeOptions extends CallOptions {
  /** How long to search for a smaller encoding. Default `default`. */
  effort?: Effort
}

/** A tensor to compress: little-endian, row-major bytes. */
export interface WeightTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
  /** The tensor that it was made from, as many bytes of the same type: what a decoder will be given as well. */
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
   * What the tensor is coded by, joined by `+` if several: `A` (scale circuit), `B` (lines: taps of a kernel, rows or columns), `Q`
   * (integers), `Δ`, `repeat`, `palette`, `copies` (of its own elements), `raw`, or a byte codec, `deflate` or `mix`.
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
  /** `wasm`, `typescript` or `webgpu`; with the number of threads where there are several. */
  readonly name: string
  /** How many chunks it decodes at the same time; 1 where nothing is said. */
  readonly threads?: number
  /**
   * Fills `out` exactly from all of `bytes`, or throws `CHUNK_CORRUPT`. Where it gives a promise, `bytes` and `base` must
   * stay as they are until then.
   *
   * @param base what the chunk was encoded against, as long as `out`; `undefined` for a chunk without a base
   */
  decode(codec: number, bytes: Uint8Array, out: Uint8Array, base?: Uint8Array): void | Promise<void>
}
