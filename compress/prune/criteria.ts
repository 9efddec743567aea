/** By what the units of a group are ranked: the project's own removal loss, the paper's fidelity, and what others use. */

import { shuffled } from '../../sdk/core/index.ts'
import { unitScores } from './fidelity.ts'
import { columnsOfChannels, type PrunableLayer, readersOf } from './layers.ts'
import { powerOf, type System } from './select.ts'
import { systemsOf } from './sensitivity.ts'
import type { InputStatistics } from './statistics.ts'
import type { Group } from './types.ts'

/**
 * - `removal-loss`: what the readers lose after a refit, counted anew after each removal
 * - `energy`: the power of what a unit contributes, Σ_c w_ciᵀ Σ_ii w_ci
 * - `fidelity`: the highest Subset Fidelity of the unit alone (ModHiFi)
 * - `l2`: the norm of the weights that make the unit
 * - `wanda`: Σ |w| ‖u‖ over the weights that read it (Sun, Liu, Bair, Kolter, ICLR 2024, for whole channels)
 * - `random`: by a seed
 */
export type Criterion = 'removal-loss' | 'energy' | 'fidelity' | 'l2' | 'wanda' | 'random'

const ascending = (scores: Float64Array): number[] => Array.from(scores.keys()).sort((a, b) => scores[a] - scores[b])

/** Adds to each unit's score what a system says of its columns, as a share of the power of the outputs. */
function energyOf(systems: readonly System[], units: number): Float64Array {
  const energies = new Float64Array(units)
  for (const system of systems) {
    const { rows, size, weights, covariance, columns } = system
    const power = powerOf(system) || 1
    for (let unit = 0; unit < units; unit++) {
      for (let row = 0; row < rows; row++) {
        for (const a of columns[unit]) {
          for (const b of columns[unit]) {
            energies[unit] += (weights[row * size + a] * covariance[a * size + b] * weights[row * size + b]) / power
          }
        }
      }
    }
  }
  return energies
}

function wandaOf(
  group: Group,
  layers: ReadonlyMap<string, PrunableLayer>,
  statistics: ReadonlyMap<string, InputStatistics>,
): Float64Array {
  const scores = new Float64Array(group.units)
  for (const { places, layer } of readersOf(group, layers)) {
    const { gram, size } = statistics.get(layer.name) as InputStatistics
    const { rows } = layer.layout
    for (const [unit, channels] of places.positions.entries()) {
      for (const [g, columns] of columnsOfChannels(layer, channels).entries()) {
        for (const column of columns) {
          const norm = Math.sqrt(gram[(g * size + column) * size + column])
          for (let row = 0; row < rows; row++) {
            scores[unit] += Math.abs(layer.weights[(g * rows + row) * size + column]) * norm
          }
        }
      }
    }
  }
  return scores
}

function normOf(group: Group, layers: ReadonlyMap<string, PrunableLayer>): Float64Array {
  const scores = new Float64Array(group.units)
  for (const { contraction, positions } of group.writers) {
    const layer = layers.get(contraction.output)
    if (!layer) continue
    const { columns, rowsOfOutput } = layer.layout
    const length = rowsOfOutput * columns
    for (const [unit, channels] of positions.entries()) {
      for (const channel of channels) {
        const own = layer.weights.subarray(channel * length, (channel + 1) * length)
        scores[unit] += own.reduce((sum, weight) => sum + weight ** 2, 0)
      }
    }
  }
  return scores
}

/**
 * The order in which a group's units are removed.
 *
 * @returns units, the least important first; `undefined` where each removal is to be weighed anew
 */
export function orderBy(
  criterion: Criterion,
  group: Group,
  layers: ReadonlyMap<string, PrunableLayer>,
  statistics: ReadonlyMap<string, InputStatistics>,
  seed: number,
): readonly number[] | undefined {
  const systems = () => systemsOf(group, layers, statistics).flatMap((reader) => reader.systems)
  switch (criterion) {
    case 'removal-loss':
      return undefined
    case 'energy':
      return ascending(energyOf(systems(), group.units))
    case 'fidelity':
      return ascending(unitScores(systems(), group.units))
    case 'l2':
      return ascending(normOf(group, layers))
    case 'wanda':
      return ascending(wandaOf(group, layers, statistics))
    case 'random':
      return shuffled(group.units, seed)
  }
}
