/**
 * What the analysis of a model leaves for those who cut it: which unit each position of each value belongs to, and what
 * nodes need changed besides their constants.
 */

import type { NodeProto } from '../../../sdk/onnx/index.ts'
import type { Axis } from './atoms.ts'
import type { Work } from './propagation.ts'

export interface Structure {
  readonly axes: ReadonlyMap<string, readonly Axis[]>
  /**
   * The number of the unit that an atom belongs to; −1 stays always. Units are counted through the groups: those of the first,
   * those of the second …
   */
  readonly unitOf: Int32Array
  readonly work: readonly Work[]
  readonly edits: readonly Edit[]
  /** Which initializer each copied one is a copy of. */
  readonly sources: ReadonlyMap<string, string>
  /** Samples of the run whose shapes are in use. */
  readonly batch: number
}

/** Changes a node of the cut model. */
export type Edit = (cut: Cut) => void

/** The cut model, as edits see it. */
export interface Cut {
  /** The node of the cut model that makes a value. */
  node(output: string): NodeProto
  /** Whether anything is removed along one of the axes. */
  changed(...axes: readonly Axis[]): boolean
  /** Which positions along an axis stay. */
  kept(axis: Int32Array): number[]
  /** Gives a node other integers to read: those of these positions, or all. */
  setIntegers(node: NodeProto, input: number, values: ReadonlyMap<number, number> | readonly number[]): void
  setInts(node: NodeProto, attribute: string, value: number | readonly number[]): void
}
