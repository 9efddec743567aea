/**
 * ModHiFi-P as published (Kashyap et al., NeurIPS 2025): a channel stays where it belongs to the high-fidelity set of any output of any
 * layer that reads it; what stays is multiplied by δ*. One threshold for the whole net, such that the budget is met.
 */

import type { Tensor } from '../../sdk/core/index.ts'
import { type AllocateOptions, type Allocation, impossible } from './allocate.ts'
import { type Components, compensated, unitScores } from './fidelity.ts'
import type { Kind } from './kinds.ts'
import { columnsOfChannels, keptColumns, type Net, readersOf, tensorsOfRefit } from './layers.ts'
import { gridOf } from './sensitivity.ts'
import type { Kept } from './types.ts'

/** A group's units by score, the highest first, and of how many it can be. */
interface Ranked {
  readonly name: string
  readonly units: number
  readonly scores: Float64Array
  readonly order: readonly number[]
  readonly grid: readonly number[]
}

/** Those that are above the threshold, and more, up to what the grid allows. */
function keptAbove({ units, scores, order, grid }: Ranked, threshold: number): number[] {
  const above = scores.reduce((count, score) => count + (score >= threshold ? 1 : 0), 0)
  const allowed = [...grid].reverse().find((count) => count >= above) ?? units
  return order.slice(0, allowed).sort((a, b) => a - b)
}

/**
 * The channels that one threshold leaves, for the lowest threshold that meets the budget.
 *
 * @returns that one allocation
 * @throws HardpackError `INVALID_ARGUMENT` for a budget that no threshold meets.
 */
export function allocateByFidelity(
  net: Net,
  kinds: readonly Kind[],
  { target, costOf, align }: AllocateOptions & { readonly align: number },
): Allocation[] {
  const ranked = kinds.map(({ group }): Ranked => {
    const scores = unitScores(
      readersOf(group, net.layers).flatMap(({ layer, places }) =>
        componentsOf(net, layer.name, (channels) => columnsOfChannels(layer, channels), places.positions),
      ),
      group.units,
    )
    const order = Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a])
    return { name: group.name, units: group.units, scores, order, grid: gridOf(group, align) }
  })
  const keptAt = (threshold: number): Kept => {
    const kept = new Map<string, readonly number[]>()
    for (const group of ranked) {
      const units = keptAbove(group, threshold)
      if (units.length < group.units) kept.set(group.name, units)
    }
    return kept
  }
  const thresholds = [...new Set(ranked.flatMap(({ scores }) => [...scores]))].sort((a, b) => a - b)
  thresholds.push(Number.POSITIVE_INFINITY)
  let [low, high] = [0, thresholds.length - 1]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (costOf(keptAt(thresholds[middle])) <= target) high = middle
    else low = middle + 1
  }
  const kept = keptAt(thresholds[low])
  const cost = costOf(kept)
  if (cost > target) throw impossible(target, costOf(new Map()), cost)
  return [{ kept, cost, distance: 0 }]
}

/** A layer as the closed forms see it, one for each convolution group: the Gram matrix is not centred. */
function componentsOf(
  { layers, statistics }: Net,
  name: string,
  columnsOf: (channels: readonly number[]) => readonly (readonly number[])[],
  positions: readonly (readonly number[])[],
): Components[] {
  const layer = layers.get(name)
  const moments = statistics.get(name)
  if (!layer || !moments) return []
  const { groups, rows, columns: size } = layer.layout
  const perUnit = positions.map(columnsOf)
  return Array.from({ length: groups }, (_, g) => ({
    rows,
    size,
    weights: layer.weights.slice(g * rows * size, (g + 1) * rows * size),
    covariance: moments.gram.slice(g * size * size, (g + 1) * size * size),
    columns: perUnit.map((columns) => columns[g]),
  }))
}

/** The initializers of the layers that lose inputs, with δ*. */
export function compensatedNet(net: Net, kept: Kept): Map<string, Tensor> {
  const values = new Map<string, Tensor>()
  for (const layer of net.layers.values()) {
    const { groups, columns: size, columnsOfInput } = layer.layout
    const left = keptColumns(net.groups, layer, kept)
    if (left.every((columns) => columns.length === size)) continue
    // Components are single channels, whatever groups they are of.
    const channels = Array.from({ length: layer.contraction.inputs }, (_, channel) => [channel])
    const components = componentsOf(net, layer.name, (own) => columnsOfChannels(layer, own), channels)
    const weights = new Float64Array(layer.weights.length)
    const perGroup = channels.length / groups
    for (const [g, component] of components.entries()) {
      const own = { ...component, columns: component.columns.slice(g * perGroup, (g + 1) * perGroup) }
      const stay = left[g].filter((column) => column % columnsOfInput === 0).map((column) => column / columnsOfInput)
      weights.set(compensated(own, stay), (g * weights.length) / groups)
    }
    for (const [name, tensor] of tensorsOfRefit(layer, { weights, bias: layer.bias })) values.set(name, tensor)
  }
  return values
}
