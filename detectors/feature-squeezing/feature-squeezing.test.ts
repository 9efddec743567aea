import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Tensor } from '../../sdk/core/index.ts'
import type { Model } from '../../sdk/onnx/index.ts'
import {
  asTensor,
  auroc,
  digitModel,
  digits,
  pixels,
  rowsWhere,
  run,
  smallClassifier,
  squareAttack,
  worst,
} from '../classifier.fixture.ts'
import type { Features } from '../features.ts'
import { LOGITS_INPUT } from '../tier.ts'
import { featureSqueezingGraph } from './graph.ts'
import { scoreFeatureSqueezing } from './score.ts'
import { checkSqueezers, medianFilter, reduceBits, type Squeezers } from './squeezers.ts'

/** The reference: squeeze in TypeScript, run each copy on its own, compare. */
async function reference(model: Model, image: Tensor, squeezers: Squeezers): Promise<Float64Array> {
  const [, channels, height, width] = image.shape
  const data = image.data as Float32Array
  const planes = { planes: image.shape[0] * channels, height, width, data }
  const copies = [
    ...squeezers.bits.map((bits) => reduceBits(planes, bits, squeezers.range)),
    ...squeezers.median.map((side) => medianFilter(planes, side)),
  ]
  const outputs = await Promise.all(
    [data, ...copies].map(async (pixels) => (await run(model, { image: { ...image, data: pixels } })).logits),
  )
  return scoreFeatureSqueezing(outputs[0], outputs.slice(1))
}

const each: Partial<Squeezers>[] = [
  {},
  { bits: [1], median: [] },
  { bits: [], median: [2] },
  { bits: [], median: [3] },
  { bits: [5], median: [2, 3], range: { min: -1, max: 1 } },
]

for (const opset of [9, 13, 17, 18, 21]) {
  test(`the graph gives what the reference gives, opset ${opset}`, async () => {
    for (const given of each) {
      const squeezers = checkSqueezers(given)
      const model = smallClassifier({ opset, channels: 2 })
      const image = pixels([5, 2, 7, 6], 3, squeezers.range.min, squeezers.range.max)
      const { logits } = await run(model, { image })
      const tier = featureSqueezingGraph(model, given)
      const { score } = await run(tier, { image, [LOGITS_INPUT]: asTensor(logits) })
      const expected = await reference(model, image, squeezers)
      assert.ok(Math.max(...expected) > 1e-3)
      assert.ok(worst(score.data, expected) < 1e-5, `${JSON.stringify(given)}: ${worst(score.data, expected)}`)
    }
  })
}

test('channels last gives what channels first gives', async () => {
  const image = pixels([3, 3, 7, 6], 9)
  const last = new Float32Array(image.data.length)
  image.data.forEach((value, at) => {
    const [n, c, p] = [Math.floor(at / 126), Math.floor(at / 42) % 3, at % 42]
    last[(n * 42 + p) * 3 + c] = Number(value)
  })
  const scores = await Promise.all(
    (['nchw', 'nhwc'] as const).map(async (layout) => {
      const model = smallClassifier({ channels: 3, layout })
      const feeds = { image: layout === 'nchw' ? image : { ...image, shape: [3, 7, 6, 3], data: last } }
      const { logits } = await run(model, feeds)
      const tier = featureSqueezingGraph(model, { layout, median: [2, 3] })
      return (await run(tier, { ...feeds, [LOGITS_INPUT]: asTensor(logits) })).score.data
    }),
  )
  assert.ok(worst(scores[1], scores[0]) < 1e-6)
})

test('a model exported for a batch of 1, and one that ends in a Softmax', async () => {
  const image = pixels([4, 1, 7, 6], 2)
  const { logits } = await run(smallClassifier(), { image })
  const { probabilities } = await run(smallClassifier({ softmax: true }), { image })
  const expected = await reference(smallClassifier(), image, checkSqueezers())
  for (const [options, first] of [
    [{ batch: 1 }, logits],
    [{ softmax: true }, probabilities],
  ] as const) {
    const tier = featureSqueezingGraph(smallClassifier(options))
    const { score } = await run(tier, { image, [LOGITS_INPUT]: asTensor(first) })
    assert.ok(worst(score.data, expected) < 1e-5)
  }
})

