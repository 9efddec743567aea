/** Normalisations: what is computed for each channel passes, what is computed over channels stays whole. */

import type { Rule } from '../reading.ts'

const NORMALISED = 'it is normalised over these channels'

export const batchNormalization: Rule = (node) => {
  const axes = node.axes(0)
  for (let parameter = 1; parameter < 5; parameter++) node.unite(node.axes(parameter)[0], axes[1])
  return node.give(axes)
}

export const instanceNormalization: Rule = (node) => {
  const axes = node.axes(0)
  for (let parameter = 1; parameter < 3; parameter++) node.unite(node.axes(parameter)[0], axes[1])
  for (const axis of axes.slice(2)) node.freeze(axis, NORMALISED)
  return node.give(axes)
}

export const layerNormalization: Rule = (node) => {
  const axes = node.axes(0)
  const first = node.axisOf(node.int('axis', -1))
  for (const axis of axes.slice(first)) node.freeze(axis, NORMALISED)
  const outer = axes.map((axis, i) => (i < first ? axis : null))
  node.give(axes)
  for (let output = 1; output < node.node.output.length; output++) node.give(outer, output)
  return undefined
}

/** Groups of channels are normalised together: a group stays or goes as a whole. */
export const groupNormalization: Rule = (node) => {
  const axes = node.axes(0)
  const groups = node.int('num_groups', 1)
  const [sets, within] = node.split(axes[1], [groups, node.shape(0)[1] / groups])
  node.freeze(within, NORMALISED)
  for (const axis of axes.slice(2)) node.freeze(axis, NORMALISED)
  for (let parameter = 1; parameter < 3; parameter++) {
    node.unite(node.axes(parameter)[0], node.shape(parameter)[0] === groups ? sets : axes[1])
  }
  const [output] = node.node.output
  if (sets) {
    node.edit((cut) => {
      if (cut.changed(sets)) cut.setInts(cut.node(output), 'num_groups', cut.kept(sets).length)
    })
  }
  return node.give(axes)
}
