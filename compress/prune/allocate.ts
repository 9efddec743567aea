/**
 * How many units each group keeps: from the whole net down, always the step that costs least divergence for what it saves, until
 * the budget is met. A step may skip numbers of units, so that a group whose curve is not convex is no trap. What the last steps saved
 * too much is given back where that helps most.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import type { Sensitivity } from './sensitivity.ts'
import type { Kept } from './types.ts'

export interface AllocateOptions {
  /** What the model may cost, in the unit of `costOf`. */
  readonly target: number
  readonly costOf: (kept: Kept) => number
}

/** Where an allocation has come to. */
export interface Allocation {
  readonly kept: Kept
  readonly cost: number
  /** The sum of the groups' distances. */
  readonly distance: number
}

interface Choice {
  readonly sensitivity: Sensitivity
  /** Numbers of units, descending, with what each costs the net. */
  readonly grid: readonly { readonly units: number; readonly distance: number }[]
  at: number
}

/**
 * The distance at each number of units of the grid, never falling as units go. Distances grow by a factor from point to point,
 * so logarithms of them are joined by straight lines; from nothing removed to the first point, by a parabola.
 */
export function curveOf({ group, grid, points }: Sensitivity): { units: number; distance: number }[] {
  let most = 0
  const rising = points.map(({ units, distance }) => {
    most = Math.max(most, distance)
    return { units, distance: most }
  })
  return [group.units, ...grid].map((units) => {
    const [a, b] = [
      rising.findLast((point) => point.units >= units) ?? rising[0],
      rising.find((point) => point.units <= units),
    ]
    if (!b || a.units === units) return { units, distance: a.distance }
    const share = (a.units - units) / (a.units - b.units)
    const distance = a.distance > 0 ? a.distance * (b.distance / a.distance) ** share : b.distance * share ** 2
    return { units, distance }
  })
}

/** The units of a group that are left when so many are. */
export function unitsLeft({ group, order }: Sensitivity, units: number): number[] {
  const removed = new Set(order.slice(0, group.units - units))
  return Array.from({ length: group.units }, (_, unit) => unit).filter((unit) => !removed.has(unit))
}

function keptOf(choices: readonly Choice[], changed?: Choice, at = 0): Kept {
  const kept = new Map<string, readonly number[]>()
  for (const choice of choices) {
    const { sensitivity, grid } = choice
    const level = choice === changed ? at : choice.at
    if (level > 0) kept.set(sensitivity.group.name, unitsLeft(sensitivity, grid[level].units))
  }
  return kept
}

/**
 * The allocations from the whole net down to the budget.
 *
 * @returns each meets a tighter budget than the one before; the last meets `target`
 * @throws HardpackError `INVALID_ARGUMENT` for a budget that the model cannot be made to meet.
 */
export function allocate(sensitivities: readonly Sensitivity[], { target, costOf }: AllocateOptions): Allocation[] {
  const choices = sensitivities.map((sensitivity): Choice => ({ sensitivity, grid: curveOf(sensitivity), at: 0 }))
  const distanceOf = (): number => choices.reduce((sum, { grid, at }) => sum + grid[at].distance, 0)
  let cost = costOf(new Map())
  const whole = cost
  const path: Allocation[] = []
  while (cost > target) {
    let step: { choice: Choice; at: number; price: number } | undefined
    for (const choice of choices) {
      const costs = costsOf(choices, choice, cost, costOf)
      for (let at = choice.at + 1; at < choice.grid.length; at++) {
        const saved = Math.min(cost - costs(at), cost - target)
        const price = (choice.grid[at].distance - choice.grid[choice.at].distance) / saved
        if (saved > 0 && (!step || price < step.price)) step = { choice, at, price }
      }
    }
    if (!step) throw impossible(target, whole, cost)
    step.choice.at = step.at
    cost = costOf(keptOf(choices))
    path.push({ kept: keptOf(choices), cost, distance: distanceOf() })
  }
  return [...path.slice(0, -1), ...giveBack(choices, target, costOf, distanceOf)]
}

/**
 * What the net costs with a choice at another place of its grid. Layers cost a product of two numbers of units, so that the cost of the
 * net is a polynomial of degree two in each: three of its values say the others. Of a branch that goes as a whole more goes than its units.
 */
function costsOf(
  choices: readonly Choice[],
  choice: Choice,
  cost: number,
  costOf: (kept: Kept) => number,
): (at: number) => number {
  const { grid, at: first } = choice
  const none = grid.at(-1)?.units === 0 ? grid.length - 1 : undefined
  const last = grid.length - (none === undefined ? 1 : 2)
  const middle = Math.ceil((first + last) / 2)
  const known = new Map([[first, cost]])
  for (const at of [middle, last]) if (!known.has(at)) known.set(at, costOf(keptOf(choices, choice, at)))
  const withoutBranch = none === undefined ? cost : costOf(keptOf(choices, choice, none))
  return (at) => {
    if (at === none) return withoutBranch
    let value = 0
    for (const [i, own] of known) {
      let weight = own
      for (const j of known.keys()) {
        if (j !== i) weight *= (grid[at].units - grid[j].units) / (grid[i].units - grid[j].units)
      }
      value += weight
    }
    return value
  }
}

/** Undoes steps that the budget does not need, those of the most distance first. */
function giveBack(
  choices: readonly Choice[],
  target: number,
  costOf: (kept: Kept) => number,
  distanceOf: () => number,
): Allocation[] {
  for (;;) {
    let most: { choice: Choice; at: number; gain: number } | undefined
    for (const choice of choices) {
      for (let at = choice.at - 1; at >= 0 && costOf(keptOf(choices, choice, at)) <= target; at--) {
        const gain = choice.grid[choice.at].distance - choice.grid[at].distance
        if (!most || gain > most.gain) most = { choice, at, gain }
      }
    }
    if (!most) {
      const kept = keptOf(choices)
      return kept.size > 0 ? [{ kept, cost: costOf(kept), distance: distanceOf() }] : []
    }
    most.choice.at = most.at
  }
}

/** A budget that cannot be met. */
export function impossible(target: number, whole: number, least: number): HardpackError {
  const share = (cost: number): string => `${((100 * cost) / whole).toFixed(1)} %`
  return new HardpackError(
    'INVALID_ARGUMENT',
    `Pruning expected a budget that the model can meet, at least ${share(least)} of it, got ${share(target)}.`,
    { hint: 'Ask for a larger share.' },
  )
}
