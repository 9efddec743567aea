/**
 * How much a model minds the loss of a group's units: for each group alone, units are removed in their order, the readers are
 * refitted, and the net that results is run. Raw scores of different layers cannot be compared with each other; these can.
 */

import type { CallOptions, Tensor } from '../../sdk/core/index.ts'
import type { Judge } from './judge.ts'
import { columnsOfChannels, type PrunableLayer, readersOf, tensorsOfRefit } from './layers.ts'
import type { Frontier } from './passes.ts'
import { correctedBias, RIDGE } from './refit.ts'
import { removals, type System } from './select.ts'
import { covarianceOf, type InputStatistics } from './statistics.ts'
import { factorOf, inverseOf, withRidge } from './symmetric.ts'
import type { Analysis, Group } from './types.ts'
import { withInitializers } from './weights.ts'

export interface Sensitivity {
  readonly group: Group
  /** Numbers of units that may be left, fewer than all, descending. */
  readonly grid: readonly number[]
  /** Units in the order of their removal. */
  readonly order: readonly number[]
  /** How far the net goes from the original when so many units are left: descending units, beginning with all at 0. */
  readonly points: readonly { readonly units: number; readonly distance: number }[]
}

/** How many units of a group make `align` channels. */
export const unitsOfStep = ({ width }: Pick<Group, 'width'>, align: number): number =>
  Math.max(1, Math.round(align / width))

/**
 * Numbers of units that may be left of a group: multiples of what makes `align` channels, fewer than all, descending.
 *
 * @param isBranch whether none may be left
 * @example
 * gridOf({ units: 20, width: 1 }, 8) // [16, 8]
 */
export function gridOf(group: Pick<Group, 'units' | 'width'>, align: number, isBranch = false): number[] {
  const { units } = group
  const step = unitsOfStep(group, align)
  const grid: number[] = []
  for (let left = Math.ceil(units / step - 1) * step; left >= step; left -= step) grid.push(left)
  return isBranch ? [...grid, 0] : grid
}

/** Some of a grid, evenly spread, with its ends. */
export function thinnedGrid(grid: readonly number[], levels: number): number[] {
  if (grid.length <= levels) return [...grid]
  return Array.from({ length: levels }, (_, i) => grid[Math.round((i * (grid.length - 1)) / (levels - 1))])
}

/** The systems of a group's readers, one for each convolution group, and whose they are. */
export function systemsOf(
  group: Group,
  layers: ReadonlyMap<string, PrunableLayer>,
  statistics: ReadonlyMap<string, InputStatistics>,
): { layer: PrunableLayer; systems: System[] }[] {
  return readersOf(group, layers).map(({ places, layer }) => {
    const moments = statistics.get(layer.name) as InputStatistics
    const { rows, columns: size, groups } = layer.layout
    const perUnit = places.positions.map((channels) => columnsOfChannels(layer, channels))
    const systems = Array.from({ length: groups }, (_, g): System => {
      const covariance = covarianceOf(moments, g)
      const factor = factorOf(withRidge(covariance, size, RIDGE), size, layer.name)
      return {
        rows,
        size,
        weights: layer.weights.slice(g * rows * size, (g + 1) * rows * size),
        covariance,
        precision: inverseOf(factor, size),
        columns: perUnit.map((columns) => columns[g]),
      }
    })
    return { layer, systems }
  })
}

export interface SensitivityOptions extends CallOptions {
  readonly align: number
  /** At how many numbers of units the group is tried, at most. */
  readonly levels: number
  /** Whether readers are refitted; else removed columns are only zero. */
  readonly refit: boolean
  /** The order in which a group's units are removed; by the removal loss unless told. */
  readonly order?: readonly number[]
  /** Of the judged samples, before the first reader of the group. */
  readonly frontier?: Frontier
}

/** Units that may go, and what that does, for one group. */
export async function sensitivityOf(
  analysis: Analysis,
  group: Group,
  layers: ReadonlyMap<string, PrunableLayer>,
  statistics: ReadonlyMap<string, InputStatistics>,
  judge: Judge,
  { align, levels: most, refit, order: given, frontier, signal }: SensitivityOptions,
): Promise<Sensitivity> {
  const grid = gridOf(group, align, analysis.branches.has(group.name))
  const levels = new Set(thinnedGrid(grid, most))
  const least = Math.min(...levels)
  const order: number[] = []
  const points = [{ units: group.units, distance: 0 }]
  if (levels.size === 0) return { group, grid, order, points }
  const readers = systemsOf(group, layers, statistics)
  const all = readers.flatMap(({ systems }) => systems)
  for (const { kept, weights, unit } of removals(all, group.units, given)) {
    order.push(unit)
    if (levels.has(kept.length)) {
      const removed = new Set(order)
      const values = new Map<string, Tensor>()
      let at = 0
      for (const { layer, systems } of readers) {
        const own = systems.map(() => weights[at++])
        for (const [name, tensor] of refit ? fitted(layer, own, statistics) : zeroed(layer, group, removed))
          values.set(name, tensor)
      }
      const { distance } = await judge.compare(withInitializers(analysis.model, values), { signal, frontier })
      points.push({ units: kept.length, distance: Number.isFinite(distance) ? distance : Number.MAX_VALUE })
    }
    if (kept.length === least) break
  }
  return { group, grid, order, points }
}

function fitted(
  layer: PrunableLayer,
  parts: readonly Float64Array[],
  statistics: ReadonlyMap<string, InputStatistics>,
): [string, Tensor][] {
  const weights = new Float64Array(layer.weights.length)
  let to = 0
  for (const part of parts) {
    weights.set(part, to)
    to += part.length
  }
  const { mean } = statistics.get(layer.name) as InputStatistics
  const bias = correctedBias(layer.layout, layer.bias, { weights: layer.weights, mean }, { weights, mean })
  return tensorsOfRefit(layer, { weights, bias })
}

function zeroed(layer: PrunableLayer, group: Group, removed: ReadonlySet<number>): [string, Tensor][] {
  const weights = Float64Array.from(layer.weights)
  const { rows, columns: size } = layer.layout
  for (const { contraction, positions } of group.readers) {
    if (contraction.output !== layer.name) continue
    const gone = columnsOfChannels(
      layer,
      positions.flatMap((channels, unit) => (removed.has(unit) ? channels : [])),
    )
    for (const [g, columns] of gone.entries()) {
      for (let row = 0; row < rows; row++) for (const column of columns) weights[(g * rows + row) * size + column] = 0
    }
  }
  return tensorsOfRefit(layer, { weights, bias: layer.bias })
}
