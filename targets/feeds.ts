/**
 * The door of every session: feeds are checked once, here, before a runtime sees them. ONNX Runtime takes NaN and
 * infinities without a word, its WebGPU provider reports a wrong shape as a failed kernel, and none of its errors has a code.
 */

import { arrayOf, byteLength, elementCount, HardpackError, type Tensor, type TypedArray } from '../sdk/core/index.ts'
import type { Feeds, ValueInfo } from './types.ts'

const invalid = (message: string, hint?: string): HardpackError => new HardpackError('INVALID_INPUT', message, { hint })

const shapeText = (shape: readonly (number | string)[]): string => `[${shape.map((dim) => dim || '?').join(',')}]`

/** Index of the first element that is NaN or infinite; -1 when there is none. */
function firstNonFinite(data: TypedArray, dtype: string): number {
  if (data instanceof Float32Array) return areFinite(data) ? -1 : data.findIndex((value) => !Number.isFinite(value))
  if (data instanceof Float64Array) return data.findIndex((value) => !Number.isFinite(value))
  const exponent = dtype === 'float16' ? 0x7c00 : dtype === 'bfloat16' ? 0x7f80 : 0
  return exponent > 0 ? (data as Uint16Array).findIndex((bits) => (bits & exponent) === exponent) : -1
}

/** Four sums of x · 0, which are 0 unless one x is none: a test for each element would take ten times as long as copying them. */
function areFinite(data: Float32Array): boolean {
  const end = data.length - (data.length % 4)
  let [a, b, c, d] = [0, 0, 0, 0]
  for (let i = 0; i < end; i += 4) {
    a += data[i] * 0
    b += data[i + 1] * 0
    c += data[i + 2] * 0
    d += data[i + 3] * 0
  }
  for (let i = end; i < data.length; i++) a += data[i] * 0
  return a + b + c + d === 0
}

/**
 * Checks feeds against a session's inputs and takes a copy: what was checked is what runs, whatever the caller does with
 * the memory while the call waits. Every name must be present and known; type, rank, fixed dimensions and number of
 * elements must fit; bools are 0 or 1, floats finite. A symbolic dimension takes any size. An input of shape `[]` takes
 * any rank, since the runtimes report a scalar and an unknown shape alike.
 *
 * @throws HardpackError `INVALID_INPUT`
 * @example
 * const taken = takeFeeds(session.inputs, { image: { dtype: 'float32', shape: [1, 2], data: new Float32Array(2) } })
 */
export function takeFeeds(inputs: readonly ValueInfo[], feeds: Feeds): Record<string, Tensor> {
  if (typeof feeds !== 'object' || feeds === null)
    throw invalid('The feeds expected an object of tensors by input name.')
  for (const name of Object.keys(feeds)) {
    if (!inputs.some((input) => input.name === name)) {
      const known = inputs.map((input) => `"${input.name}"`).join(', ')
      throw invalid(`The model expected the inputs ${known}, got "${name}".`, 'Remove or rename it.')
    }
  }
  return Object.fromEntries(inputs.map((input) => [input.name, takeFeed(input, feeds)]))
}

/**
 * The names of the outputs that a run hands over: those asked for, or all.
 *
 * @throws HardpackError `INVALID_INPUT` for a name that is none, or for no name at all.
 * @example
 * const wanted = takeOutputs(session.outputs, ['logits'])
 */
export function takeOutputs(outputs: readonly ValueInfo[], wanted?: readonly string[]): string[] {
  const known = outputs.map(({ name }) => name)
  if (wanted === undefined) return known
  const unknown = wanted.find((name) => !known.includes(name))
  if (unknown === undefined && wanted.length > 0) return [...wanted]
  throw invalid(
    `A run expected outputs among ${known.map((name) => `"${name}"`).join(', ')}, got ${unknown === undefined ? 'none' : `"${unknown}"`}.`,
  )
}

function takeFeed(input: ValueInfo, feeds: Feeds): Tensor {
  checkShape(input, feeds)
  const { name, dtype } = input
  const { shape, data } = feeds[name]!
  const copy = data.slice()
  if (dtype === 'bool' && (copy as Uint8Array).some((value) => value > 1)) {
    throw invalid(`Input "${name}" expected bools as 0 and 1, got another value.`)
  }
  const at = firstNonFinite(copy, dtype)
  if (at >= 0) throw invalid(`Input "${name}" expected finite numbers, got NaN or an infinity at element ${at}.`)
  return { dtype, shape: [...shape], data: copy }
}

function checkShape(input: ValueInfo, feeds: Feeds): void {
  const { name, dtype } = input
  const wanted = `${dtype}${shapeText(input.shape)}`
  const tensor = Object.hasOwn(feeds, name) ? feeds[name] : undefined
  if (typeof tensor !== 'object' || tensor === null) throw invalid(`Input "${name}" expected ${wanted}, got nothing.`)
  const { shape, data } = tensor
  if (tensor.dtype !== dtype) throw invalid(`Input "${name}" expected ${wanted}, got ${tensor.dtype}.`)
  if (!Array.isArray(shape) || !shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
    throw invalid(`Input "${name}" expected a shape of whole numbers, got [${shape}].`)
  }
  const rankFits = input.shape.length === 0 || input.shape.length === shape.length
  if (!rankFits || input.shape.some((dim, axis) => typeof dim === 'number' && dim !== shape[axis])) {
    throw invalid(`Input "${name}" expected ${wanted}, got ${shapeText(shape)}.`)
  }
  const ArrayType = arrayOf(dtype)
  if (!(data instanceof ArrayType)) {
    const got = Object.prototype.toString.call(data)
    throw invalid(`Input "${name}" expected its data as a ${ArrayType.name}, got ${got}.`)
  }
  const bytes = byteLength(dtype, elementCount(shape))
  if (data.byteLength !== bytes) {
    throw invalid(`Input "${name}" of shape ${shapeText(shape)} expected ${bytes} bytes, got ${data.byteLength}.`)
  }
}
