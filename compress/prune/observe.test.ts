import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeUntypedOutput, makeValue } from '../../sdk/onnx/index.ts'
import { Net } from './net.fixture.ts'
import { observeValues } from './observe.ts'
import { execute, randomSamples } from './ort.fixture.ts'

function model() {
  const net = new Net([3, 4, 4])
  const y = net.conv(net.input, 3, 5)
  const flat = net.view(y, [net.size(y, 0), -1])
  return { net, y, flat, model: net.model(flat) }
}

test('types, shapes and small integers of all values', async () => {
  const { net, y, flat, model: given } = model()
  const observed = await observeValues(given, randomSamples([3, 4, 4]), execute)
  assert.deepEqual(observed.get('x'), { dtype: 'float32', shape: [2, 3, 4, 4] })
  assert.deepEqual(observed.get(y), { dtype: 'float32', shape: [2, 5, 4, 4] })
  assert.deepEqual(observed.get(flat), { dtype: 'float32', shape: [2, 80] })
  assert.deepEqual(observed.get(net.nodes.at(-1)?.input[1] ?? ''), { dtype: 'int64', shape: [2], integers: [2, -1] })
  assert.deepEqual(given.graph.output, [makeUntypedOutput(flat)])
})

test('a fixed batch is filled with samples again', async () => {
  const { y, model: given } = model()
  given.graph.input = [makeValue('x', 'float32', [5, 3, 4, 4])]
  const samples = randomSamples([3, 4, 4], 2)
  const asked: (readonly number[])[] = []
  const batch = (indices: readonly number[]) => {
    asked.push(indices)
    return samples.batch(indices)
  }
  assert.deepEqual((await observeValues(given, { ...samples, batch }, execute)).get(y)?.shape, [5, 5, 4, 4])
  assert.deepEqual(asked, [[0, 1, 0, 1, 0]])
})

test('refusals: several inputs, samples that do not fit, an abort', async () => {
  const { model: given } = model()
  await assert.rejects(observeValues(given, randomSamples([2, 4, 4]), execute), {
    code: 'UNSUPPORTED_MODEL',
    message: /^The model expected to take the samples, got: .* Check the samples, and how they are prepared\.$/,
  })
  const signal = AbortSignal.abort()
  await assert.rejects(observeValues(given, randomSamples([2, 4, 4]), execute, { signal }), { code: 'ABORTED' })
  given.graph.input.push(makeValue('z', 'float32', [1]))
  await assert.rejects(observeValues(given, randomSamples([3, 4, 4]), execute), {
    code: 'UNSUPPORTED_MODEL',
    message: 'Pruning expected a model with one input, got 2. Give the other inputs as initializers.',
  })
})
