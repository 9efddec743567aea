/**
 * What the rooms of pruning have in common. A contraction mixes the channels of its input into those of its output
 * (convolution, Gemm, MatMul with constant weights). A group is a set of channels, of several tensors, that can only be kept or
 * removed together; its units are the smallest such pieces: a channel, one channel of each convolution group, an attention head.
 */

import type { DType, Tensor } from '../../sdk/core/index.ts'
import type { Model } from '../../sdk/onnx/index.ts'
import type { Structure } from './groups/structure.ts'

/** A model opened in a runtime: a `Session` of any target fits. */
export interface Execution {
  run(
    feeds: Readonly<Record<string, Tensor>>,
    options?: { readonly signal?: AbortSignal },
  ): Promise<Record<string, Tensor>>
  close(): Promise<void>
}

/** Opens an ONNX file: `(model) => target.create({ model })`. */
export type Execute = (model: Uint8Array, options?: { readonly signal?: AbortSignal }) => Promise<Execution>

/** Unlabelled samples of a model with one input: a `SampleSet` fits. */
export interface Samples {
  readonly count: number
  /** The samples of these numbers, stacked along the first axis. */
  batch(indices: readonly number[]): Promise<Tensor>
}

/** What one run said of a value. */
export interface Observed {
  readonly dtype: DType
  readonly shape: readonly number[]
  /** The elements of small integer tensors, which may be shapes, axes and indices. */
  readonly integers?: readonly number[]
}

/** A node that mixes channels by a constant weight of its own. */
export interface Contraction {
  /** The name of the node's output, by which it is known. */
  readonly output: string
  readonly op: string
  readonly kind: 'conv' | 'conv-transpose' | 'linear'
  /** The value whose channels it mixes, and the axis that they are along. */
  readonly input: string
  readonly channelAxis: number
  /** The initializer that holds the weight, and the axes of its inputs (of one convolution group) and outputs. */
  readonly weight: string
  readonly inputAxis: number
  readonly outputAxis: number
  /** Of a convolution; 1 elsewhere. */
  readonly groups: number
  /** Channels of the input and of the output. */
  readonly inputs: number
  readonly outputs: number
  /** The initializer that is added to the outputs, by the node itself or by an `Add` behind it. */
  readonly bias?: string
}

/** Where the units of a group lie along the outputs or inputs of a contraction: `positions[unit]`. */
export interface Places {
  readonly contraction: Contraction
  readonly positions: readonly (readonly number[])[]
}

export interface Group {
  /** After the layer that makes it; unique. */
  readonly name: string
  readonly units: number
  /** How many channels a unit stands for, where it stands for the fewest: 1, or the size of an attention head. */
  readonly width: number
  /** Contractions whose outputs are the group's channels. */
  readonly writers: readonly Places[]
  /** Contractions whose inputs are, for outputs that stay without them: a depthwise convolution is none. */
  readonly readers: readonly Places[]
}

/** A residual branch that goes when nothing of a group stays. */
export interface Branch {
  /** The layers that end it: what is left of them is their bias. */
  readonly ends: readonly Contraction[]
  /** Values and constants that nobody needs any more then. */
  readonly unread: ReadonlySet<string>
  /** Groups that lie in it, by name. */
  readonly inner: readonly string[]
}

/** Channels that must stay, because of a node that is not understood. */
export interface Frozen {
  readonly op: string
  readonly node: string
  /** Why, in a few words. */
  readonly reason: string
  readonly channels: number
  /** MACs of the layers that could have been narrower. */
  readonly macs: number
}

/** A model that is understood as far as it can be. */
export interface Analysis {
  /** A copy in which every weight has one reader and is an initializer. */
  readonly model: Model
  readonly observed: ReadonlyMap<string, Observed>
  readonly contractions: readonly Contraction[]
  readonly groups: readonly Group[]
  /** The branches that go with a group of which nothing stays, by its name: no other group may lose all its units. */
  readonly branches: ReadonlyMap<string, Branch>
  readonly frozen: readonly Frozen[]
  /** How the model is cut; for `slice`, `mask` and `costOf`. */
  readonly structure: Structure
}

/** The units that stay, ascending, by the name of the group; a group that is not named stays whole. */
export type Kept = ReadonlyMap<string, readonly number[]>

/** What a model costs: multiply-accumulates of one sample, and numbers in its weights. */
export interface Cost {
  readonly macs: number
  readonly parameters: number
}
