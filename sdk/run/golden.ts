/**
 * Golden cases: inputs and the reference outputs that travel inside the package (as in ExecuTorch's BundledProgram), so
 * that a device can test itself. Outputs are sampled: a wrong kernel shows in any few hundred elements.
 */

import { type DType, elementCount, fromBfloat16, fromFloat16, HardpackError, type Tensor } from '../core/index.ts'

/** A golden case in memory. */
export interface GoldenCase {
  readonly inputs: Readonly<Record<string, Tensor>>
  readonly outputs: readonly GoldenSamples[]
}

export interface GoldenSamples {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  /** Element `floor(k × count / values.length)` of the output, for each k. */
  readonly values: Float64Array
  readonly tolerance: number
}

export interface GoldenDifference {
  readonly output: string
  /** Largest |ours − reference|; Infinity where one of the two is NaN, or a shape differs. */
  readonly maxAbsDiff: number
  readonly tolerance: number
}

/** At most this many elements of an output are kept. */
export const MAX_SAMPLES = 256

/** A tensor's element as a number; float16 and bfloat16 by value. */
export function elementAt(tensor: Tensor, index: number): number {
  const element = tensor.data[index]
  if (tensor.dtype === 'float16') return fromFloat16(element as number)
  if (tensor.dtype === 'bfloat16') return fromBfloat16(element as number)
  return Number(element)
}

/** `count` evenly spaced elements of a tensor, as float64. */
export function sample(tensor: Tensor, count: number): Float64Array {
  const total = elementCount(tensor.shape)
  return Float64Array.from({ length: count }, (_, k) => elementAt(tensor, Math.floor((k * total) / count)))
}

/**
 * How far a target's outputs are from a golden case, output by output.
 *
 * @throws HardpackError `TARGET_FAILED` when an output is missing.
 */
export function compare(golden: GoldenCase, outputs: Readonly<Record<string, Tensor>>): GoldenDifference[] {
  return golden.outputs.map(({ name, shape, values, tolerance }) => {
    const tensor = outputs[name]
    if (!tensor) {
      throw new HardpackError(
        'TARGET_FAILED',
        `The model expected an output "${name}", got ${Object.keys(outputs).join(', ')}.`,
      )
    }
    const sameShape = tensor.shape.length === shape.length && tensor.shape.every((dim, i) => dim === shape[i])
    if (!sameShape) return { output: name, maxAbsDiff: Number.POSITIVE_INFINITY, tolerance }
    return { output: name, maxAbsDiff: maxAbsDiff(sample(tensor, values.length), values), tolerance }
  })
}

/** Largest absolute difference; equal infinities and NaN against NaN count as equal, anything else non-finite as Infinity. */
export function maxAbsDiff(a: Float64Array, b: Float64Array): number {
  let max = 0
  for (let i = 0; i < a.length; i++) {
    if (Object.is(a[i], b[i]) || a[i] === b[i]) continue
    const difference = Math.abs(a[i] - b[i])
    if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY
    if (difference > max) max = difference
  }
  return max
}

/** Whether every difference is within its tolerance. */
export function agrees(differences: readonly GoldenDifference[]): boolean {
  return differences.every(({ maxAbsDiff, tolerance }) => maxAbsDiff <= tolerance)
}

/** The difference that matters most: the largest in units of its tolerance. */
export function worst(differences: readonly GoldenDifference[]): GoldenDifference {
  const severity = (d: GoldenDifference) =>
    (d.maxAbsDiff <= d.tolerance ? 0 : 1) + d.maxAbsDiff / (d.tolerance + 1e-300)
  return differences.reduce((a, b) => (severity(b) > severity(a) ? b : a))
}
