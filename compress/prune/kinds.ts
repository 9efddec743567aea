/**
 * Units of one group that lie in different layers: of a residual stream whose later stages are wider, some channels are there from
 * the beginning and some only at the end. Each kind is ranked and counted by itself, so that every layer's channels stay multiples of
 * the alignment.
 */

import type { Group, Kept, Places } from './types.ts'

/** Units of a group that lie in the same layers. */
export interface Kind {
  /** The units by themselves, as a group of its own. */
  readonly group: Group
  readonly whole: Group
  /** Their numbers in the whole group. */
  readonly units: readonly number[]
}

/** The kinds of a group's units; a group whose units are all alike is one. */
export function kindsOf(whole: Group): Kind[] {
  const byPlaces = new Map<string, number[]>()
  for (let unit = 0; unit < whole.units; unit++) {
    const key = [...whole.writers, ...whole.readers]
      .map(({ positions }) => (positions[unit].length > 0 ? '1' : '0'))
      .join('')
    const own = byPlaces.get(key)
    if (own) own.push(unit)
    else byPlaces.set(key, [unit])
  }
  const lists = [...byPlaces.values()]
  return lists.map((units, i) => {
    const only = (places: readonly Places[]): Places[] =>
      places
        .map(({ contraction, positions }) => ({ contraction, positions: units.map((unit) => positions[unit]) }))
        .filter(({ positions }) => positions[0].length > 0)
    const name = lists.length === 1 ? whole.name : `${whole.name}#${i}`
    return {
      whole,
      units,
      group: { ...whole, name, units: units.length, writers: only(whole.writers), readers: only(whole.readers) },
    }
  })
}

/** The units that stay of whole groups, from those that stay of kinds. */
export function keptOfKinds(kinds: readonly Kind[], kept: Kept): Kept {
  const removed = new Map<Group, Set<number>>()
  for (const { group, whole, units } of kinds) {
    const left = kept.get(group.name)
    if (!left) continue
    const gone = removed.get(whole) ?? new Set(units)
    for (const unit of units) gone.add(unit)
    for (const i of left) gone.delete(units[i])
    removed.set(whole, gone)
  }
  return new Map(
    [...removed].map(([{ name, units }, gone]) => [
      name,
      Array.from({ length: units }, (_, unit) => unit).filter((unit) => !gone.has(unit)),
    ]),
  )
}
