/**
 * From sets of atoms to groups: sets that lie along the same axes are the units of one. A layer whose outputs are split
 * writes several. What is frozen is counted by its cause.
 */

import type { Analysis, Contraction, Frozen, Group, Places } from '../types.ts'
import type { Axis } from './atoms.ts'
import type { Propagation, Site } from './propagation.ts'
import type { Structure } from './structure.ts'

export function gather(
  all: Propagation,
  batch: number,
  sources: ReadonlyMap<string, string>,
): Pick<Analysis, 'contractions' | 'groups' | 'frozen' | 'structure'> {
  const groups: Group[] = []
  const unitOf = new Int32Array(all.atoms.count).fill(-1)
  let units = 0
  const names = new Set<string>()
  for (const sets of partition(all)) {
    const writers = all.sites.flatMap((site) => placesOf(all, site.contraction, site.outputs, sets))
    const readers = all.sites.flatMap((site) => placesOf(all, site.contraction, readAxis(all, site), sets))
    if (readers.length === 0) continue
    if (sets.size < 2) {
      const { op, output } = writers[0].contraction
      for (const set of sets.keys())
        all.atoms.freeze(set, { op, node: output, reason: 'its channels can only go together' })
      continue
    }
    const name = nameOf(writers[0].contraction.output, names)
    const width = Math.min(
      ...[...writers, ...readers].map(({ positions }) => Math.max(...positions.map((at) => at.length))),
    )
    groups.push({ name, units: sets.size, width, writers, readers })
    for (const set of sets.keys()) unitOf[set] = units++
  }
  for (let atom = 0; atom < unitOf.length; atom++) unitOf[atom] = unitOf[all.atoms.find(atom)]
  const structure: Structure = { axes: all.axes, unitOf, work: all.work, edits: all.edits, sources, batch }
  return {
    contractions: all.sites.map(({ contraction }) => contraction),
    groups,
    frozen: frozenOf(all, batch),
    structure,
  }
}

/** After the layer; with a number, where the layer has written another group. */
function nameOf(layer: string, taken: Set<string>): string {
  let name = layer
  for (let number = 2; taken.has(name); number++) name = `${layer}/${number}`
  taken.add(name)
  return name
}

/**
 * The sets of each group, in the order in which they are written, with their numbers in it. All lie along the same axes: so no
 * axis is left empty while something of each group stays.
 */
function partition(all: Propagation): Map<number, number>[] {
  const partOf = new Map<number, number>()
  const live = (axis: Axis): Set<number> =>
    new Set(Array.from(axis ?? [], (atom) => all.atoms.find(atom)).filter((set) => !all.atoms.causeOf(set)))
  for (const { outputs } of all.sites) for (const set of live(outputs)) partOf.set(set, 0)
  let parts = 1
  for (const axis of new Set([...all.axes.values()].flat())) {
    // Those of a part that lie along this axis are from now on a part of their own.
    const within = new Map<number, number>()
    for (const set of live(axis)) {
      const part = partOf.get(set)
      if (part === undefined) continue
      if (!within.has(part)) within.set(part, parts++)
      partOf.set(set, within.get(part) as number)
    }
  }
  const sets = new Map<number, Map<number, number>>()
  for (const [set, part] of partOf) {
    const own = sets.get(part) ?? new Map<number, number>()
    sets.set(part, own.set(set, own.size))
  }
  return [...sets.values()]
}

/** Where sets lie along an axis; nothing where they do not. */
function placesOf(all: Propagation, contraction: Contraction, axis: Axis, sets: ReadonlyMap<number, number>): Places[] {
  const positions: number[][] = Array.from(sets, () => [])
  for (const [position, atom] of (axis ?? []).entries()) {
    const unit = atom < 0 ? undefined : sets.get(all.atoms.find(atom))
    if (unit !== undefined) positions[unit].push(position)
  }
  return positions.some((at) => at.length > 0) ? [{ contraction, positions }] : []
}

/** The inputs of a contraction, with −1 for those that it reads only for outputs which go with them, as depthwise ones do. */
function readAxis(all: Propagation, { contraction, inputs, outputs }: Site): Axis {
  const { groups } = contraction
  if (!inputs || !outputs || groups === 1) return inputs
  const [read, written] = [inputs.length / groups, outputs.length / groups]
  return inputs.map((atom, position) => {
    const set = Math.floor(position / read)
    const own = all.atoms.find(atom)
    const mine = outputs.subarray(set * written, (set + 1) * written)
    return mine.every((output) => all.atoms.find(output) === own) ? -1 : atom
  })
}

/** Channels of contractions that must stay, by cause. */
function frozenOf(all: Propagation, batch: number): Frozen[] {
  const byCause = new Map<string, { -readonly [Field in keyof Frozen]: Frozen[Field] }>()
  const macsOf = new Map(
    all.work.map(({ output, sizes }) => [
      output,
      sizes.reduce<number>((product, size) => product * (typeof size === 'number' ? size : size.length), 1) / batch,
    ]),
  )
  for (const { contraction, outputs } of all.sites) {
    for (const atom of outputs ?? []) {
      const cause = all.atoms.causeOf(atom)
      if (!cause) continue
      const key = JSON.stringify(cause)
      const frozen = byCause.get(key) ?? { ...cause, channels: 0, macs: 0 }
      frozen.channels++
      frozen.macs += (macsOf.get(contraction.output) ?? 0) / contraction.outputs
      byCause.set(key, frozen)
    }
  }
  return [...byCause.values()].map((frozen) => ({ ...frozen, macs: Math.round(frozen.macs) }))
}
