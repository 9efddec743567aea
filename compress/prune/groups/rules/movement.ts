/** Operators that move elements: every output axis is one of the input's, a part of one, or several in a row. */

import type { Axis } from '../atoms.ts'
import type { Rule } from '../reading.ts'

export const transpose: Rule = (node) => {
  const axes = node.axes(0)
  const order = node.ints('perm') ?? axes.map((_, i) => axes.length - 1 - i)
  return node.give(order.map((axis) => axes[axis]))
}

/** Axes of length 1 come and go. */
export const squeeze: Rule = (node) => {
  if (node.node.opType === 'Squeeze' && !node.has(1) && !node.hasAttribute('axes')) return 'every axis of length 1 goes'
  const [from, to] = [node.shape(0), node.outputShape()]
  const longer = node.axes(0).filter((_, i) => from[i] !== 1)
  let next = 0
  return node.give(to.map((size) => (size === 1 ? null : longer[next++])))
}

export const concat: Rule = (node) => {
  const out = node.outputShape()
  const along = node.axisOf(node.int('axis', 1), out.length)
  const operands = node.node.input.map((_, i) => i)
  const axes = out.map((size, axis): Axis => {
    const met = operands.map((operand) => node.axes(operand)[axis])
    if (axis !== along) return size === 1 ? null : met.reduce((one, other) => node.unite(one, other))
    if (met.every((each) => !each)) return null
    const atoms = operands.flatMap((operand, i) => {
      const placed = met[i] ?? node.fresh(node.shape(operand)[along])
      if (!met[i]) node.freeze(placed, 'it is joined with values that are not channels')
      return [...placed]
    })
    return Int32Array.from(atoms)
  })
  return node.give(axes)
}
