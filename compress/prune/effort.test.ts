import assert from 'node:assert/strict'
import { test } from 'node:test'
import { samplesFor } from './effort.ts'
import { analyse } from './groups/analyse.ts'
import { Net } from './net.fixture.ts'
import { observeValues } from './observe.ts'
import { execute, noise, samplesOf } from './session.fixture.ts'

test('a pass takes the samples that its columns need, at least 64, and more as the budget allows', async () => {
  const net = new Net([3, 4, 4])
  const features = net.convRelu(net.convRelu(net.input, 3, 40), 40, 8)
  const model = net.model(net.head(features, 8))
  const analysis = analyse(model, await observeValues(model, samplesOf(noise([4, 3, 4, 4], 1)), execute))
  const [first, second] = analysis.contractions
  // 10 columns for each of 360 numbers, 16 a sample.
  const lengths = (budget: number) =>
    samplesFor(analysis, [[first], [second]], 1000, budget, 7).map((own) => own.length)
  assert.deepEqual(lengths(0), [64, 225])
  assert.deepEqual(lengths(2 * (64 + 225)), [128, 450])
  assert.deepEqual(lengths(1e9), [1000, 1000])
  const [few] = samplesFor(analysis, [[second]], 1000, 0, 7)
  assert.equal(new Set(few).size, 225)
  assert.ok(few.some((index) => index > 900))
})
