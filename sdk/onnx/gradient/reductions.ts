/** Reductions. Each first puts back the axes that were reduced away, then spreads over them. */

import type { Rule, Rules, Site } from './site.ts'

/** A value of the output's shape with the reduced axes as 1. */
function kept(site: Site, value: string): string {
  const axes = site.ints('axes')
  if (site.int('keepdims', 1) !== 0 || (!axes && !site.has(1))) return value
  return site.op('Unsqueeze', value, axes ? site.fragment.integers(axes) : site.node.input[1])
}

/** A reduction by its derivative, from the input and the kept output and gradient. */
const reduction =
  (formula: (site: Site, g: string, y: string) => string): Rule =>
  (site) => {
    if (site.int('noop_with_empty_axes', 0) !== 0 && !site.ints('axes')?.length) {
      const size = site.constant(1)?.data.length
      if (size === undefined || size === 0) throw site.unsupported('axes that are constants')
    }
    return [formula(site, kept(site, site.g), kept(site, site.y))]
  }

const expanded = (site: Site, value: string): string => site.op('Expand', value, site.op('Shape', site.x))

/** The winners share the gradient; how many there are is counted along the same axes. */
const extremum = reduction((site, g, y) => {
  const wins = site.fragment.cast(site.op('Equal', site.x, y), site.typeOf(site.y))
  const axes = site.ints('axes')
  const inputs = axes ? [wins, site.fragment.integers(axes)] : site.has(1) ? [wins, site.node.input[1]] : [wins]
  const count = site.nodeOf('ReduceSum', inputs, { keepdims: 1 })
  return site.op('Mul', wins, site.op('Div', g, count))
})

export const REDUCTIONS: Rules = {
  ReduceSum: reduction((site, g) => expanded(site, g)),
  ReduceMean: reduction((site, g) => expanded(site, site.op('Div', g, site.ratio(site.x, site.y)))),
  ReduceMax: extremum,
  ReduceMin: extremum,
  ReduceL1: reduction((site, g) => site.op('Mul', g, site.op('Sign', site.x))),
  ReduceL2: reduction((site, g, y) => site.op('Mul', site.x, site.op('Div', g, y))),
  ReduceSumSquare: reduction((site, g) => site.op('Mul', site.op('Add', site.x, site.x), g)),
  ReduceLogSum: reduction((site, g, y) => expanded(site, site.op('Div', g, site.op('Exp', y)))),
  ReduceLogSumExp: reduction((site, g, y) => site.op('Mul', g, site.op('Exp', site.op('Sub', site.x, y)))),
  CumSum: (site) => {
    const attributes = { exclusive: site.int('exclusive', 0), reverse: 1 - site.int('reverse', 0) }
    return [site.nodeOf('CumSum', [site.g, site.node.input[1]], attributes)]
  },
}
