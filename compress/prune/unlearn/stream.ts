/** The value that a layer's outputs end up in: behind its bias, or the residual sum that they are added to. */

import { indexGraph, type NodeProto } from '../../../sdk/onnx/index.ts'
import type { Analysis, Contraction } from '../types.ts'

export interface Stream {
  readonly value: string
  readonly residual: boolean
}

/** Follows a layer to its bias and, where one follows, to its residual add. */
export function streamOf({ model, observed }: Pick<Analysis, 'model' | 'observed'>, contraction: Contraction): Stream {
  const { consumers } = indexGraph(model.graph)
  const outputs = new Set(model.graph.output.map(({ name }) => name))
  const addBehind = (value: string): NodeProto | undefined => {
    const readers = consumers.get(value) ?? []
    return readers.length === 1 && readers[0].opType === 'Add' && !outputs.has(value) ? readers[0] : undefined
  }
  const { output, bias } = contraction
  const biasAdd = addBehind(output)
  const end = biasAdd && bias !== undefined && biasAdd.input.includes(bias) ? biasAdd.output[0] : output
  const sum = addBehind(end)?.output[0]
  const shape = (name: string): string => String(observed.get(name)?.shape)
  return sum !== undefined && shape(sum) === shape(output)
    ? { value: sum, residual: true }
    : { value: end, residual: false }
}
