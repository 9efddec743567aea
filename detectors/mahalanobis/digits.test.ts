/** A floor of AUROC on real digits, from the model's own taps: tests of shapes alone let a detector of 50 pass. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Fragment, makeValue, opsetOf, readModel, writeModel } from '../../sdk/onnx/index.ts'
import { runOrt } from '../../sdk/onnx/ort-oracle.ts'
import type { Features } from '../features.ts'
import { digits, mnistClassifier, turned } from '../mnist.fixture.ts'
import { scoreEnergy, scoreMaxSoftmax } from '../softmax.ts'
import { columnsOf, type Observed, type Tap, tapHead, tapLayout } from '../taps.ts'
import { addClass } from './add-class.ts'
import { fitMahalanobis } from './fit.ts'
import { scoreMahalanobis } from './score.ts'

// What chooseTaps chooses; its own test says so.
const taps: Tap[] = [
  { value: '/Relu_output_0', channels: 16, pool: 'map' },
  { value: '/Relu_1_output_0', channels: 32, pool: 'map' },
  { value: '/GlobalAveragePool_output_0', channels: 64, pool: 'map' },
]
const model = readModel(mnistClassifier('mnist-cnn.onnx'))
const fragment = new Fragment({ opset: opsetOf(model), prefix: 'guard' })
const seen: Observed = { dtype: 'float32', shape: [1, 1, 1, 1] }
const tapped = tapHead(fragment, taps, new Map(taps.map(({ value }) => [value, seen])))
fragment.appendTo(model.graph)
model.graph.output.push(makeValue(tapped, 'float32', ['n', 112]))
const bytes = writeModel(model)

async function pass(images: Float32Array): Promise<{ features: Features; logits: Features }> {
  const rows = images.length / 784
  const out = await runOrt(bytes, { image: { dtype: 'float32', shape: [rows, 1, 28, 28], data: images } })
  const read = (name: string, columns: number): Features => {
    const raw = out[name].bytes
    return { rows, columns, data: new Float32Array(raw.buffer, raw.byteOffset, rows * columns) }
  }
  return { features: read(tapped, 112), logits: read('logits', 10) }
}

/** The share of pairs in which the strange one scores higher, in per cent. */
function auroc(clean: Float64Array, strange: Float64Array): number {
  let wins = 0
  for (const a of strange) for (const b of clean) wins += a > b ? 1 : a === b ? 0.5 : 0
  return (100 * wins) / (clean.length * strange.length)
}

const fitted = digits(3000)
const held = digits(1000, 5000)
const names = [...'0123456789']
const train = await pass(fitted.images)
const clean = await pass(held.images)
const inverted = await pass(held.images.map((ink) => 1 - ink))
const rotated = await pass(turned(held.images))

test('Mahalanobis tells inverted and turned digits from digits', () => {
  const detector = fitMahalanobis(train.features, { classes: fitted.labels, names })
  const [ordinary, ...strange] = [clean, inverted, rotated].map(({ features }) => scoreMahalanobis(detector, features))
  const [invertedAuroc, rotatedAuroc] = strange.map((scores) => auroc(ordinary, scores))
  assert.ok(invertedAuroc > 99.9, `inverted: ${invertedAuroc}`)
  assert.ok(rotatedAuroc > 98, `turned: ${rotatedAuroc}`)
})

test('so do its variants, one layer alone, and low rank', () => {
  const labels = { classes: fitted.labels, names }
  const last = tapLayout(taps)[2]
  for (const [what, floor, score] of [
    ['relative', 90, scorer(fitMahalanobis(train.features, labels, { relative: true }))],
    ['normalised', 95, scorer(fitMahalanobis(train.features, labels, { normalised: true }))],
    ['rank 32', 96, scorer(fitMahalanobis(train.features, labels, { rank: 32 }))],
    [
      'last layer',
      95,
      (features: Features) =>
        scoreMahalanobis(fitMahalanobis(columnsOf(train.features, last), labels), columnsOf(features, last)),
    ],
  ] as const) {
    const got = auroc(score(clean.features), score(rotated.features))
    assert.ok(got > floor, `${what}: ${got}`)
  }
})

const scorer = (detector: ReturnType<typeof fitMahalanobis>) => (features: Features) =>
  scoreMahalanobis(detector, features)

test('one class: zeros from the other digits', () => {
  const only = (from: Features, labels: Uint8Array, keep: (digit: number) => boolean): Features => {
    const rows = [...labels.keys()].filter((row) => keep(labels[row]))
    const data = rows.flatMap((row) => [...from.data.subarray(row * from.columns, (row + 1) * from.columns)])
    return { rows: rows.length, columns: from.columns, data: Float32Array.from(data) }
  }
  const detector = fitMahalanobis(only(train.features, fitted.labels, (digit) => digit === 0))
  const zeros = only(clean.features, held.labels, (digit) => digit === 0)
  const others = only(clean.features, held.labels, (digit) => digit !== 0)
  const got = auroc(scoreMahalanobis(detector, zeros), scoreMahalanobis(detector, others))
  assert.ok(got > 99, `${got}`)

  const both = addClass(
    detector,
    'one',
    only(train.features, fitted.labels, (digit) => digit === 1),
  )
  const ones = only(clean.features, held.labels, (digit) => digit === 1)
  const rest = only(clean.features, held.labels, (digit) => digit > 1)
  const after = auroc(scoreMahalanobis(both, ones), scoreMahalanobis(both, rest))
  assert.ok(after > 98, `ones, once they were added: ${after}`)
})

test('max-softmax and energy tell turned digits from digits', () => {
  for (const [what, score] of [
    ['max-softmax', scoreMaxSoftmax],
    ['energy', scoreEnergy],
  ] as const) {
    const got = auroc(score(clean.logits), score(rotated.logits))
    assert.ok(got > 85, `${what}: ${got}`)
  }
})
