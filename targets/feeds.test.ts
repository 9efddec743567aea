import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { arrayOf, byteLength, type DType, elementCount, type Tensor, toBfloat16, toFloat16 } from '../sdk/core/index.ts'
import { takeFeeds } from './feeds.ts'
import type { Feeds, ValueInfo } from './types.ts'

const zeros = (dtype: DType, shape: readonly number[]): Tensor => {
  const bytes = byteLength(dtype, elementCount(shape))
  const ArrayType = arrayOf(dtype)
  const data = new ArrayType(
    new ArrayBuffer(bytes),
    0,
    bytes / new ArrayType(new ArrayBuffer(0), 0, 0).BYTES_PER_ELEMENT,
  )
  return { dtype, shape, data }
}

const dtypes: DType[] = ['float32', 'float64', 'float16', 'int8', 'uint8', 'bool', 'int32', 'int64', 'uint64', 'int4']

test('a feed is taken exactly when its type and shape fit', () => {
  const shape = fc.array(fc.nat(3), { maxLength: 3 })
  const pattern = fc.array(fc.oneof(fc.nat(3), fc.constant('n')), { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(fc.constantFrom(...dtypes), fc.constantFrom(...dtypes), pattern, shape, (want, have, dims, shape) => {
      const fits =
        want === have &&
        dims.length === shape.length &&
        dims.every((dim, axis) => typeof dim === 'string' || dim === shape[axis])
      const check = (): unknown => takeFeeds([{ name: 'x', dtype: want, shape: dims }], { x: zeros(have, shape) })
      if (fits) check()
      else assert.throws(check, { code: 'INVALID_INPUT' })
    }),
  )
})

const x: ValueInfo = { name: 'x', dtype: 'float32', shape: ['batch', 2] }
const refuse = (inputs: readonly ValueInfo[], feeds: unknown, message: RegExp): void =>
  assert.throws(() => takeFeeds(inputs, feeds as Feeds), { name: 'HardpackError', code: 'INVALID_INPUT', message })

test('the sentence names the input, what was expected and what came', () => {
  refuse([x], {}, /^Input "x" expected float32\[batch,2\], got nothing\.$/)
  refuse(
    [x],
    { x: zeros('float32', [1, 2]), y: 1 },
    /^The model expected the inputs "x", got "y"\. Remove or rename it\.$/,
  )
  refuse([x], { x: zeros('int32', [1, 2]) }, /^Input "x" expected float32\[batch,2\], got int32\.$/)
  refuse([x], { x: zeros('float32', [1, 3]) }, /^Input "x" expected float32\[batch,2\], got \[1,3\]\.$/)
  refuse([x], { x: { ...zeros('float32', [1, 2]), shape: [2, 2] } }, /expected 16 bytes, got 8/)
  refuse([x], undefined, /expected an object of tensors/)
})

test('what is no tensor at all is refused with the same code', () => {
  for (const shape of [[1.5, 2], [-1, 2], [Number.NaN, 2], ['1', 2], '12', undefined]) {
    refuse([x], { x: { dtype: 'float32', shape, data: new Float32Array(2) } }, /shape of whole numbers/)
  }
  refuse([x], { x: { dtype: 'float32', shape: [1, 2], data: [1, 2] } }, /as a Float32Array, got \[object Array\]/)
  refuse([x], { x: { dtype: 'float32', shape: [1, 2], data: new ArrayBuffer(8) } }, /as a Float32Array/)
  refuse([{ ...x, name: 'toString' }], {}, /got nothing/)
})

test('NaN and infinities are refused by element, in every float type, wherever they are', () => {
  const types: [DType, (values: number[]) => Tensor['data']][] = [
    ['float32', (values) => Float32Array.from(values)],
    ['float64', (values) => Float64Array.from(values)],
    ['float16', (values) => Uint16Array.from(values, toFloat16)],
    ['bfloat16', (values) => Uint16Array.from(values, toBfloat16)],
  ]
  for (const [dtype, from] of types) {
    for (let length = 1; length <= 9; length++) {
      const input = { name: 'x', dtype, shape: [length] }
      const largest = dtype === 'float16' ? 65504 : 3e38
      const fine = Array.from({ length }, (_, i) => (i % 2 ? -largest : largest))
      takeFeeds([input], { x: { dtype, shape: [length], data: from(fine) } })
      for (let at = 0; at < length; at++) {
        for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
          const message = new RegExp(`NaN or an infinity at element ${at}\\.`)
          refuse([input], { x: { dtype, shape: [length], data: from(fine.with(at, value)) } }, message)
        }
      }
    }
  }
})

test('bools are 0 and 1; a shape of [] takes any rank', () => {
  const flag: ValueInfo = { name: 'flag', dtype: 'bool', shape: [2] }
  takeFeeds([flag], { flag: { dtype: 'bool', shape: [2], data: Uint8Array.of(0, 1) } })
  refuse([flag], { flag: { dtype: 'bool', shape: [2], data: Uint8Array.of(0, 2) } }, /bools as 0 and 1/)
  for (const shape of [[], [2, 3]]) takeFeeds([{ ...x, shape: [] }], { x: zeros('float32', shape) })
})

test('what is taken is a copy with nothing but the tensor', () => {
  const memory = Float32Array.of(9, 1, 2, 9)
  const shape = [1, 2]
  const { x: taken } = takeFeeds([x], { x: { dtype: 'float32', shape, data: memory.subarray(1, 3) } })
  memory.fill(0)
  shape[1] = 7
  assert.deepEqual(taken, { dtype: 'float32', shape: [1, 2], data: Float32Array.of(1, 2) })
  assert.equal(taken!.data.buffer.byteLength, 8)
})
