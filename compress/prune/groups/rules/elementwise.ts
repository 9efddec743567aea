/** Operators that compute each element from those at the same position: the axes of all operands are one, where none is broadcast. */

import type { Axis } from '../atoms.ts'
import type { Rule } from '../reading.ts'

export const ELEMENTWISE = [
  ...[
    'Abs',
    'Acos',
    'Acosh',
    'Asin',
    'Asinh',
    'Atan',
    'Atanh',
    'Cast',
    'CastLike',
    'Ceil',
    'Celu',
    'Clip',
    'Cos',
    'Cosh',
  ],
  ...[
    'Dropout',
    'Elu',
    'Erf',
    'Exp',
    'Floor',
    'Gelu',
    'HardSigmoid',
    'HardSwish',
    'Identity',
    'IsInf',
    'IsNaN',
    'LeakyRelu',
  ],
  ...['Log', 'Mish', 'Neg', 'Not', 'Reciprocal', 'Relu', 'Round', 'Selu', 'Shrink', 'Sigmoid', 'Sign', 'Sin', 'Sinh'],
  ...['Softplus', 'Softsign', 'Sqrt', 'Swish', 'Tan', 'Tanh', 'ThresholdedRelu', 'QuickGelu', 'FastGelu'],
  ...[
    'Add',
    'And',
    'BiasGelu',
    'Div',
    'Equal',
    'Greater',
    'GreaterOrEqual',
    'Less',
    'LessOrEqual',
    'Max',
    'Mean',
    'Min',
    'Mod',
  ],
  ...['Mul', 'Or', 'PRelu', 'Pow', 'Sub', 'Sum', 'Where', 'Xor'],
]

export const elementwise: Rule = (node) => {
  const out = node.outputShape()
  const operands = node.node.input.flatMap((name, i) => (name === '' ? [] : [i]))
  const axes = out.map((size, axis) => {
    const met: Axis[] = operands.flatMap((operand) => {
      const shape = node.shape(operand)
      const at = axis - (out.length - shape.length)
      return size > 1 && shape[at] === size ? [node.axes(operand)[at]] : []
    })
    return met.length === 0 ? null : met.reduce((one, other) => node.unite(one, other))
  })
  for (let output = 0; output < node.node.output.length; output++) node.give(axes, output)
  return undefined
}
