/** Changes of a value of any shape: one number, flag or length somewhere in it becomes another. What it is a part of is copied. */

import type { Rng } from '../../../sdk/core/index.ts'
import { NUMBERS } from '../mutate.ts'

type TypedArray = Uint8Array | Int8Array | Uint16Array | Uint32Array | Int32Array

/** Numbers near this one, and numbers at edges. */
function otherNumber(value: number, random: Rng): number {
  const kind = random.below(4)
  if (kind === 0) return NUMBERS[random.below(NUMBERS.length)]
  if (kind === 1) return random.below(2) ? 2 * value : value >>> 1
  return Math.max(0, value + random.below(9) - 4)
}

function otherArray(array: TypedArray, random: Rng): TypedArray {
  if (array.length === 0 || random.below(4) === 0) {
    const longer = new (array.constructor as new (length: number) => TypedArray)(
      Math.min(1 << 18, otherNumber(array.length, random)),
    )
    longer.set(array.subarray(0, longer.length))
    return longer
  }
  const other = array.slice()
  const at = random.below(array.length)
  const by = random.below(5) - 2
  other[at] += by
  // Often another element makes up for it: frequencies have to keep their sum.
  if (random.below(2)) other[random.below(array.length)] -= by
  return other
}

/** `value` with one change. */
export function changeSomewhere<T>(value: T, random: Rng): T
export function changeSomewhere(value: unknown, random: Rng): unknown {
  if (typeof value === 'number') return otherNumber(value, random)
  if (typeof value === 'boolean') return !value
  if (ArrayBuffer.isView(value)) return otherArray(value as TypedArray, random)
  if (typeof value !== 'object' || value === null) return value
  const keys = Object.keys(value).filter((key) => (value as Record<string, unknown>)[key] !== undefined)
  if (keys.length === 0) return value
  const key = keys[random.below(keys.length)]
  const copy = Object.assign(Array.isArray(value) ? [] : {}, value) as unknown as Record<string, unknown>
  copy[key] = changeSomewhere(copy[key], random)
  return copy
}
