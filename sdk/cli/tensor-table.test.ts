import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type InspectedTensor, sumOf, type WeightSizes } from '../pack/inspect.ts'
import { tensorTable } from './tensor-table.ts'

interface Given extends Partial<InspectedTensor> {
  readonly elements: number
  readonly packedBytes: number
}

function tensorOf(given: Given): InspectedTensor {
  const { elements, packedBytes, shape = [elements] } = given
  const rawBytes = 4 * elements
  const bitsPerWeight = (8 * packedBytes) / elements
  return { name: 'w', dtype: 'float32', circuit: 'A', ...given, shape, rawBytes, bitsPerWeight }
}

const linesOf = (tensors: readonly InspectedTensor[], all?: boolean, weights: WeightSizes = sumOf(tensors)): string[] =>
  tensorTable(tensors, weights, all).split('\n')

test('the largest tensors come first, and totals last', () => {
  const lines = linesOf([
    tensorOf({ name: 'small', elements: 100, packedBytes: 200, orderZeroBytes: 250, brotliBytes: 400 }),
    tensorOf({ name: 'large', elements: 1000, packedBytes: 3000, orderZeroBytes: 2000, brotliBytes: 4000 }),
  ])
  assert.deepEqual(
    lines.map((line) => line.split(/ {2,}/)),
    [
      ['tensor', 'type', 'shape', 'circuit', 'packed', 'bits', 'over order-0', 'over brotli'],
      ['large', 'float32', '1000', 'A', '3,000', '24.00', '-50.0 %', '25.0 %'],
      ['small', 'float32', '100', 'A', '200', '16.00', '20.0 %', '50.0 %'],
      ['all 2', '3,200', '23.27', '-42.2 %', '27.3 %'],
    ],
  )
})

test('small tensors are summed in one line, unless all are wanted', () => {
  const many = Array.from({ length: 30 }, (_, i) =>
    tensorOf({ name: `layer ${i}`, elements: 1000 - i, packedBytes: 100, orderZeroBytes: 200 }),
  )
  const lines = linesOf(many)
  assert.equal(lines.length, 1 + 20 + 1 + 1)
  assert.match(lines[20], /^layer 19 /)
  assert.match(lines[21], /^10 smaller +1,000 +0\.82 +50\.0 %$/)
  assert.match(lines[22], /^all 30 +3,000 /)
  assert.equal(linesOf(many, true).length, 32)
  assert.equal(linesOf(many.slice(0, 21)).length, 23, 'one tensor is not summed')
})

test('a listing is at most 100 columns wide: long names are cut in the middle', () => {
  const circuits = ['A', 'A+B+Q+repeat+palette+deflate', 'repeat']
  const shapes = [[64, 64, 3, 3], [1, 1, 1, 1024, 4096, 3, 3, 3], []]
  const tensors = circuits.map((circuit, i) =>
    tensorOf({
      name: `/encoder/layers.${i}/attention/self/query/${'projection/'.repeat(9)}weight_quantized`,
      circuit,
      shape: shapes[i],
      elements: 5e8,
      packedBytes: 1.9e9,
      orderZeroBytes: 2e9,
      brotliBytes: 2e9,
    }),
  )
  const lines = linesOf(tensors)
  for (const line of lines) assert.ok(line.length <= 100, `${line.length}: ${line}`)
  for (const line of lines.slice(1, 4)) assert.match(line, /^\/enc\S*…\S*ized +float32 /)
})

test('what was not measured is not shown, and a baseline of nothing gives no gain', () => {
  const lines = linesOf([tensorOf({ elements: 4096, packedBytes: 9, orderZeroBytes: 0 })])
  assert.doesNotMatch(lines[0], /brotli/)
  assert.match(lines[1], / 0\.02 +–$/)
  assert.match(lines[2], /^all 1 .* –$/)
})
