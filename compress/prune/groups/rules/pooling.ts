/** Pooling, resizing and reductions: channels pass, and an axis that is summed, normalised or resized stays whole. */

import type { Reading, Rule } from '../reading.ts'

const NORMALISED = 'it is normalised over these channels'

/** Samples × channels × positions, where positions are pooled. */
export const pool: Rule = (node) => {
  if (node.node.output[1]) return 'its indices are read'
  const [batch, channels, ...positions] = node.axes(0)
  for (const axis of positions) node.freeze(axis, 'these positions are pooled')
  return node.give([batch, channels, ...positions.map(() => null)])
}

/** The axes that a reduction is over: an attribute, or from opset 13 or 18 on an input. */
function reducedAxes(node: Reading): number[] | undefined {
  const rank = node.shape(0).length
  const given = node.has(1) ? node.integers(1) : node.ints('axes')
  if (node.has(1) && !given) return undefined
  if (given && given.length > 0) return given.map((axis) => node.axisOf(axis, rank))
  return node.int('noop_with_empty_axes', 0) ? [] : Array.from({ length: rank }, (_, i) => i)
}

export const reduce: Rule = (node) => {
  const reduced = reducedAxes(node)
  if (!reduced) return 'its axes are computed'
  const keep = node.int('keepdims', 1) !== 0
  const axes = node.axes(0).flatMap((axis, i) => {
    if (!reduced.includes(i)) return [axis]
    node.freeze(axis, 'a reduction over these channels')
    return keep ? [null] : []
  })
  return node.give(axes)
}

/** The opset from which on a softmax is over one axis; before, over all from it on. */
const ONE_AXIS = 13

/** Softmax and its like: what lies along their axis is normalised together. */
export const softmax: Rule = (node) => {
  const axes = node.axes(0)
  const one = node.opset >= ONE_AXIS
  const first = node.axisOf(node.int('axis', one ? -1 : 1))
  for (const axis of axes.slice(first, one ? first + 1 : undefined)) node.freeze(axis, NORMALISED)
  return node.give(axes)
}
