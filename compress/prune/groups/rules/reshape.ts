/**
 * `Reshape`: consecutive axes become one, one becomes several. Both shapes are cut into the shortest runs of equal products;
 * within a run the axes are factors of a product.
 */

import type { Axis } from '../atoms.ts'
import type { Reading, Rule } from '../reading.ts'

/** Runs of input axes and output axes with the same number of elements. */
function runs(from: readonly number[], to: readonly number[]): { from: [number, number]; to: [number, number] }[] {
  const all: { from: [number, number]; to: [number, number] }[] = []
  let [i, j] = [0, 0]
  while (i < from.length || j < to.length) {
    const start: [number, number] = [i, j]
    let [a, b] = [i < from.length ? from[i++] : 1, j < to.length ? to[j++] : 1]
    while (a !== b) {
      if (a < b) a *= from[i++]
      else b *= to[j++]
    }
    all.push({ from: [start[0], i], to: [start[1], j] })
  }
  return all
}

const SHAPE = 'a shape is computed from the number of channels'

interface Reshaped {
  readonly axes: Axis[]
  /** Of each output axis: whether it was made of channels only, so that its length is known. */
  readonly pure: boolean[]
}

const productOf = (sizes: readonly number[]): number => sizes.reduce((product, size) => product * size, 1)

/** Which axes of a run lie within the channels at its start or at its end. */
function pureAxes(factors: readonly Axis[], read: readonly number[], written: readonly number[]): boolean[] {
  const other = (axis: Axis, i: number): boolean => !axis && read[i] !== 1
  const [first, last] = [factors.findIndex(other), factors.findLastIndex(other)]
  if (first < 0) return written.map(() => true)
  const [head, tail] = [productOf(read.slice(0, first)), productOf(read.slice(last + 1))]
  return written.map(
    (_, i) => head % productOf(written.slice(0, i + 1)) === 0 || tail % productOf(written.slice(i)) === 0,
  )
}

function reshaped(node: Reading): Reshaped {
  const [from, to, axes] = [node.shape(0), node.outputShape(), node.axes(0)]
  const out: Axis[] = []
  const pure: boolean[] = []
  for (const run of runs(from, to)) {
    const [read, written] = [from.slice(...run.from), to.slice(...run.to)]
    const factors = axes.slice(...run.from)
    out.push(...node.split(node.merge(factors, read), written))
    pure.push(...pureAxes(factors, read, written))
  }
  return { axes: out, pure }
}

export const flatten: Rule = (node) => node.give(reshaped(node).axes)

/**
 * Where the target is computed, lengths of channels are put in its place: known ones where only channels made an axis, else −1,
 * which one axis may have.
 */
export const reshape: Rule = (node) => {
  if (node.shape(0).includes(0)) return 'an empty tensor'
  const target = node.integers(1)
  if (!target) return 'its shape is not known'
  const { axes, pure } = reshaped(node)
  const input = node.axes(0)
  const literal = node.isConstant(1)
  const open = target.includes(-1) || pure.filter((known, i) => !known && axes[i] && target[i] > 0).length > 1
  for (const [i, axis] of axes.entries()) {
    if (!axis) node.freezeLengths(1, i)
    else if (target[i] > 0 && !pure[i] && !literal && open) node.freeze(axis, SHAPE)
  }
  const [output] = node.node.output
  node.give(axes)
  node.edit((cut) => {
    if (!cut.changed(...input, ...axes)) return
    const entries = new Map<number, number>()
    for (const [i, axis] of axes.entries()) {
      if (!axis || target[i] === -1 || !(cut.changed(axis) || node.lengths(1, i).length > 0)) continue
      const size = cut.kept(axis).length
      const copied = target[i] === 0 && input[i] && cut.kept(input[i]).length === size
      if (!copied) entries.set(i, pure[i] || literal ? size : -1)
    }
    if (entries.size > 0) cut.setIntegers(cut.node(output), 1, entries)
  })
  return undefined
}
