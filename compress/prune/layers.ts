/** The layers of an analysis as refits see them, and what of their inputs is left when units of groups are gone. */

import type { Tensor } from '../../sdk/core/index.ts'
import type { KeptColumns, Layer, Refit } from './refit.ts'
import type { InputStatistics } from './statistics.ts'
import type { Analysis, Contraction, Execute, Group, Kept, Places, Samples } from './types.ts'
import { unfoldingOf } from './unfolding.ts'
import { initializersOf, layoutOf, matricesOf, tensorOfMatrices } from './weights.ts'

export interface PrunableLayer extends Layer {
  readonly contraction: Contraction
  readonly shape: readonly number[]
  readonly biasShape: readonly number[]
}

/**
 * The layers whose weights can be fitted again: those in float32 with a bias.
 *
 * @returns by `contraction.output`
 */
export function layersOf(analysis: Analysis): Map<string, PrunableLayer> {
  const { model, contractions } = analysis
  const tensors = initializersOf(
    model,
    contractions.flatMap(({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias])),
  )
  const layers = new Map<string, PrunableLayer>()
  for (const contraction of contractions) {
    const weight = tensors.get(contraction.weight)
    const bias = contraction.bias === undefined ? undefined : tensors.get(contraction.bias)
    if (weight?.dtype !== 'float32' || bias?.dtype !== 'float32') continue
    const { channelsOnly } = unfoldingOf(analysis, contraction)
    const layout = layoutOf(contraction, weight.shape, channelsOnly)
    layers.set(contraction.output, {
      name: contraction.output,
      contraction,
      shape: weight.shape,
      biasShape: bias.shape,
      layout,
      weights: matricesOf(layout, weight.data as Float32Array),
      bias: Float64Array.from(bias.data as Float32Array),
    })
  }
  return layers
}

/** Whether the inputs of a contraction are its convolution groups, so that they go with its outputs. */
export const isDepthwise = ({ groups, inputs }: Contraction): boolean => groups > 1 && groups === inputs

/** The columns of a contraction's weight that belong to channels of its input, one list for each convolution group. */
export function columnsOfChannels({ contraction, layout }: PrunableLayer, channels: readonly number[]): number[][] {
  const perGroup = contraction.inputs / contraction.groups
  const columns: number[][] = Array.from({ length: contraction.groups }, () => [])
  for (const channel of channels) {
    const list = columns[Math.floor(channel / perGroup)]
    const first = (channel % perGroup) * layout.columnsOfInput
    for (let tap = 0; tap < layout.columnsOfInput; tap++) list.push(first + tap)
  }
  return columns
}

/** Channels of a contraction's input that are gone. */
export const removedInputs = (groups: readonly Group[], contraction: Contraction, kept: Kept): Set<number> =>
  removedPlaces(groups, contraction, kept, 'readers')

/** Channels of a contraction's output that are gone. */
export const removedOutputs = (groups: readonly Group[], contraction: Contraction, kept: Kept): Set<number> =>
  removedPlaces(groups, contraction, kept, 'writers')

function removedPlaces(
  groups: readonly Group[],
  { output }: Contraction,
  kept: Kept,
  side: 'readers' | 'writers',
): Set<number> {
  const removed = new Set<number>()
  for (const group of groups) {
    const units = kept.get(group.name)
    if (!units) continue
    const stay = new Set(units)
    for (const { contraction, positions } of group[side]) {
      if (contraction.output !== output) continue
      for (const [unit, channels] of positions.entries()) {
        if (!stay.has(unit)) for (const channel of channels) removed.add(channel)
      }
    }
  }
  return removed
}

/** Columns of a layer that are left. */
export function keptColumns(groups: readonly Group[], layer: PrunableLayer, kept: Kept): KeptColumns {
  const removed = removedInputs(groups, layer.contraction, kept)
  const channels = Array.from({ length: layer.contraction.inputs }, (_, i) => i)
  return columnsOfChannels(
    layer,
    channels.filter((channel) => !removed.has(channel)),
  )
}

/** The initializers of a layer after a refit. */
export function tensorsOfRefit(
  { contraction, layout, shape, biasShape }: PrunableLayer,
  { weights, bias }: Refit,
): [string, Tensor][] {
  return [
    [contraction.weight, tensorOfMatrices(layout, weights, shape)],
    [contraction.bias as string, { dtype: 'float32', shape: biasShape, data: Float32Array.from(bias) }],
  ]
}

/** The readers of a group that can be fitted again. */
export const readersOf = (
  group: Group,
  layers: ReadonlyMap<string, PrunableLayer>,
): { places: Places; layer: PrunableLayer }[] =>
  group.readers.flatMap((places) => {
    const layer = layers.get(places.contraction.output)
    return layer ? [{ places, layer }] : []
  })

/** What all steps share. */
export interface Net {
  readonly analysis: Analysis
  /** Groups that may be pruned. */
  readonly groups: readonly Group[]
  readonly layers: ReadonlyMap<string, PrunableLayer>
  readonly statistics: ReadonlyMap<string, InputStatistics>
  readonly samples: Samples
  readonly execute: Execute
}
