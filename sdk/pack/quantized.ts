/** Whether a model computes in integers, where one different rounding moves an output by a whole quantisation step. */

import { type GraphIndex, indexGraph, type Model } from '../onnx/index.ts'

/** True when any operator quantises or computes on quantised values: QuantizeLinear, QLinearConv, MatMulInteger, … */
export function isQuantized(model: Model): boolean {
  return model.graph !== undefined && someOperator(indexGraph(model.graph), /Quantize|QLinear|Integer/)
}

function someOperator({ graph, subgraphs }: GraphIndex, pattern: RegExp): boolean {
  return (
    graph.node.some(({ opType }) => pattern.test(opType)) || subgraphs.some((inner) => someOperator(inner, pattern))
  )
}
