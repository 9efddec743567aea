/** What an app gives as inputs, as tensors: typed arrays get the shape that the model's own input has. */

import type { ValueEntry } from '../container/manifest.ts'
import { arrayOf, HardpackError, type Tensor, type TypedArray } from '../core/index.ts'
import { fitShape } from './shape.ts'

/** A tensor, or only its elements where the model's own input shape says the rest. */
export type InputValue = Tensor | TypedArray

const isTensor = (value: InputValue): value is Tensor => typeof value === 'object' && value !== null && 'dtype' in value

/**
 * Inputs by name as tensors. A session checks them further.
 *
 * @throws HardpackError `INVALID_INPUT` for an array that is no input of the model, or whose type or length does not fit.
 */
export function feedsOf(
  inputs: readonly ValueEntry[],
  values: Readonly<Record<string, InputValue>>,
): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(values ?? {}).map(([name, value]) => [name, isTensor(value) ? value : shaped(inputs, name, value)]),
  )
}

function shaped(inputs: readonly ValueEntry[], name: string, value: TypedArray): Tensor {
  const input = inputs.find((entry) => entry.name === name)
  if (!input) {
    throw new HardpackError(
      'INVALID_INPUT',
      `The model expected ${inputs.map((i) => `"${i.name}"`).join(', ')}, got an input "${name}".`,
    )
  }
  const { dtype } = input
  if (!(value instanceof arrayOf(dtype))) {
    throw new HardpackError(
      'INVALID_INPUT',
      `Input "${name}" expected a ${arrayOf(dtype).name} of ${dtype}, got ${Object.prototype.toString.call(value)}.`,
    )
  }
  return { dtype, shape: fitShape(input, value.length), data: value }
}
