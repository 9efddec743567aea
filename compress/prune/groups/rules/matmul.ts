/**
 * Matrix products. With a constant weight on the right it is a linear layer. Of two activations it is attention: the axis
 * that is summed over must stay, because nobody's weights could be zero instead, and an attention head lies along an axis of
 * batches, so that a head is removed as a whole.
 */

import type { Axis } from '../atoms.ts'
import type { Rule } from '../reading.ts'

const SUMMED = 'a product of two activations sums over these channels'

const LEFT = 'its weight is not a matrix on the right'

export const matMul: Rule = (node) => {
  const [a, b] = [node.axes(0), node.axes(1)]
  const [shapeA, shapeB] = [node.shape(0), node.shape(1)]
  if (a.length < 2 || b.length < 2) {
    node.work([...node.outputShape(), shapeA[shapeA.length - 1]])
    return 'a product with a vector'
  }
  const weight = node.weight(1)
  const inner: Axis = a[a.length - 1]
  const sizes = node.sizes(a, shapeA)
  if (weight !== undefined && b.length === 2) {
    node.unite(inner, b[0])
    node.give([...a.slice(0, -1), b[1]])
    node.work([...sizes.slice(0, -1), ...node.sizes(b, shapeB)])
    node.contraction({
      kind: 'linear',
      input: node.node.input[0],
      channelAxis: a.length - 1,
      weight,
      inputAxis: 0,
      outputAxis: 1,
      groups: 1,
      inputs: inner,
      outputs: b[1],
      counts: [shapeB[0], shapeB[1]],
    })
    return undefined
  }
  const constant = weight !== undefined || node.weight(0) !== undefined
  for (const axis of [inner, b[b.length - 2]]) node.freeze(axis, constant ? LEFT : SUMMED)
  const out = node.outputShape()
  const batches = out.slice(0, -2).map((size, i) => {
    const aligned = [a, b].flatMap((axes) => {
      const at = i - (out.length - axes.length)
      const shape = axes === a ? shapeA : shapeB
      return shape[at] === size ? [axes[at]] : []
    })
    return aligned.reduce((one, other) => node.unite(one, other))
  })
  node.give([...batches, a[a.length - 2], b[b.length - 1]])
  node.work([...node.sizes([...batches, a[a.length - 2], b[b.length - 1]], out), shapeA[shapeA.length - 1]])
  return undefined
}

export const gemm: Rule = (node) => {
  const weight = node.weight(1)
  const [a, b] = [node.axes(0), node.axes(1)]
  if (weight === undefined || node.int('transA', 0) !== 0) {
    node.work([node.outputShape()[0], ...node.shape(1)])
    return LEFT
  }
  const [inputAxis, outputAxis] = node.int('transB', 0) === 0 ? [0, 1] : [1, 0]
  node.unite(a[1], b[inputAxis])
  if (node.has(2)) {
    const [shape, axes] = [node.shape(2), node.axes(2)]
    if (shape[shape.length - 1] === node.shape(1)[outputAxis]) node.unite(axes[axes.length - 1], b[outputAxis])
    for (const axis of axes.slice(0, -1)) node.freeze(axis, 'a bias of each sample')
  }
  node.give([a[0], b[outputAxis]])
  node.work([...node.sizes([a[0]], [node.shape(0)[0]]), ...node.sizes(b, node.shape(1))])
  node.contraction({
    kind: 'linear',
    input: node.node.input[0],
    channelAxis: 1,
    weight,
    inputAxis,
    outputAxis,
    groups: 1,
    inputs: a[1],
    outputs: b[outputAxis],
    counts: [node.shape(1)[inputAxis], node.shape(1)[outputAxis]],
  })
  return undefined
}
