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

interface Reshaped {
  readonly axes: Axis[]
  /** Of each output axis: whether all that it was made of are channels, so that its length is known. */
  readonly pure: boolean[]
}

function reshaped(node: Reading): Reshaped {
  const [from, to, axes] = [node.shape(0), node.outputShape(), node.axes(0)]
  const out: Axis[] = []
  const pure: boolean[] = []
  for (const run of runs(from, to)) {
    const [read, written] = [from.slice(...run.from), to.slice(...run.to)]
    const factors = axes.slice(...run.from)
    out.push(...node.split(node.merge(factors, read), written))
    const whole = factors.every((axis, i) => axis || read[i] === 1)
    pure.push(...written.map(() => whole))
  }
  return { axes: out, pure }
}

export const flatten: Rule = (node) => node.give(reshaped(node).axes)

export const reshape: Rule = (node) => {
  if (from0(node)) return 'an empty tensor'
  const { axes, pure } = reshaped(node)
  const target = node.integers(1)
  if (!target) return 'its shape is not known'
  const free = target.indexOf(-1)
  for (const [i, axis] of axes.entries()) {
    if (axis) {
      if (target[i] > 0 && !pure[i] && !node.isConstant(1) && free >= 0) node.freeze(axis, 'its shape is computed')
    } else
      for (const length of node.lengths(1, i)) node.freeze(length, 'a shape is computed from the number of channels')
  }
  const input = node.axes(0)
  const [output] = node.node.output
  node.give(axes)
  node.edit((cut) => {
    if (!cut.changed(...input, ...axes)) return
    const entries = new Map<number, number>()
    for (const [i, axis] of axes.entries()) {
      if (!axis || target[i] === -1) continue
      const size = cut.kept(axis).length
      const copied = input[i] && cut.kept(input[i]).length === size
      if (target[i] === 0 && copied) continue
      entries.set(i, pure[i] || node.isConstant(1) ? size : -1)
    }
    if (entries.size > 0) cut.setIntegers(cut.node(output), 1, entries)
  })
  return undefined
}

const from0 = (node: Reading): boolean => node.shape(0).includes(0)
