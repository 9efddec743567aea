/** Operators that change the shape, and those that take tensors apart or put them together. */

import type { Rule, Rules, Site } from './site.ts'

const reshaped: Rule = (site) => [site.reshapeLike(site.g, site.x)]

/** The axis that a node works on, as an int64 vector. */
const sizeAlong = (site: Site, value: string, axis: number): string =>
  site.op('Gather', site.op('Shape', value), site.fragment.integers([axis]))

export const SHAPE: Rules = {
  Reshape: reshaped,
  Flatten: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Expand: (site) => [site.unbroadcast(site.g, site.x)],
  Transpose: (site) => {
    const perm = site.ints('perm')
    const inverse = perm?.map((_, axis) => perm.indexOf(axis))
    return [site.nodeOf('Transpose', [site.g], inverse ? { perm: inverse } : {})]
  },
  Concat: (site) => {
    const axis = site.int('axis', 0)
    const { input } = site.node
    const sizes = site.nodeOf(
      'Concat',
      input.map((value) => sizeAlong(site, value, axis)),
      { axis: 0 },
    )
    const parts = site.fragment.outputs('Split', [site.g, sizes], { axis }, input.length)
    return parts.map((part, i) => (site.wants(i) ? part : undefined))
  },
  Split: (site) => {
    const parts = site.node.output.map((output, i) => site.gradients[i] ?? site.zerosLike(output))
    return [site.nodeOf('Concat', parts, { axis: site.int('axis', 0) })]
  },
}
