/** Biases where a layer has none, all zero, so that a refit can correct the mean of its outputs. */

import { type Model, makeNode, makeTensor } from '../../sdk/onnx/index.ts'
import type { Contraction, Observed } from './types.ts'
import { copyOf } from './weights.ts'

/**
 * The same model with a bias for each of some contractions that have none: a further input of `Conv`, `ConvTranspose` and `Gemm`,
 * an `Add` behind `MatMul`.
 *
 * @returns the model, and what is observed of it: what was, and the value between `MatMul` and `Add`
 * @example
 * const { model } = withBiases(analysis, analysis.contractions.filter(({ bias }) => bias === undefined))
 */
export function withBiases(
  { model, observed }: { model: Model; observed: ReadonlyMap<string, Observed> },
  contractions: readonly Contraction[],
): { model: Model; observed: Map<string, Observed> } {
  const lacking = new Map(contractions.map((contraction) => [contraction.output, contraction]))
  const seen = new Map(observed)
  const initializer = [...model.graph.initializer]
  const node = model.graph.node.flatMap((layer) => {
    const contraction = lacking.get(layer.output[0])
    if (!contraction) return [layer]
    const { output, outputs } = contraction
    const bias = `${output}/bias`
    initializer.push(makeTensor(bias, { dtype: 'float32', shape: [outputs], data: new Float32Array(outputs) }))
    if (layer.opType !== 'MatMul') return [copyOf(layer, { input: [...layer.input.slice(0, 2), bias] })]
    const product = `${output}/product`
    const was = observed.get(output)
    if (was) seen.set(product, was)
    return [copyOf(layer, { output: [product] }), makeNode('Add', [product, bias], [output])]
  })
  return { model: copyOf(model, { graph: copyOf(model.graph, { node, initializer }) }), observed: seen }
}
