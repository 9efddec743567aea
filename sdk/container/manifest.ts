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

/** A pass of the guard: a graph, and for which inputs it runs. The first is the model itself with its cheap scores. */
export interface GuardTier {
  /** Index of a graph. */
  readonly graph: number
  /** It runs where the p-value of the passes before lies in [low, high]. The first runs always: 0 and 1. */
  readonly low: number
  readonly high: number
}

export interface GuardDetector {
  readonly name: string
  /** What it is: `mahalanobis`, `max-softmax`, … */
  readonly kind: string
  /** The tier whose graph gives the score. */
  readonly tier: number
  /** The output that holds it: float32, one a sample. */
  readonly score: string
  /** True where an abnormally low score counts as strange, too. */
  readonly twoSided: boolean
  /** How it was fitted, for reports. */
  readonly parameters: readonly GuardParameter[]
}

export interface GuardParameter {
  readonly name: string
  readonly value: string
}

/** Scores of clean samples: float32, ascending. */
export interface GuardTable {
  readonly count: number
  readonly ranges: readonly ChunkRange[]
}

/** What scores mean on some targets: the tables that turn them into p-values. */
export interface GuardCalibration {
  /** Names of targets. */
  readonly targets: readonly string[]
  /** One for each detector. */
  readonly tables: readonly GuardTable[]
  /** Of the combined statistic, negated so that larger is stranger; empty for a single detector. */
  readonly combined: GuardTable
}

/** What the guard does about a p-value; an app may tighten it. */
export interface GuardPolicy {
  /** The rate of clean inputs that may be flagged, and of those that may be rejected. */
  readonly flag: number
  readonly reject: number
  /** The share of calibration sets in which these rates are kept; 0: on average over calibration sets. */
  readonly confidence: number
  /** `simes` or `cauchy`. */
  readonly combination: string
  /** From which action on outputs are withheld: `never`, `indeterminate`, `reject` or `flag`. */
  readonly withhold: string
}

/** Room for classes that a device adds. */
export interface GuardRoom {
  /** The detector that takes them. */
  readonly detector: number
  /** The output that holds whitened features: float32, samples × rank. */
  readonly features: string
  /** Inputs of the first tier: the means of added classes (room × rank), and a transform of the whitened space (rank × rank). */
  readonly means: string
  readonly transform: string
  readonly room: number
  readonly rank: number
  /** How many samples the detector was fitted on. */
  readonly samples: number
  readonly classes: readonly string[]
}

export interface GuardEntry {
  readonly tiers: readonly GuardTier[]
  readonly detectors: readonly GuardDetector[]
  readonly calibrations: readonly GuardCalibration[]
  readonly policy: GuardPolicy
  /** The output of the first tier that later tiers take as `hardpack.logits`. */
  readonly logits: string
  readonly room?: GuardRoom
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
  /** Whether an input should be believed. */
  readonly guard?: GuardEntry
}
