/** What pruning a file came to, as plain JSON. */

import type { PruneReport } from '../../compress/prune/index.ts'
import type { Budget } from './budget.ts'
import type { Latency } from './latency.ts'

export type Pair = readonly [before: number, after: number]

export interface PrunedLayer {
  readonly name: string
  readonly op: string
  readonly channels: Pair
  readonly inputs: Pair
  readonly macs: Pair
  readonly parameters: Pair
  /** Packed bytes of its weight; not there where the weight is too small to be packed by itself. */
  readonly bytes?: Pair
  /** 1 − E‖Y − Y'‖² / E‖Y‖² of its outputs after the refit. */
  readonly fidelity?: number
}

export interface FilePruneReport extends Omit<PruneReport, 'layers' | 'budget'> {
  /** What was pruned: a name for people. */
  readonly subject: string
  /** The hardpack that pruned it. */
  readonly generator: string
  /** What was asked for, and the share of the original that remains of it. */
  readonly budget: Budget & { readonly reached: number }
  /** What numbers of channels are multiples of. */
  readonly align: number
  readonly source: {
    readonly name: string
    readonly synthetic: boolean
  }
  readonly layers: readonly PrunedLayer[]
  readonly bytes: {
    /** Of the ONNX file. */
    readonly onnx: Pair
    /** Of the package, without a guard. */
    readonly packed: Pair
  }
  /** Of one run on one sample, measured in turns. */
  readonly latency: {
    readonly target: string
    readonly before: Latency
    readonly after: Latency
  }
  /** What a reader should know before relying on it; one sentence each. */
  readonly warnings: readonly string[]
}
