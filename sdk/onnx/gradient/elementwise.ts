/** Arithmetic, element by element, with broadcasting. */

import type { Rule, Rules, Site } from './site.ts'

/** A function of one input, by its derivative. */
export const unary =
  (derivative: (site: Site) => string): Rule =>
  (site) => [site.op('Mul', site.g, derivative(site))]

/** Each wanted input of a node by its own formula, summed over the axes along which it was broadcast. */
const broadcast =
  (...formulas: ((site: Site) => string)[]): Rule =>
  (site) =>
    formulas.map((formula, i) => (site.wants(i) ? site.unbroadcast(formula(site), site.node.input[i]) : undefined))

/** One rule for any number of inputs. */
const variadic =
  (formula: (site: Site) => (input: string) => string): Rule =>
  (site) => {
    const gradientOf = formula(site)
    return site.node.input.map((input, i) => (site.wants(i) ? site.unbroadcast(gradientOf(input), input) : undefined))
  }

const right = ({ node }: Site): string => node.input[1]

/** Straight through (Athalye, Carlini, Wagner 2018, "backward pass differentiable approximation"). */
const straightThrough: Rule = ({ g }) => [g]

/** The exponent in the base's type, as `Pow` allows another one. */
const exponent = (site: Site): string => site.fragment.cast(right(site), site.typeOf(site.x))

const sqrt1 = (site: Site, sign: 'Add' | 'Sub', one = site.scalar(1)): string =>
  site.op('Sqrt', site.op(sign, one, site.op('Mul', site.x, site.x)))

/** The winners of `Max` and `Min` share the gradient. */
const extremum = variadic((site) => {
  const dtype = site.typeOf(site.y)
  const wins = (input: string): string => site.fragment.cast(site.op('Equal', input, site.y), dtype)
  const share = site.op('Div', site.g, site.op('Sum', ...site.node.input.map(wins)))
  return (input) => site.op('Mul', share, wins(input))
})

export const ELEMENTWISE: Rules = {
  Add: broadcast(
    ({ g }) => g,
    ({ g }) => g,
  ),
  Sub: broadcast(
    ({ g }) => g,
    (site) => site.op('Neg', site.g),
  ),
  Mul: broadcast(
    (site) => site.op('Mul', site.g, right(site)),
    (site) => site.op('Mul', site.g, site.x),
  ),
  Div: broadcast(
    (site) => site.op('Div', site.g, right(site)),
    (site) => site.op('Neg', site.op('Mul', site.g, site.op('Div', site.y, right(site)))),
  ),
  Pow: broadcast(
    (site) => {
      const e = exponent(site)
      const power = site.op('Pow', site.x, site.op('Sub', e, site.scalar(1)))
      return site.op('Mul', site.g, site.op('Mul', e, power))
    },
    (site) => site.op('Mul', site.g, site.op('Mul', site.y, site.op('Log', site.x))),
  ),
  Sum: variadic(
    ({ g }) =>
      () =>
        g,
  ),
  Mean: variadic((site) => {
    const share = site.op('Div', site.g, site.scalar(site.node.input.length))
    return () => share
  }),
  Max: extremum,
  Min: extremum,
  Where: (site) => {
    const [condition, ...branches] = site.node.input
    const opposite = site.op('Not', condition)
    return [
      undefined,
      ...branches.map((branch, i) =>
        site.wants(i + 1) ? site.unbroadcast(site.gate(i === 0 ? condition : opposite, site.g), branch) : undefined,
      ),
    ]
  },

  Identity: ({ g }) => [g],
  Dropout: (site) => {
    if (site.int('training_mode', 0) !== 0) throw site.unsupported('inference mode')
    return [site.g]
  },
  Cast: (site) => [site.fragment.cast(site.g, site.typeOf(site.x))],

  Neg: (site) => [site.op('Neg', site.g)],
  Abs: unary((site) => site.op('Sign', site.x)),
  Sqrt: (site) => [site.op('Div', site.g, site.op('Add', site.y, site.y))],
  Exp: unary(({ y }) => y),
  Log: (site) => [site.op('Div', site.g, site.x)],
  Reciprocal: unary((site) => site.op('Neg', site.op('Mul', site.y, site.y))),
  Sin: unary((site) => site.op('Cos', site.x)),
  Cos: unary((site) => site.op('Neg', site.op('Sin', site.x))),
  Sinh: unary((site) => site.op('Cosh', site.x)),
  Cosh: unary((site) => site.op('Sinh', site.x)),
  Atan: (site) => [site.op('Div', site.g, site.op('Add', site.scalar(1), site.op('Mul', site.x, site.x)))],
  Asinh: (site) => [site.op('Div', site.g, sqrt1(site, 'Add'))],
  Acosh: (site) => {
    const root = site.op('Sqrt', site.op('Sub', site.op('Mul', site.x, site.x), site.scalar(1)))
    return [site.op('Div', site.g, root)]
  },
  Atanh: (site) => [site.op('Div', site.g, site.op('Sub', site.scalar(1), site.op('Mul', site.x, site.x)))],
  Asin: (site) => [site.op('Div', site.g, sqrt1(site, 'Sub'))],
  Acos: (site) => [site.op('Neg', site.op('Div', site.g, sqrt1(site, 'Sub')))],

  Round: straightThrough,
  Floor: straightThrough,
  Ceil: straightThrough,
}
