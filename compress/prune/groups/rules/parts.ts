/** Operators that take parts of axes, add to them or repeat them: what they were told in positions follows a cut. */

import type { Axis } from '../atoms.ts'
import type { Reading, Rule } from '../reading.ts'

/** The opset from which on `Split` takes the sizes as an input. */
const SPLIT_AS_INPUT = 13

const COMPUTED = 'its bounds are computed'

/** Bounds of a `Slice` along its axes: inputs from opset 10 on, attributes before. */
function boundsOf(node: Reading): { axes: number[]; starts: number[]; ends: number[]; steps: number[] } | undefined {
  const [starts, ends] = node.has(1) ? [node.integers(1), node.integers(2)] : [node.ints('starts'), node.ints('ends')]
  const count = starts?.length ?? 0
  const ascending = Array.from({ length: count }, (_, i) => i)
  const axes = node.has(3) ? node.integers(3) : (node.ints('axes') ?? ascending)
  const steps = node.has(4) ? node.integers(4) : ascending.map(() => 1)
  if (!starts || !ends || !axes || !steps) return undefined
  return { axes: axes.map((axis) => node.axisOf(axis)), starts: [...starts], ends: [...ends], steps: [...steps] }
}

/** A bound as a position from the start, within the axis. */
const bounded = (bound: number, size: number): number => Math.min(size, Math.max(0, bound < 0 ? bound + size : bound))

export const slicePart: Rule = (node) => {
  const bounds = boundsOf(node)
  if (!bounds) return COMPUTED
  const shape = node.shape(0)
  const out = [...node.axes(0)]
  const cuts: { entry: number; axis: Int32Array; start: number; end: number }[] = []
  for (const [entry, at] of bounds.axes.entries()) {
    const axis = out[at]
    if (!axis) {
      for (const input of [1, 2]) node.freezeLengths(input, entry)
      continue
    }
    if (bounds.steps[entry] !== 1) {
      node.freeze(axis, 'a slice with steps')
      out[at] = null
      continue
    }
    const [start, end] = [bounded(bounds.starts[entry], shape[at]), bounded(bounds.ends[entry], shape[at])]
    const part = axis.subarray(start, end)
    // What is left may not be nothing, nor look like an axis of length 1.
    if (part.length === 1) node.freeze(part, 'a single channel is taken')
    out[at] = part.length === 1 ? null : part
    cuts.push({ entry, axis, start, end })
  }
  node.give(out)
  const [output] = node.node.output
  node.edit((cut) => {
    const changed = cuts.filter(({ entry, axis }) =>
      cut.changed(axis, ...node.lengths(1, entry), ...node.lengths(2, entry)),
    )
    if (changed.length === 0) return
    const before = (axis: Int32Array, bound: number): number => cut.kept(axis).filter((at) => at < bound).length
    const starts = new Map(changed.map(({ entry, axis, start }) => [entry, before(axis, start)]))
    const ends = new Map(changed.map(({ entry, axis, end }) => [entry, before(axis, end)]))
    const made = cut.node(output)
    if (node.has(1)) {
      cut.setIntegers(made, 1, starts)
      cut.setIntegers(made, 2, ends)
    } else {
      cut.setInts(
        made,
        'starts',
        bounds.starts.map((start, entry) => starts.get(entry) ?? start),
      )
      cut.setInts(
        made,
        'ends',
        bounds.ends.map((end, entry) => ends.get(entry) ?? end),
      )
    }
  })
  return undefined
}

export const splitParts: Rule = (node) => {
  const axes = node.axes(0)
  const at = node.axisOf(node.int('axis', 0))
  const axis = axes[at]
  let start = 0
  const parts = node.node.output.map((_, output): Axis => {
    const size = node.outputShape(output)[at]
    const part = axis?.subarray(start, start + size) ?? null
    start += size
    if (part?.length === 1) node.freeze(part, 'a single channel is taken')
    node.give(axes.with(at, part?.length === 1 ? null : part), output)
    return part
  })
  if (!axis) {
    node.freezeLengths(1)
    return undefined
  }
  if (start !== axis.length) return 'a part of it is not used'
  const [output] = node.node.output
  node.edit((cut) => {
    if (!cut.changed(axis, ...parts.flatMap((_, part) => node.lengths(1, part)))) return
    const made = cut.node(output)
    const sizes = parts.map((part) => cut.kept(part as Int32Array).length)
    made.attribute = made.attribute.filter(({ name }) => name !== 'num_outputs')
    if (node.opset < SPLIT_AS_INPUT) cut.setInts(made, 'split', sizes)
    else cut.setIntegers(made, 1, sizes)
  })
  return undefined
}

