/**
 * The manifest: what a package says about itself, covered by the signature. This file holds its shape; how it is
 * written is in `manifest-codec.ts` and, normatively, in `sdk/docs/format.md`.
 *
 * Chunk offsets are not stored: chunks follow one another at the next multiple of the alignment, so holes and overlaps
 * cannot be expressed.
 */

import type { DType } from '../core/index.ts'

export interface ChunkEntry {
  /** The codec of the encoded bytes (`compress` owns the numbers). */
  readonly codec: number
  readonly encodedLength: number
  readonly rawLength: number
  /** SHA-256 of the encoded bytes, checked before decode. */
  readonly encodedDigest: Uint8Array
  /** SHA-256 of the decoded bytes, checked after decode. */
  readonly rawDigest: Uint8Array
  /** Ranges of chunks of the base package, together as long as this chunk decoded: what it was encoded against. */
  readonly base: readonly ChunkRange[]
}

/** Bytes `[start, start + length)` of the decoded chunk. */
export interface ChunkRange {
  readonly chunk: number
  readonly start: number
  readonly length: number
}

/**
 * A weight that was taken out of a graph's ONNX file. Its bytes belong at `position` of the skeleton (the file without
 * any of the weights), so skeleton + weights give back the very same file.
 */
export interface TensorEntry {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly position: number
  /** True for an initializer of the main graph held as `raw_data`: a runtime may take it as external data. */
  readonly external: boolean
  /** Raw sizes add up to shape × dtype. Two tensors with the same bytes may name the same range. */
  readonly ranges: readonly ChunkRange[]
}

export interface ValueEntry {
  readonly name: string
  readonly dtype: DType
  /** A string is a symbolic dimension. */
  readonly shape: readonly (number | string)[]
}

export interface GraphEntry {
  readonly name: string
  /** The ONNX file without its weights. */
  readonly skeleton: readonly ChunkRange[]
  /** Ascending by `position`. */
  readonly tensors: readonly TensorEntry[]
  readonly inputs: readonly ValueEntry[]
  readonly outputs: readonly ValueEntry[]
  /** Length and SHA-256 of the whole ONNX file. */
  readonly byteLength: number
  readonly digest: Uint8Array
}

/**
 * An input of a golden case: its bytes, or the seed and amplitude (a positive integer) that make them
 * (`sdk/run/seeded`).
 */
export interface GoldenInput {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly source: { readonly ranges: readonly ChunkRange[] } | { readonly seed: number; readonly amplitude: number }
}

/**
 * A reference output. At most a bounded number of elements is kept: element `floor(k × count / samples)` for each
 * k < samples, as float64.
 */
export interface GoldenOutput {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly samples: number
  readonly ranges: readonly ChunkRange[]
  /** The largest absolute difference that still counts as the same answer. */
  readonly tolerance: number
}

export interface GoldenEntry {
  readonly graph: number
  readonly inputs: readonly GoldenInput[]
  readonly outputs: readonly GoldenOutput[]
}

/** Another package, of which chunks of this one need decoded bytes. */
export interface BaseEntry {
  /** SHA-256 of its manifest: it names every decoded byte, and stays the same when the package is signed anew. */
  readonly digest: Uint8Array
  /** What the package calls itself, for people. */
  readonly name: string
  readonly release: number
}

export interface Manifest {
  readonly name: string
  /** Counts up with each published version of the model; an app may refuse to go back. */
  readonly release: number
  /** Which hardpack wrote the file: `hardpack 0.1.0`. */
  readonly generator: string
  /** Features that a reader must know to run the file rightly. */
  readonly critical: readonly string[]
  readonly license: string
  readonly chunks: readonly ChunkEntry[]
  readonly graphs: readonly GraphEntry[]
  readonly golden: readonly GoldenEntry[]
  /** There when a chunk has a base. */
  readonly base?: BaseEntry
}
