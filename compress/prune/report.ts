/** What pruning says about its result, as plain JSON. */

import type { Model } from '../../sdk/onnx/index.ts'
import { costByContraction } from './cost.ts'
import type { Criterion } from './criteria.ts'
import { isDepthwise, removedInputs, removedOutputs } from './layers.ts'
import type { Analysis, Cost, Frozen, Kept } from './types.ts'

export interface LayerReport {
  readonly name: string
  readonly op: string
  /** Outputs, inputs, multiply-accumulates and weights, before and after. */
  readonly channels: readonly [number, number]
  readonly inputs: readonly [number, number]
  readonly macs: readonly [number, number]
  readonly parameters: readonly [number, number]
  /** 1 − E‖Y − Y'‖² / E‖Y‖² after the refit, centred, of what the layer was to give. */
  readonly fidelity?: number
}

export interface PruneReport {
  readonly method: 'default' | 'paper'
  readonly criterion: Criterion
  readonly refit: boolean
  readonly samples: number
  readonly seconds: number
  readonly cost: { readonly before: Cost; readonly after: Cost }
  /** In the unit of the budget; `reached` is what remains. */
  readonly budget: { readonly kind: 'flops' | 'params' | 'cost'; readonly remain: number; readonly reached: number }
  readonly layers: readonly LayerReport[]
  readonly groups: readonly {
    readonly name: string
    readonly units: readonly [number, number]
    readonly width: number
  }[]
  /** Residual branches that are gone as a whole, by the group that they went with. */
  readonly branches: readonly string[]
  readonly frozen: readonly Frozen[]
  readonly agreement: {
    readonly samples: number
    /** Whether these are others than the model was fitted to. */
    readonly unseen: boolean
    readonly disagreement: number
    readonly kl?: number
  }
  /** The trade-off on the way: what remains, what the sensitivities say of it, and what was measured. */
  readonly curve: readonly { readonly remain: number; readonly kl: number; readonly disagreement?: number }[]
}

/** A line for each contraction, whether it changed or not. */
export function layerReports(
  analysis: Analysis,
  { kept, model, fidelity }: { kept: Kept; model: Model; fidelity: ReadonlyMap<string, number> },
): LayerReport[] {
  const [before, after] = [costByContraction(analysis), costByContraction(analysis, kept)]
  const [was, is] = [analysis.model, model].map(
    ({ graph }) =>
      new Map(graph.initializer.map(({ name, dims }) => [name, dims.reduce<number>((n, dim) => n * Number(dim), 1)])),
  )
  return analysis.contractions.map((contraction) => {
    const { output, op, inputs, outputs, weight, bias = '' } = contraction
    // The last layer of a branch that is gone is gone, too, though what it was added to is not.
    const isGone = !is.has(weight)
    const left = isGone ? 0 : outputs - removedOutputs(analysis.groups, contraction, kept).size
    const read = isGone ? 0 : inputs - removedInputs(analysis.groups, contraction, kept).size
    return {
      name: output,
      op,
      channels: [outputs, left],
      inputs: [inputs, isDepthwise(contraction) ? (left * inputs) / outputs : read],
      macs: [before.get(output) ?? 0, after.get(output) ?? 0],
      parameters: [(was.get(weight) ?? 0) + (was.get(bias) ?? 0), (is.get(weight) ?? 0) + (is.get(bias) ?? 0)],
      fidelity: fidelity.get(output),
    }
  })
}
