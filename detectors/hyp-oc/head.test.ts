import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { normal, rng } from '../../sdk/core/index.ts'
import { Fragment, makeGraph, makeModel, makeValue, writeModel } from '../../sdk/onnx/index.ts'
import { runOrt } from '../../sdk/onnx/ort-oracle.ts'
import type { Features } from '../features.ts'
import { hypOcHead } from './head.ts'
import { type HypOc, scoreHypOc } from './score.ts'
import { fitHypOc } from './train.ts'

const COLUMNS = 12

/** Correlated features around 5, or what `stretch` makes of them. */
function sample(rows: number, seed: number, stretch = 1): Features {
  const random = rng(seed, 1)
  const data = new Float32Array(rows * COLUMNS)
  for (let row = 0; row < rows; row++) {
    const common = normal(random)
    for (let i = 0; i < COLUMNS; i++) data[row * COLUMNS + i] = 5 + stretch * (common + 0.2 * (i + 1) * normal(random))
  }
  return { rows, columns: COLUMNS, data }
}

async function runHead(model: HypOc, opset: number, features: Features): Promise<Float32Array> {
  const fragment = new Fragment({ opset, prefix: 'hyp-oc' })
  const score = hypOcHead(model, fragment, 'features')
  const graph = makeGraph('head', {
    nodes: fragment.nodes,
    inputs: [makeValue('features', 'float32', ['n', features.columns])],
    outputs: [makeValue(score, 'float32', ['n'])],
    initializers: fragment.initializers,
  })
  const file = writeModel(makeModel(graph, { irVersion: opset < 20 ? 7 : 10, opsets: { '': opset } }))
  const shape = [features.rows, features.columns]
  const outputs = await runOrt(file, { features: { dtype: 'float32', shape, data: features.data } })
  assert.deepEqual(outputs[score].dims, [features.rows])
  return new Float32Array(outputs[score].bytes.buffer)
}

let model: HypOc

before(async () => {
  model = await fitHypOc(sample(500, 1), { steps: 60 })
})

for (const opset of [9, 10, 11, 13, 17, 18, 21]) {
  test(`opset ${opset}: ONNX Runtime gives the scores of the reference`, async () => {
    for (const stretch of [0, 1, 3, 100]) {
      const features = sample(64, 2, stretch)
      const expected = scoreHypOc(model, features)
      const actual = await runHead(model, opset, features)
      expected.forEach((score, i) => {
        assert.ok(Math.abs(actual[i] - score) <= 1e-5 * Math.max(1, Math.abs(score)), `${actual[i]} is not ${score}`)
      })
    }
  })
}

test('finite for all finite features, the largest and the smallest float32 too', async () => {
  const extremes = [3.4028234e38, -3.4028234e38, 1e30, -1e20, 1e10, 1e-45, 0]
  const random = rng(5)
  const rows = 300
  const data = Float32Array.from({ length: rows * COLUMNS }, (_, at) =>
    at < extremes.length * COLUMNS ? extremes[Math.floor(at / COLUMNS)] : extremes[random.below(extremes.length)],
  )
  const features = { rows, columns: COLUMNS, data }
  assert.ok((await runHead(model, 17, features)).every(Number.isFinite))
  assert.ok(scoreHypOc(model, features).every(Number.isFinite))
})

test('u = 0 has a finite score in the graph, equal to the reference', async () => {
  const layers = model.layers.map(({ weights, bias }) => ({
    weights: new Float32Array(weights.length),
    bias: new Float32Array(bias.length),
  }))
  const dead = { ...model, layers }
  const [expected] = scoreHypOc(dead, sample(1, 3))
  const [actual] = await runHead(dead, 17, sample(1, 3))
  assert.ok(Math.abs(actual - expected) <= 1e-5 * Math.max(1, Math.abs(expected)))
})
