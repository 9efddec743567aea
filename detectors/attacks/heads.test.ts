/** The adaptive attack differentiates the heads of the guard: each head's gradient against finite differences. */

import { test } from 'node:test'
import { rng } from '../../sdk/core/index.ts'
import { checkGradient } from '../../sdk/onnx/gradient/finite-differences.fixture.ts'
import { Fragment, makeGraph, makeModel, makeValue } from '../../sdk/onnx/index.ts'
import type { Features } from '../features.ts'
import { hypOcHead } from '../hyp-oc/head.ts'
import { fitHypOc } from '../hyp-oc/train.ts'
import { fitMahalanobis } from '../mahalanobis/fit.ts'
import { mahalanobisHead } from '../mahalanobis/head.ts'
import { energyHead, maxSoftmaxHead } from '../softmax-head.ts'

const COLUMNS = 6

function features(rows: number, seed: number): Features {
  const { uniform } = rng(seed)
  const data = Float32Array.from({ length: rows * COLUMNS }, (_, k) => 2 * uniform() + (((k / COLUMNS) | 0) % 3))
  return { rows, columns: COLUMNS, data }
}

const clean = features(200, 1)
// Away from where the nearest class changes, and from the radius at which Hyp-OC clips: heads have kinks there.
const asked = features(3, 4)
const labels = { classes: Array.from({ length: 200 }, (_, i) => i % 3), names: ['a', 'b', 'c'] }
const hypOc = await fitHypOc(clean, { steps: 30 })

const heads: Record<string, (fragment: Fragment) => string> = {
  mahalanobis: (fragment) => mahalanobisHead(fitMahalanobis(clean, labels), fragment, 'x'),
  'mahalanobis, relative': (fragment) =>
    mahalanobisHead(fitMahalanobis(clean, labels, { relative: true }), fragment, 'x'),
  'mahalanobis, normalised': (fragment) =>
    mahalanobisHead(fitMahalanobis(clean, labels, { normalised: true }), fragment, 'x'),
  'hyp-oc': (fragment) => hypOcHead(hypOc, fragment, 'x'),
  'max-softmax': (fragment) => maxSoftmaxHead(fragment, 'x'),
  'max-softmax of probabilities': (fragment) => maxSoftmaxHead(fragment, 'x', { probabilities: true }),
  energy: (fragment) => energyHead(fragment, 'x'),
}

for (const [name, head] of Object.entries(heads)) {
  for (const opset of [9, 13, 18, 21]) {
    test(`${name}, opset ${opset}`, async () => {
      const fragment = new Fragment({ opset, prefix: 'guard' })
      const score = head(fragment)
      const graph = makeGraph('head', {
        nodes: [],
        inputs: [makeValue('x', 'float32', ['n', COLUMNS])],
        outputs: [makeValue(score, 'float32', ['n'])],
      })
      fragment.appendTo(graph)
      const x = { dtype: 'float32' as const, shape: [asked.rows, COLUMNS], data: asked.data }
      const model = makeModel(graph, { opsets: { '': opset } })
      await checkGradient(model, { x }, { input: 'x', output: score, step: 0.001, tolerance: 4e-3 })
    })
  }
}