/** Positions that `Pad` adds are atoms of their own; a pad that meets channels goes with them. */
export const pad: Rule = (node) => {
  const rank = node.shape(0).length
  const all = node.has(1) ? node.integers(1) : node.ints('pads')
  const given = node.has(3) ? node.integers(3) : undefined
  if (!all || (node.has(3) && !given)) return COMPUTED
  const padded = (given ?? Array.from({ length: rank }, (_, i) => i)).map((axis) => node.axisOf(axis))
  const reflects = node.text('mode', 'constant') !== 'constant'
  const out = [...node.axes(0)]
  const added: { entry: number; atoms: Int32Array }[] = []
  for (const [i, at] of padded.entries()) {
    const axis = out[at]
    const [before, after] = [all[i], all[i + padded.length]]
    if (!axis || (before === 0 && after === 0)) continue
    if (reflects || before < 0 || after < 0) {
      node.freeze(axis, 'channels are padded with others')
      out[at] = null
      continue
    }
    const [head, tail] = [node.fresh(before), node.fresh(after)]
    added.push({ entry: i, atoms: head }, { entry: i + padded.length, atoms: tail })
    out[at] = Int32Array.of(...head, ...axis, ...tail)
  }
  node.give(out)
  const [output] = node.node.output
  node.edit((cut) => {
    const changed = added.filter(({ atoms }) => cut.changed(atoms))
    if (changed.length === 0) return
    const made = cut.node(output)
    const counts = new Map(changed.map(({ entry, atoms }) => [entry, cut.kept(atoms).length]))
    if (node.has(1)) cut.setIntegers(made, 1, counts)
    else
      cut.setInts(
        made,
        'pads',
        all.map((count, entry) => counts.get(entry) ?? count),
      )
  })
  return undefined
}

export const gather: Rule = (node) => {
  const axes = node.axes(0)
  const at = node.axisOf(node.int('axis', 0))
  const axis = axes[at]
  const indices = node.isConstant(1) ? node.integers(1) : undefined
  const [rank, size] = [node.shape(1).length, node.shape(0)[at]]
  const rest = (between: readonly Axis[]): undefined =>
    node.give([...axes.slice(0, at), ...between, ...axes.slice(at + 1)])
  const whole = node.axes(1)
  if (!axis || !indices || rank !== 1 || indices.length < 2) {
    node.freeze(axis, 'channels are looked up')
    return rest(whole.map(() => null))
  }
  const taken = indices.map((index) => (index < 0 ? index + size : index))
  const out = Int32Array.from(taken, (index) => axis[index])
  rest([out])
  const [output] = node.node.output
  node.edit((cut) => {
    if (!cut.changed(axis)) return
    const places = new Map(cut.kept(axis).map((position, place) => [position, place]))
    cut.setIntegers(
      cut.node(output),
      1,
      taken.flatMap((index) => places.get(index) ?? []),
    )
  })
  return undefined
}

/**
 * Sizes along the last axes, where an operator is told them: those of channels follow a cut, others cannot.
 *
 * @param input the sizes
 */
function followSizes(node: Reading, input: number, axes: readonly Axis[]): void {
  const told = node.integers(input)
  const skipped = axes.length - node.shape(input)[0]
  for (const [i, axis] of axes.entries()) {
    if (!axis) node.freezeLengths(input, i - skipped)
    else if (!told) node.freeze(axis, 'its shape is not known')
  }
  const [output] = node.node.output
  node.edit((cut) => {
    const changed = axes.flatMap((axis, i): [number, number][] => {
      const follows = axis && i >= skipped && told?.[i - skipped] !== 1
      const lengths = node.lengths(input, i - skipped)
      return follows && cut.changed(axis, ...lengths) ? [[i - skipped, cut.kept(axis).length]] : []
    })
    if (changed.length > 0) cut.setIntegers(cut.node(output), input, new Map(changed))
  })
}

/** Axes that are repeated from length 1 have nothing that could be removed. */
export const expand: Rule = (node) => {
  const [from, to] = [node.shape(0), node.outputShape()]
  const axes = to.map((size, i): Axis => {
    const at = i - (to.length - from.length)
    return from[at] === size ? node.axes(0)[at] : null
  })
  node.give(axes)
  followSizes(node, 1, axes)
  return undefined
}

export const tile: Rule = (node) => {
  const [from, to] = [node.shape(0), node.outputShape()]
  return node.give(node.axes(0).map((axis, i) => node.merge([null, axis], [to[i] / from[i], from[i]])))
}

/** Axes that keep their length pass; others are resized and stay. */
export const resize: Rule = (node) => {
  const [from, to] = [node.shape(0), node.outputShape()]
  const axes = node.axes(0).map((axis, i): Axis => {
    if (from[i] === to[i]) return axis
    node.freeze(axis, 'channels are resized')
    return null
  })
  // The sizes that it may be told are in the order of these axes.
  const listed = node.ints('axes')
  for (const at of listed?.map((axis) => node.axisOf(axis)) ?? []) node.freeze(axes[at], 'channels are resized')
  const sizes = node.node.opType === 'Resize' && node.has(3) && !listed
  node.give(axes)
  if (sizes) followSizes(node, 3, axes)
  return undefined
}

/** Blocks of channels become blocks of positions: block² channels go together. */
export const depthToSpace: Rule = (node) => {
  const [batch, channels, ...positions] = node.axes(0)
  const block = node.int('blocksize', 1)
  const left = node.shape(0)[1] / block ** 2
  const columns = node.text('mode', 'DCR') === 'CRD'
  const dims = columns ? [left, block ** 2] : [block ** 2, left]
  const factors = node.split(channels, dims)
  node.freeze(factors[columns ? 1 : 0], 'channels become positions')
  for (const axis of positions) node.freeze(axis, 'channels become positions')
  return node.give([batch, factors[columns ? 0 : 1], null, null])
}

export const spaceToDepth: Rule = (node) => {
  const [batch, channels, ...positions] = node.axes(0)
  const block = node.int('blocksize', 1)
  for (const axis of positions) node.freeze(axis, 'positions become channels')
  return node.give([batch, node.merge([null, channels], [block ** 2, node.shape(0)[1]]), null, null])
}
