/** The shape of elements that come without one. */

import type { ValueEntry } from '../container/manifest.ts'
import { elementCount, HardpackError } from '../core/index.ts'

/**
 * The input's shape with its one open dimension, if any, filled so that it holds `length` elements.
 *
 * @throws HardpackError `INVALID_INPUT` when no size of that dimension gives `length`, or more than one is open.
 */
export function fitShape(input: ValueEntry, length: number): number[] {
  const known = elementCount(input.shape.map((dim) => (typeof dim === 'number' ? dim : 1)))
  const unknown = input.shape.filter((dim) => typeof dim === 'string').length
  const fits = unknown === 0 ? known === length : unknown === 1 && known > 0 && length % known === 0
  if (!fits) {
    throw new HardpackError(
      'INVALID_INPUT',
      `Input "${input.name}" expected elements for [${input.shape.join(',')}], got ${length}.`,
      {
        hint:
          unknown > 1
            ? 'Give a tensor {dtype, shape, data}: more than one dimension is open.'
            : 'Check the size of the array.',
      },
    )
  }
  return input.shape.map((dim) => (typeof dim === 'number' ? dim : length / known))
}