test('medians as scipy and numpy give them', () => {
  const data = Float32Array.of(3, 8, 1, 6, 0, 7, 2, 9, 4, 5, 11, 10)
  const planes = { planes: 1, height: 3, width: 4, data }
  // scipy.ndimage 1.17: median_filter(x, size=3, mode='nearest')
  assert.deepEqual([...medianFilter(planes, 3)], [3, 3, 6, 6, 4, 4, 7, 9, 4, 5, 9, 10])
  // numpy.median of each window of numpy.pad(x, ((1, 0), (1, 0)), 'edge')
  assert.deepEqual([...medianFilter(planes, 2)], [3, 5.5, 4.5, 3.5, 1.5, 5, 4.5, 4, 2, 4.5, 6, 9.5])
})

test('bits: levels lie from black to white, halves go up', () => {
  const data = Float32Array.of(0, 0.49, 0.5, 1)
  const planes = { planes: 1, height: 1, width: 4, data }
  assert.deepEqual([...reduceBits(planes, 1, { min: 0, max: 1 })], [0, 0, 1, 1])
  const wide = { ...planes, data: Float32Array.of(-1, -0.4, 0.3, 1) }
  assert.deepEqual(
    [...reduceBits(wide, 2, { min: -1, max: 1 })].map((value) => Math.round(3 * value)),
    [-3, -1, 1, 3],
  )
})

test('real digits: a perturbation does not survive squeezing', async () => {
  const model = digitModel()
  const clean = digits(9000, 9500).images
  const attacked = await squareAttack(model, digits(9500, 9800), { epsilon: 0.25, queries: 30, seed: 1 })
  const positives = rowsWhere(attacked.images, attacked.fooled)
  const options = { bits: [1], median: [2] }
  const tier = featureSqueezingGraph(model, options)
  const [negative, positive] = await Promise.all(
    [clean, positives].map(async (image) => {
      const { logits } = await run(model, { image })
      const { score } = await run(tier, { image, [LOGITS_INPUT]: asTensor(logits) })
      assert.ok(worst(score.data, await reference(model, image, checkSqueezers(options))) < 1e-5)
      return score.data
    }),
  )
  const area = auroc(negative, positive)
  assert.ok(area > 98, `${area}`)
})

test('what cannot be squeezed is refused in one sentence', () => {
  const refuse = (given: Partial<Squeezers>, message: RegExp) =>
    assert.throws(() => featureSqueezingGraph(smallClassifier(), given), message)
  refuse({ bits: [9] }, /expected 1 to 8 bits, got 9/)
  refuse({ median: [4] }, /expected a median window of 2 or 3, got 4/)
  refuse({ bits: [], median: [] }, /expected at least one squeezer, got none/)
  refuse({ range: { min: 1, max: 1 } }, /expected a pixel range/)
  const open = smallClassifier()
  open.graph.input = smallClassifier({ size: [0, 0] }).graph.input
  open.graph.input[0].type?.tensorType?.shape?.dim.pop()
  assert.throws(() => featureSqueezingGraph(open), /images of a fixed size as input "image", got \[batch, 1, 0\]/)
  const outputs: Features = { rows: 1, columns: 2, data: new Float32Array(2) }
  assert.throws(() => scoreFeatureSqueezing(outputs, []), /expected at least one squeezer, got none/)
  assert.throws(
    () => scoreFeatureSqueezing(outputs, [{ rows: 2, columns: 2, data: new Float32Array(4) }]),
    /expected 1 × 2 outputs on squeezed copies, got 2 × 2/,
  )
  assert.throws(() => scoreFeatureSqueezing({ ...outputs, data: Float32Array.of(0, Number.NaN) }, [outputs]), /got NaN/)
})

test('NaN in an image never looks normal', async () => {
  const model = smallClassifier()
  const image = pixels([2, 1, 7, 6], 3)
  ;(image.data as Float32Array).fill(Number.NaN, 20, 23)
  const { logits } = await run(model, { image })
  for (const bits of [[], [2]]) {
    const tier = featureSqueezingGraph(model, { bits, median: [2, 3] })
    const { score } = await run(tier, { image, [LOGITS_INPUT]: asTensor(logits) })
    assert.ok(Number.isNaN(score.data[0]), `${score.data[0]}`)
    assert.ok(Number.isFinite(score.data[1]))
  }
})
