/** Activation functions. Where a function has a kink, the derivative there is one of the two sides'. */

import { unary } from './elementwise.ts'
import type { Rule, Rules, Site } from './site.ts'

const positive = (site: Site): string => site.op('Greater', site.x, site.scalar(0))

/** 1 where x > 0, elsewhere a slope. */
const oneOr = (slope: (site: Site) => string): Rule =>
  unary((site) => site.op('Where', positive(site), site.scalar(1), slope(site)))

const square = (site: Site, value: string): string => site.op('Mul', value, value)

/** Values within (low, high) pass the gradient times a slope, the others none. */
const between = (site: Site, value: string, low: number, high: number, gradient: string): string => {
  const above = site.op('Greater', value, site.scalar(low))
  const below = site.op('Less', value, site.scalar(high))
  return site.gate(site.op('And', above, below), gradient)
}

/** Φ(x) + x φ(x), of the normal distribution; for `tanh` the derivative of that approximation. */
function gelu(site: Site): string {
  const { x } = site
  const half = site.scalar(0.5)
  const one = site.scalar(1)
  if (site.text('approximate', 'none') === 'tanh') {
    const k = site.scalar(Math.sqrt(2 / Math.PI))
    const cubic = site.op('Mul', site.scalar(0.044715), square(site, x))
    const t = site.op('Tanh', site.op('Mul', k, site.op('Mul', x, site.op('Add', one, cubic))))
    const inner = site.op('Mul', k, site.op('Add', one, site.op('Mul', site.scalar(3), cubic)))
    const slope = site.op('Mul', site.op('Mul', x, site.op('Sub', one, square(site, t))), inner)
    return site.op('Mul', half, site.op('Add', site.op('Add', one, t), slope))
  }
  const phi = site.op('Exp', site.op('Neg', site.op('Mul', half, square(site, x))))
  const density = site.op('Mul', site.op('Mul', x, phi), site.scalar(1 / Math.sqrt(2 * Math.PI)))
  const erf = site.op('Erf', site.op('Mul', x, site.scalar(Math.SQRT1_2)))
  return site.op('Add', site.op('Mul', half, site.op('Add', one, erf)), density)
}

const rowSum = (site: Site, value: string): string =>
  site.nodeOf('ReduceSum', [value, site.fragment.integers([site.int('axis', -1)])], { keepdims: 1 })

export const ACTIVATIONS: Rules = {
  Relu: (site) => [site.gate(positive(site), site.g)],
  LeakyRelu: oneOr((site) => site.scalar(site.float('alpha', 0.01))),
  PRelu: (site) => [site.op('Where', positive(site), site.g, site.op('Mul', site.g, site.node.input[1]))],
  ThresholdedRelu: (site) => [site.gate(site.op('Greater', site.x, site.scalar(site.float('alpha', 1))), site.g)],
  Elu: oneOr((site) => site.op('Add', site.y, site.scalar(site.float('alpha', 1)))),
  Celu: oneOr((site) => site.op('Exp', site.op('Div', site.x, site.scalar(site.float('alpha', 1))))),
  Selu: unary((site) => {
    const alpha = site.float('alpha', 1.6732631921768188)
    const gamma = site.float('gamma', 1.0507010221481323)
    return site.op('Where', positive(site), site.scalar(gamma), site.op('Add', site.y, site.scalar(alpha * gamma)))
  }),
  Sigmoid: unary((site) => site.op('Mul', site.y, site.op('Sub', site.scalar(1), site.y))),
  Tanh: unary((site) => site.op('Sub', site.scalar(1), square(site, site.y))),
  Erf: unary((site) =>
    site.op('Mul', site.scalar(2 / Math.sqrt(Math.PI)), site.op('Exp', site.op('Neg', square(site, site.x)))),
  ),
  Gelu: unary(gelu),
  Mish: unary((site) => {
    const t = site.op('Tanh', site.op('Softplus', site.x))
    const slope = site.op('Mul', site.op('Sub', site.scalar(1), square(site, t)), site.op('Sigmoid', site.x))
    return site.op('Add', t, site.op('Mul', site.x, slope))
  }),
  Softplus: unary((site) => site.op('Sigmoid', site.x)),
  Softsign: unary((site) =>
    site.op('Reciprocal', square(site, site.op('Add', site.scalar(1), site.op('Abs', site.x)))),
  ),
  /** At a bound the gradient passes, so that an input on the edge of its range can be attacked. */
  Clip: (site) => [site.gate(site.op('Equal', site.x, site.y), site.g)],
  HardSigmoid: (site) => {
    const slope = site.op('Mul', site.g, site.scalar(site.float('alpha', 0.2)))
    return [between(site, site.y, 0, 1, slope)]
  },
  HardSwish: (site) => {
    const slope = site.op('Add', site.op('Div', site.x, site.scalar(3)), site.scalar(0.5))
    const inner = between(site, site.x, -3, 3, site.op('Mul', site.g, slope))
    return [site.op('Where', site.op('Less', site.x, site.scalar(3)), inner, site.g)]
  },
  Softmax: (site) => {
    const weighted = site.op('Mul', site.g, site.y)
    return [site.op('Sub', weighted, site.op('Mul', site.y, rowSum(site, weighted)))]
  },
  LogSoftmax: (site) => [site.op('Sub', site.g, site.op('Mul', site.op('Exp', site.y), rowSum(site, site.g)))],
}
