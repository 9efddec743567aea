/** How much of each contraction is left when units of groups are removed: what costs beyond MACs and parameters build on. */

import { type Analysis, type Contraction, isDepthwise, type Kept, type Places } from '../../compress/prune/index.ts'

/** The shares of a contraction's weight that remain, by the name of its output. */
export type Shares = ReadonlyMap<string, number>

/**
 * What remains of each contraction's weight.
 *
 * @example
 * sharesOf(analysis, new Map([['conv1', [0, 1, 2, 3]]])).get('conv1') // 0.5 where there were eight
 */
export function sharesOf({ contractions, groups }: Pick<Analysis, 'contractions' | 'groups'>, kept: Kept): Shares {
  const inputs = new Map<string, number>()
  const outputs = new Map<string, number>()
  const remove = (
    removed: Map<string, number>,
    { contraction, positions }: Places,
    units: ReadonlySet<number>,
  ): void => {
    const channels = positions.reduce((sum, list, unit) => (units.has(unit) ? sum : sum + list.length), 0)
    removed.set(contraction.output, (removed.get(contraction.output) ?? 0) + channels)
  }
  for (const group of groups) {
    const list = kept.get(group.name)
    if (!list || list.length === group.units) continue
    const units = new Set(list)
    for (const places of group.writers) remove(outputs, places, units)
    for (const places of group.readers) remove(inputs, places, units)
  }
  const share = (contraction: Contraction): number => {
    const out = 1 - (outputs.get(contraction.output) ?? 0) / contraction.outputs
    return isDepthwise(contraction) ? out : out * (1 - (inputs.get(contraction.output) ?? 0) / contraction.inputs)
  }
  return new Map(contractions.map((contraction) => [contraction.output, share(contraction)]))
}
