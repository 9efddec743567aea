import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rng } from '../../sdk/core/index.ts'
import { Fragment, makeGraph, makeModel, makeValue, writeModel } from '../../sdk/onnx/index.ts'
import { runOrt } from '../../sdk/onnx/ort-oracle.ts'
import type { Features } from '../features.ts'
import { addClass } from './add-class.ts'
import type { Mahalanobis } from './detector.ts'
import { fitMahalanobis } from './fit.ts'
import { mahalanobisHead } from './head.ts'
import { scoreMahalanobis } from './score.ts'

const COLUMNS = 48

/** Clusters far apart, with correlated numbers of very different scale: what float32 finds hard. */
function clusters(rows: number, classes: number, seed: number): Features {
  const random = rng(seed)
  const data = new Float32Array(rows * COLUMNS)
  for (let row = 0; row < rows; row++) {
    let walk = 0
    for (let j = 0; j < COLUMNS; j++) {
      walk += random.uniform() - 0.5
      data[row * COLUMNS + j] = 100 + ((row % classes) * (j % 3) * 5 + walk) * 10 ** ((j % 5) - 2)
    }
  }
  return { rows, columns: COLUMNS, data }
}

const labels = { classes: Array.from({ length: 300 }, (_, i) => i % 4), names: ['a', 'b', 'c', 'd'] }
const clean = clusters(300, 4, 1)
const asked = clusters(64, 7, 2)

async function inGraph(detector: Mahalanobis, features: Features, opset: number): Promise<Float32Array> {
  const fragment = new Fragment({ opset, prefix: 'guard' })
  const score = mahalanobisHead(detector, fragment, 'features')
  const graph = makeGraph('head', {
    nodes: [],
    inputs: [makeValue('features', 'float32', ['n', COLUMNS])],
    outputs: [makeValue(score, 'float32', ['n'])],
  })
  fragment.appendTo(graph)
  const { rows, columns, data } = features
  const bytes = writeModel(makeModel(graph, { opsets: { '': opset } }))
  const out = (await runOrt(bytes, { features: { dtype: 'float32', shape: [rows, columns], data } }))[score]
  assert.deepEqual([out.type, out.dims], ['float32', [rows]])
  return new Float32Array(out.bytes.buffer, out.bytes.byteOffset, rows)
}

const variants: Record<string, Mahalanobis> = {
  default: fitMahalanobis(clean, labels),
  'rank 12': fitMahalanobis(clean, labels, { rank: 12 }),
  normalised: fitMahalanobis(clean, labels, { normalised: true }),
  relative: fitMahalanobis(clean, labels, { relative: true }),
  'one class': fitMahalanobis(clean),
  'one class of rank 12, and another': addClass(
    fitMahalanobis(clean, undefined, { rank: 12 }),
    'new',
    clusters(40, 1, 3),
  ),
}

for (const [name, detector] of Object.entries(variants)) {
  test(`the head equals the scorer: ${name}`, async () => {
    const expected = scoreMahalanobis(detector, asked)
    // The relative score is the difference of two distances, and as exact as those are.
    const scale = detector.relative ? scoreMahalanobis({ ...detector, relative: false }, asked) : expected
    for (const opset of [9, 13, 17, 18, 21]) {
      const got = await inGraph(detector, asked, opset)
      expected.forEach((score, i) => {
        assert.ok(Math.abs(got[i] - score) <= 1e-5 * Math.abs(scale[i]), `opset ${opset}: ${got[i]} for ${score}`)
      })
    }
  })
}
