/** Where what a layer gives ends up: behind its bias, and where it ends in one, in a residual add. */

import { indexGraph, type NodeProto } from '../../sdk/onnx/index.ts'
import type { Analysis, Contraction } from './types.ts'

/** Where the outputs of a layer end up. */
export interface Ending {
  /** The layer's output, behind its bias. */
  readonly end: string
  /** Whether a node of its own adds the bias. */
  readonly addsBias: boolean
  /** The residual sum that it goes into, and the other branch. */
  readonly residual?: { readonly sum: string; readonly other: string }
  /** What only reads the end, or the sum. */
  readonly next?: NodeProto
}

/** Follows a layer to its bias and, where it ends in one, to its residual add. */
export const endingOf = (analysis: Pick<Analysis, 'model' | 'observed'>, contraction: Contraction): Ending =>
  endingsOf(analysis)(contraction)

/** The same for many layers: the graph is indexed once. */
export function endingsOf({ model, observed }: Pick<Analysis, 'model' | 'observed'>): (layer: Contraction) => Ending {
  const { consumers } = indexGraph(model.graph)
  const outputs = new Set(model.graph.output.map(({ name }) => name))
  const onlyReader = (value: string) => {
    const readers = consumers.get(value) ?? []
    return readers.length === 1 && !outputs.has(value) ? readers[0] : undefined
  }
  return ({ output, bias }) => {
    const behind = onlyReader(output)
    const addsBias = behind?.opType === 'Add' && bias !== undefined && behind.input.includes(bias)
    const end = addsBias ? behind.output[0] : output
    const next = onlyReader(end)
    const other = next?.opType === 'Add' ? next.input.find((name) => name !== end) : undefined
    const alike = next && same(observed.get(next.output[0])?.shape, observed.get(output)?.shape)
    if (!alike || other === undefined) return { end, addsBias, next }
    const [sum] = next.output
    return { end, addsBias, residual: { sum, other }, next: onlyReader(sum) }
  }
}

/** Whether two shapes are known to be the same. */
export const same = (a?: readonly number[], b?: readonly number[]): boolean =>
  a !== undefined && a.length === b?.length && a.every((size, i) => size === b[i])
