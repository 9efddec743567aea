/**
 * What others do under the same budget: units are ranked by the norm of their weights, by Wanda's product of weight and activation,
 * or drawn. `uniform` leaves every layer the same share, as pruners without a measured sensitivity do, as near to the budget as ours; `ours` gives each layer the
 * width that hardpack gave it, so that only the choice of units differs. Each as it is, and with hardpack's refit.
 */

import { type Criterion, orderBy } from '../../../compress/prune/criteria.ts'
import { costOf, type Kept, type PreparedPruning } from '../../../compress/prune/index.ts'
import { type Kind, keptOfKinds } from '../../../compress/prune/kinds.ts'
import { gridOf } from '../../../compress/prune/sensitivity.ts'
import { writeModel } from '../../../sdk/onnx/index.ts'

export const SELECTIONS = ['l2', 'wanda', 'random'] as const
export type Selection = (typeof SELECTIONS)[number]

export type Widths = 'uniform' | 'ours'

export interface Selected {
  readonly selection: Selection
  readonly widths: Widths
  readonly refit: boolean
  /** Share of the multiply-accumulates that are left. */
  readonly left: number
  readonly file: Uint8Array
}

const ALIGN = 8

export interface SelectionPlan {
  /** The share of the multiply-accumulates that may remain. */
  readonly remain: number
  /** What hardpack kept under this budget. */
  readonly ours: Kept
  readonly widths: readonly Widths[]
  readonly seed: number
}

/** Prunes by the selections of others. */
export async function* selectionsOf(
  prepared: PreparedPruning,
  { remain, ours, widths: wanted, seed }: SelectionPlan,
): AsyncGenerator<Selected> {
  const { net, kinds, finish } = prepared
  const { macs } = costOf(net.analysis)
  const orders = (selection: Criterion): Map<Kind, readonly number[]> =>
    new Map(kinds.map((kind, i) => [kind, orderBy(selection, kind.group, net.layers, net.statistics, seed + i) ?? []]))
  const widthOf = uniformWidths(prepared, remain * macs)
  for (const selection of SELECTIONS) {
    const order = orders(selection)
    const uniform = keptOf(kinds, order, widthOf)
    const same = keptOf(kinds, order, ({ whole, units }) => {
      const left = ours.get(whole.name)
      return left && units.filter((unit) => left.includes(unit)).length
    })
    for (const widths of wanted) {
      const kept = widths === 'ours' ? same : uniform
      const left = costOf(net.analysis, kept).macs / macs
      for (const refit of [false, true]) {
        yield { selection, widths, refit, left, file: writeModel((await finish(kept, refit)).model) }
      }
    }
  }
}

/** Units of each kind: the same share of all as far as steps of the alignment allow, as much as the budget holds. */
function uniformWidths({ net, kinds }: PreparedPruning, budget: number): (kind: Kind) => number {
  const grids = new Map(kinds.map((kind) => [kind, [kind.group.units, ...gridOf(kind.group, ALIGN)]]))
  const gridOfKind = (kind: Kind): number[] => grids.get(kind) as number[]
  const isWithin = (unitsOf: (kind: Kind) => number): boolean =>
    costOf(net.analysis, keptOf(kinds, undefined, unitsOf)).macs <= budget
  const ofShare =
    (share: number) =>
    (kind: Kind): number =>
      gridOfKind(kind).findLast((units) => units >= share * kind.group.units) as number
  let [low, high] = [0, 1]
  for (let i = 0; i < 20; i++) {
    const middle = (low + high) / 2
    if (isWithin(ofShare(middle))) low = middle
    else high = middle
  }
  const widths = new Map(kinds.map((kind) => [kind, ofShare(low)(kind)]))
  const unitsOf = (kind: Kind): number => widths.get(kind) as number
  // Layers of one width step together, which can overshoot by far: the narrowest first, they get steps back.
  const wider = (kind: Kind): number | undefined => gridOfKind(kind).findLast((units) => units > unitsOf(kind))
  for (;;) {
    const possible = kinds.filter((kind) => {
      const units = wider(kind)
      return units !== undefined && isWithin((other) => (other === kind ? units : unitsOf(other)))
    })
    if (possible.length === 0) return unitsOf
    const share = (kind: Kind): number => unitsOf(kind) / kind.group.units
    const narrowest = possible.reduce((least, kind) => (share(kind) < share(least) ? kind : least))
    widths.set(narrowest, wider(narrowest) as number)
  }
}

/** @param order of removal, of each kind; any order costs the same */
function keptOf(
  kinds: readonly Kind[],
  order: ReadonlyMap<Kind, readonly number[]> | undefined,
  unitsOf: (kind: Kind) => number | undefined,
): Kept {
  const kept = new Map<string, readonly number[]>()
  for (const kind of kinds) {
    const units = unitsOf(kind)
    if (units === undefined || units === kind.group.units) continue
    const ranked = order?.get(kind) ?? Array.from({ length: kind.group.units }, (_, unit) => unit)
    kept.set(
      kind.group.name,
      ranked.slice(kind.group.units - units).toSorted((a, b) => a - b),
    )
  }
  return keptOfKinds(kinds, kept)
}
