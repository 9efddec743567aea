import assert from 'node:assert/strict'
import { test } from 'node:test'
import { node } from '../../../targets/node.ts'
import { normal, rng } from '../../core/index.ts'
import { float, type Model, makeGraph, makeModel, makeNode, makeTensor, makeValue } from '../../onnx/index.ts'
import { tensorSamples } from '../../pack/samples/index.ts'
import { matchedSamples } from './batch-norm.ts'

const execute = (model: Uint8Array) => node({ threads: 1 }).create({ model })

/** A 1×1 convolution that keeps its one channel, and a BatchNormalization that remembers a mean and a variance. */
function remembering(mean: number, variance: number): Model {
  const vector = (name: string, value: number) =>
    makeTensor(name, { dtype: 'float32', shape: [1], data: Float32Array.of(value) })
  const weight = makeTensor('w', { dtype: 'float32', shape: [1, 1, 1, 1], data: Float32Array.of(1) })
  return makeModel(
    makeGraph('g', {
      nodes: [
        makeNode('Conv', ['x', 'w'], ['c']),
        makeNode('BatchNormalization', ['c', 'scale', 'bias', 'mean', 'variance'], ['y'], { epsilon: float(1e-5) }),
      ],
      inputs: [makeValue('x', 'float32', ['n', 1, 4, 4])],
      outputs: [makeValue('y', 'float32', ['n', 1, 4, 4])],
      initializers: [weight, vector('scale', 1), vector('bias', 0), vector('mean', mean), vector('variance', variance)],
    }),
  )
}

const random = rng(5)
const COUNT = 300
/** Pictures of many brightnesses and contrasts. */
const data = Float32Array.from({ length: COUNT * 16 })
for (let i = 0; i < COUNT; i++) {
  const [mean, deviation] = [2 * normal(random), 2 * random.uniform()]
  for (let k = 0; k < 16; k++) data[16 * i + k] = mean + deviation * normal(random)
}
const candidates = tensorSamples('candidates', { dtype: 'float32', shape: [COUNT, 1, 4, 4], data })

function moments(indices: readonly number[]): [mean: number, variance: number] {
  const values = indices.flatMap((i) => [...data.subarray(16 * i, 16 * i + 16)])
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return [mean, values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length]
}

test('those are chosen that together have the mean and variance of the BatchNormalization', async () => {
  for (const [mean, variance] of [
    [0, 1],
    [1, 2],
    [-0.7, 0.5],
  ]) {
    const chosen = await matchedSamples(remembering(mean, variance), candidates, 30, execute, { input: 'x' })
    assert.ok(chosen)
    assert.equal(new Set(chosen).size, 30)
    const [ownMean, ownVariance] = moments(chosen)
    assert.ok(Math.abs(ownMean - mean) < 0.15, `mean ${ownMean} for ${mean}`)
    assert.ok(Math.abs(ownVariance - variance) < 0.3 * variance, `variance ${ownVariance} for ${variance}`)
  }
})

test('a model that remembers nothing has no choice; one of a fixed batch is fed whole batches', async () => {
  const model = remembering(0, 1)
  const folded = remembering(0, 1)
  folded.graph.node = folded.graph.node.slice(0, 1)
  folded.graph.output = [makeValue('c', 'float32', ['n', 1, 4, 4])]
  assert.equal(await matchedSamples(folded, candidates, 30, execute, { input: 'x' }), undefined)
  const fixed = remembering(0, 1)
  fixed.graph.input = [makeValue('x', 'float32', [4, 1, 4, 4])]
  fixed.graph.output = [makeValue('y', 'float32', [4, 1, 4, 4])]
  const options = { input: 'x' }
  assert.deepEqual(
    await matchedSamples(fixed, candidates, 30, execute, { ...options, batch: 4 }),
    await matchedSamples(model, candidates, 30, execute, options),
  )
})
