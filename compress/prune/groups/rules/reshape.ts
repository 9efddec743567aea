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

const productOf = (sizes: readonly number[]): number => sizes.reduce((product, size) => product * size, 1)

/** Which axes of a run lie within the channels at its start or at its end, so that their lengths are known. */
function knownAxes(
  node: Reading,
  factors: readonly Axis[],
  read: readonly number[],
  written: readonly number[],
): boolean[] {
  const other = (axis: Axis, i: number): boolean => read[i] !== 1 && !(axis && node.isSized(axis))
  const [first, last] = [factors.findIndex(other), factors.findLastIndex(other)]
  if (first < 0) return written.map(() => true)
  const [head, tail] = [productOf(read.slice(0, first)), productOf(read.slice(last + 1))]
  return written.map(
    (_, i) => head % productOf(written.slice(0, i + 1)) === 0 || tail % productOf(written.slice(i)) === 0,
  )
}

/**
 * The axes of the output. An axis has a known length when only channels made it, or when it is told as a number; where batches or
 * pictures made it too, it may be another one in the next run.
 */
function reshaped(node: Reading, told: (axis: number) => boolean): Axis[] {
  const [from, to, axes] = [node.shape(0), node.outputShape(), node.axes(0)]
  const out: Axis[] = []
  for (const run of runs(from, to)) {
    const [read, written] = [from.slice(...run.from), to.slice(...run.to)]
    const factors = axes.slice(...run.from)
    const known = knownAxes(node, factors, read, written)
    for (const [i, axis] of node.split(node.merge(factors, read), written).entries()) {
      if (axis && !known[i] && !told(out.length)) node.leaveUnsized(axis)
      out.push(axis)
    }
  }
  return out
}

export const flatten: Rule = (node) => node.give(reshaped(node, () => false))

/** Where a target is computed, lengths of channels are put in its place: known ones, else −1, which one axis may have. */
export const reshape: Rule = (node) => {
  if (node.shape(0).includes(0)) return 'an empty tensor'
  const target = node.integers(1)
  if (!target) return 'its shape is not known'
  const axes = reshaped(node, (i) => target[i] > 0 && node.isLiteral(1, i))
  for (const [i, axis] of axes.entries()) if (!axis) node.freezeLengths(1, i)
  const sized = axes.map((axis) => axis && node.isSized(axis))
  node.afterwards(() => {
    const unknown = axes.filter((axis, i) => {
      const moves = node.isLive(axis) || node.lengths(1, i).length > 0
      return moves && !sized[i] && target[i] > 0
    })
    if (unknown.length > (target.includes(-1) ? 0 : 1)) for (const axis of unknown) node.freeze(axis, SHAPE)
  })
  const input = node.axes(0)
  const [output] = node.node.output
  node.give(axes)
  node.edit((cut) => {
    if (!cut.changed(...input, ...axes)) return
    const entries = new Map<number, number>()
    for (const [i, axis] of axes.entries()) {
      if (!axis || target[i] === -1 || !(cut.changed(axis) || node.lengths(1, i).length > 0)) continue
      const size = cut.kept(axis).length
      const copied = target[i] === 0 && input[i] && cut.kept(input[i]).length === size
      if (!copied) entries.set(i, sized[i] ? size : -1)
    }
    if (entries.size > 0) cut.setIntegers(cut.node(output), 1, entries)
  })
  return undefined
}
