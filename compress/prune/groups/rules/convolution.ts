/**
 * Convolutions mix the channels of their input, in `group` separate sets, into new ones. A depthwise convolution has as many
 * sets as channels: what it reads at a channel it writes there.
 */

import type { Axis } from '../atoms.ts'
import type { Reading, Rule } from '../reading.ts'

const MIXED = 'a convolution mixes the positions of this axis'

const COMPUTED = 'its weight is computed'

/** The groups of a convolution: which axis its sets lie along, and its channels within a set. */
function grouped(node: Reading, channels: Axis, groups: number, count: number): [Axis, Axis] {
  const [sets, within] = node.split(channels, [groups, count / groups])
  return [sets, within]
}

function keepGroups(node: Reading, sets: Axis): void {
  const [output] = node.node.output
  if (!sets) return
  node.edit((cut) => {
    if (cut.changed(sets)) cut.setInts(cut.node(output), 'group', cut.kept(sets).length)
  })
}

/** What both kinds share: spatial axes stay, the bias lies along the outputs. */
function common(node: Reading, outputs: Axis): void {
  for (const axis of [...node.axes(0).slice(2), ...node.axes(1).slice(2)]) node.freeze(axis, MIXED)
  if (node.has(2)) node.unite(node.axes(2)[0], outputs)
  const positions = node.outputShape().slice(2)
  node.give([node.axes(0)[0], outputs, ...positions.map(() => null)])
}

export const conv: Rule = (node) => {
  const [x, w] = [node.axes(0), node.axes(1)]
  const out = node.outputShape()
  node.work([x[0] ?? out[0], ...out.slice(2), ...node.sizes(w, node.shape(1))])
  const weight = node.weight(1)
  if (weight === undefined) return COMPUTED
  const groups = node.int('group', 1)
  const [inputs, outputs] = [node.shape(0)[1], node.shape(1)[0]]
  const [sets, within] = grouped(node, x[1], groups, inputs)
  const [writtenSets] = grouped(node, w[0], groups, outputs)
  node.unite(within, w[1])
  node.unite(sets, writtenSets)
  if (groups > 1) keepGroups(node, sets)
  common(node, w[0])
  node.contraction({
    kind: 'conv',
    input: node.node.input[0],
    channelAxis: 1,
    weight,
    inputAxis: 1,
    outputAxis: 0,
    groups,
    inputs: x[1],
    outputs: w[0],
    counts: [inputs, outputs],
  })
  return undefined
}

export const convTranspose: Rule = (node) => {
  const [x, w] = [node.axes(0), node.axes(1)]
  const size = node.shape(0)
  node.work([x[0] ?? size[0], ...size.slice(2), ...node.sizes(w, node.shape(1))])
  const weight = node.weight(1)
  if (weight === undefined) return COMPUTED
  const groups = node.int('group', 1)
  const [inputs, perGroup] = node.shape(1)
  const [sets] = grouped(node, w[0], groups, inputs)
  const outputs = groups === 1 ? w[1] : node.merge([sets, w[1]], [groups, perGroup])
  node.unite(x[1], w[0])
  if (groups > 1) keepGroups(node, sets)
  common(node, outputs)
  node.contraction({
    kind: 'conv-transpose',
    input: node.node.input[0],
    channelAxis: 1,
    weight,
    inputAxis: 0,
    outputAxis: 1,
    groups,
    inputs: x[1],
    outputs,
    counts: [inputs, groups * perGroup],
  })
  return undefined
}
