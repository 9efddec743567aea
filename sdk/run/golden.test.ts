import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Tensor } from '../core/index.ts'
import { agrees, compare, elementAt, type GoldenCase, maxAbsDiff, sample, worst } from './golden.ts'

const tensor = (values: number[], shape = [values.length]): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
})

const golden = (values: number[], tolerance: number, shape = [values.length]): GoldenCase => ({
  inputs: {},
  outputs: [{ name: 'y', dtype: 'float32', shape, values: Float64Array.from(values), tolerance }],
})

test('samples are evenly spaced, and all elements when there are few', () => {
  const ramp = tensor(Array.from({ length: 10 }, (_, i) => i))
  assert.deepEqual([...sample(ramp, 10)], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  assert.deepEqual([...sample(ramp, 4)], [0, 2, 5, 7])
})

test('float16, bfloat16 and int64 are compared by value', () => {
  assert.equal(elementAt({ dtype: 'float16', shape: [1], data: Uint16Array.of(0x3c00) }, 0), 1)
  assert.equal(elementAt({ dtype: 'bfloat16', shape: [1], data: Uint16Array.of(0xbf80) }, 0), -1)
  assert.equal(elementAt({ dtype: 'int64', shape: [1], data: BigInt64Array.of(-7n) }, 0), -7)
})

test('NaN equals NaN and an infinity itself; against anything else they are infinitely far', () => {
  const of = (...values: number[]) => Float64Array.from(values)
  assert.equal(maxAbsDiff(of(Number.NaN, 1), of(Number.NaN, 1.5)), 0.5)
  assert.equal(maxAbsDiff(of(Number.POSITIVE_INFINITY), of(Number.POSITIVE_INFINITY)), 0)
  assert.equal(maxAbsDiff(of(Number.NaN), of(0)), Number.POSITIVE_INFINITY)
  assert.equal(maxAbsDiff(of(Number.POSITIVE_INFINITY), of(0)), Number.POSITIVE_INFINITY)
  assert.equal(maxAbsDiff(of(0), of(-0)), 0)
})

test('a difference at the tolerance agrees, just past it does not', () => {
  assert.ok(agrees(compare(golden([1, 2], 0.5), { y: tensor([1, 2.5]) })))
  assert.ok(!agrees(compare(golden([1, 2], 0.5), { y: tensor([1, 2.75]) })))
  assert.ok(!agrees(compare(golden([1], 0.5), { y: tensor([Number.NaN]) })))
})

test('another shape never agrees, and a missing output is an error', () => {
  assert.ok(!agrees(compare(golden([1, 2], 9), { y: tensor([1, 2], [2, 1]) })))
  assert.throws(() => compare(golden([1], 1), { z: tensor([1]) }), { code: 'TARGET_FAILED', message: /"y"/ })
})

test('the worst difference is the one furthest beyond its tolerance', () => {
  const of = (output: string, maxAbsDiff: number, tolerance: number) => ({ output, maxAbsDiff, tolerance })
  assert.equal(worst([of('large', 5, 10), of('wrong', 0.2, 0.1), of('exact', 0, 0)]).output, 'wrong')
  assert.equal(worst([of('a', 0, 0), of('b', 1e-9, 0)]).output, 'b')
})
