/** Quantisation by constants: one scale, or one for each position along an axis, which is cut with it. */

import type { Rule } from '../reading.ts'

export const quantise: Rule = (node) => {
  if (node.int('block_size', 0) !== 0) return 'scales of blocks'
  const axes = node.axes(0)
  const along = axes[node.axisOf(node.int('axis', 1))] ?? null
  for (const parameter of [1, 2]) {
    if (!node.has(parameter) || node.shape(parameter).length === 0) continue
    if (!node.isConstant(parameter)) return 'its scales are computed'
    if (node.shape(parameter)[0] > 1) node.unite(node.axes(parameter)[0], along)
  }
  return node.give(axes)
}
