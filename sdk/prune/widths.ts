/** How much of each contraction is left when units of groups are removed: what costs beyond MACs and parameters build on. */

import {
  type Analysis,
  type Contraction,
  isDepthwise,
  type Kept,
  type Places,
  unreadOf,
} from '../../compress/prune/index.ts'

/** The shares of a contraction's weight that remain, by the name of its output. */
export type Shares = ReadonlyMap<string, number>

/**
 * What remains of each contraction's weight.
 *
 * @example
 * sharesOf(analysis, new Map([['conv1', [0, 1, 2, 3]]])).get('conv1') // 0.5 where there were eight
 */
export function sharesOf(analysis: Pick<Analysis, 'contractions' | 'groups' | 'branches'>, kept: Kept): Shares {
  const { contractions, groups } = analysis
  const unread = unreadOf(analysis, kept)
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
    if (unread.has(contraction.output)) return 0
    const out = 1 - (outputs.get(contraction.output) ?? 0) / contraction.outputs
    return isDepthwise(contraction) ? out : out * (1 - (inputs.get(contraction.output) ?? 0) / contraction.inputs)
  }
  return new Map(contractions.map((contraction) => [contraction.output, share(contraction)]))
}
