import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Tensor } from '../../sdk/core/index.ts'
import type { Model } from '../../sdk/onnx/index.ts'
import {
  asTensor,
  auroc,
  digitModel,
  digits,
  meanClassifier,
  pixels,
  rowsWhere,
  run,
  smallClassifier,
  squareAttack,
  worst,
} from '../classifier.fixture.ts'
import type { Features } from '../features.ts'
import { LOGITS_INPUT } from '../tier.ts'
import { augment, drawAugmentations } from './augmentations.ts'
import { type BeyondOptions, beyondGraph, beyondSimilarityGraph } from './graph.ts'
import { type BeyondRule, type BeyondSignals, fitBeyondCounts, scoreBeyond } from './score.ts'

const RULES: readonly BeyondRule[] = [
  { rule: 'divergence' },
  { rule: 'disagreement' },
  { rule: 'fused' },
  { rule: 'fused', alpha: 0.3, order: 1 },
  { rule: 'fused', alpha: 1, order: 5 },
  { rule: 'counts', similarity: 0.9991 },
]

interface Parts {
  readonly model: Model
  readonly encoder: Model
  readonly encoderInput: string
  readonly representation: string
}

/** The reference: augment in TypeScript, run every model on its own. */
async function reference(image: Tensor, parts: Parts, { augmentations, range }: BeyondOptions): Promise<BeyondSignals> {
  const { model, encoder, encoderInput, representation } = parts
  const k = augmentations.neighbours.length
  const copies = augment(augmentations, image.data as Float32Array, range ?? { min: 0, max: 1 })
  const neighbours: Tensor = { ...image, shape: [image.shape[0] * k, ...image.shape.slice(1)], data: copies }
  const inner = await run(encoder, { [encoderInput]: image })
  const outer = await run(encoder, { [encoderInput]: neighbours })
  return {
    outputs: (await run(model, { image })).logits,
    neighbours: outer.logits,
    representations: inner[representation],
    neighbourRepresentations: outer[representation],
  }
}

for (const opset of [9, 13, 17, 18, 21]) {
  test(`the graph gives what the reference gives, opset ${opset}`, async () => {
    for (const channels of [1, 3]) {
      const model = smallClassifier({ opset, channels, seed: 1 })
      const encoder = smallClassifier({ opset, channels, seed: 1, input: 'view' })
      const augmentations = drawAugmentations({ height: 7, width: 6, channels, preset: 'paper', count: 5, seed: 3 })
      const range = channels === 1 ? { min: -1, max: 3 } : { min: 0, max: 1 }
      const image = pixels([9, channels, 7, 6], 3, range.min, range.max)
      const head = { model: encoder, representation: 'representation', output: { name: 'logits' } }
      const signals = await reference(
        image,
        { model, encoder, encoderInput: 'view', representation: 'representation' },
        { augmentations, range },
      )
      for (const rule of RULES) {
        const feeds = { image, [LOGITS_INPUT]: asTensor(signals.outputs) }
        const expected = scoreBeyond(signals, rule)
        assert.ok(new Set(expected).size > 1, JSON.stringify(rule))
        // The encoder has the protected model's weights here, so that its class head may be left to that.
        const { output, ...headless } = head
        for (const encoder of [head, headless]) {
          const { score } = await run(beyondGraph(model, { augmentations, encoder, rule, range }), feeds)
          const error = worst(score.data, expected)
          assert.ok(error < 1e-5, `${JSON.stringify(rule)}, head ${output.name}: ${error}`)
        }
        const own = beyondGraph(model, { augmentations, representation: 'representation', rule, range })
        assert.ok(worst((await run(own, feeds)).score.data, expected) < 1e-5)
      }
    }
  })
}

test('another encoder, with a normalisation, and the signals for the fit', async () => {
  const model = smallClassifier({ seed: 1 })
  const encoder = smallClassifier({ seed: 5, input: 'view', batch: 1 })
  const augmentations = drawAugmentations({ height: 7, width: 6, channels: 1, count: 6, seed: 1 })
  const image = pixels([8, 1, 7, 6], 5)
  const normalisation = { mean: [0.25], std: [0.5] }
  const k = 6
  const copies = augment(augmentations, image.data as Float32Array, { min: 0, max: 1 })
  const normal = (data: Float32Array): Tensor => ({
    dtype: 'float32',
    shape: [data.length / 42, 1, 7, 6],
    data: data.map((value) => (value - 0.25) / 0.5),
  })
  const free = smallClassifier({ seed: 5 })
  const [inner, outer] = await Promise.all(
    [image.data as Float32Array, copies].map((data) => run(free, { image: normal(data) })),
  )
  const { logits } = await run(model, { image })
  const signals = {
    outputs: logits,
    neighbours: outer.logits,
    representations: inner.representation,
    neighbourRepresentations: outer.representation,
  }
  const options = {
    augmentations,
    encoder: { model: encoder, representation: 'representation', output: { name: 'logits' }, normalisation },
  }
  const feeds = { image, [LOGITS_INPUT]: asTensor(logits) }
  const { similarity } = await run(beyondSimilarityGraph(model, options), feeds)
  const expected = Float64Array.from({ length: 8 * k }, (_, i) => {
    const [a, b] = [inner, outer].map(({ representation: { data } }, many) => {
      const row = many ? i : Math.floor(i / k)
      return Array.from(data.subarray(6 * row, 6 * row + 6))
    })
    return a.reduce((sum, value, j) => sum + value * b[j], 0) / (Math.hypot(...a) * Math.hypot(...b))
  })
  assert.deepEqual([similarity.rows, similarity.columns], [8, k])
  assert.ok(worst(similarity.data, expected) < 1e-5)
  const rule = fitBeyondCounts(similarity, 0.5)
  assert.equal(similarity.data.filter((value) => value >= rule.similarity).length, 24)
  const { score } = await run(beyondGraph(model, { ...options, rule }), feeds)
  assert.ok(worst(score.data, scoreBeyond(signals, rule)) < 1e-5)
})

test('channels last gives what channels first gives', async () => {
  const image = pixels([3, 3, 7, 6], 9)
  const last = new Float32Array(image.data.length)
  image.data.forEach((value, at) => {
    const [n, c, p] = [Math.floor(at / 126), Math.floor(at / 42) % 3, at % 42]
    last[(n * 42 + p) * 3 + c] = Number(value)
  })
  const augmentations = drawAugmentations({ height: 7, width: 6, channels: 3, seed: 4 })
  const scores = await Promise.all(
    (['nchw', 'nhwc'] as const).map(async (layout) => {
      const model = smallClassifier({ channels: 3, layout })
      const feeds = { image: layout === 'nchw' ? image : { ...image, shape: [3, 7, 6, 3], data: last } }
      const { logits } = await run(model, feeds)
      const tier = beyondGraph(model, { layout, augmentations, rule: { rule: 'fused' } })
      return (await run(tier, { ...feeds, [LOGITS_INPUT]: asTensor(logits) })).score.data
    }),
  )
  assert.ok(worst(scores[1], scores[0]) < 1e-5)
})

test('augmentations: the whole image is itself, flipped twice it is again, a constant stays one', () => {
  const image = pixels([1, 2, 5, 4], 8).data as Float32Array
  const range = { min: 0, max: 1 }
  const plain = { start: 0, step: 1 }
  const flip = { start: 3, step: -1 }
  const colour = [1, 0, 0, 1]
  const only = (columns: typeof plain, contrast = 1) => ({
    height: 5,
    width: 4,
    channels: 2,
    neighbours: [{ rows: plain, columns, colour, contrast }],
  })
  assert.deepEqual(augment(only(plain), image, range), image)
  const flipped = augment(only(flip), image, range)
  assert.deepEqual([...flipped.subarray(0, 4)], [...image.subarray(0, 4)].reverse())
  assert.deepEqual(augment(only(flip), flipped, range), image)
  const halfway = augment(only({ start: 0.5, step: 1 }), image, range)
  assert.equal(halfway[0], Math.fround((image[0] + image[1]) / 2))
  assert.equal(halfway[3], image[3], 'beyond the edge the last pixel stays')
  const flat = augment(only(plain, 0), image, range)
  assert.ok(Math.max(...flat) - Math.min(...flat) < 1e-6)
  const mean = image.reduce((sum, value) => sum + value, 0) / image.length
  assert.ok(Math.abs(flat[0] - mean) < 1e-6)
})

test('drawn neighbours: the same for a seed, inside the image, and hue and saturation keep greys grey', () => {
  const size = { height: 30, width: 20, channels: 3 }
  assert.deepEqual(drawAugmentations({ ...size, seed: 5 }), drawAugmentations({ ...size, seed: 5 }))
  assert.notDeepEqual(drawAugmentations({ ...size, seed: 5 }), drawAugmentations({ ...size, seed: 6 }))
  assert.equal(drawAugmentations(size).neighbours.length, 16)
  const { neighbours } = drawAugmentations({ ...size, preset: 'paper' })
  assert.equal(neighbours.length, 50)
  assert.ok(neighbours.some(({ columns }) => columns.step < 0) && neighbours.some(({ columns }) => columns.step > 0))
  for (const { rows, columns, colour } of neighbours) {
    for (const [{ start, step }, side] of [
      [rows, 30],
      [columns, 20],
    ] as const) {
      for (const at of [start, start + step * (side - 1)]) assert.ok(at >= -0.5 && at <= side - 0.5, `${at}`)
    }
    const sums = [0, 1, 2].map((i) => colour[3 * i] + colour[3 * i + 1] + colour[3 * i + 2])
    assert.ok(Math.max(...sums) - Math.min(...sums) < 0.01, `${sums}`)
  }
})

test('by hand: counts, the order statistic, and a norm of zero', () => {
  const rows = (columns: number, ...data: number[]): Features => ({
    rows: data.length / columns,
    columns,
    data: Float32Array.from(data),
  })
  const signals: BeyondSignals = {
    outputs: rows(2, 3, 0),
    neighbours: rows(2, 1, 0, 0, 1, 4, 3),
    representations: rows(2, 1, 0),
    neighbourRepresentations: rows(2, 2, 0, 0, 1, 0, 0),
  }
  // Labels kept 2 of 3; cosines 1, 0, 0; logits' cosines 1, 0, 0.8.
  const similarity = { rows: 1, columns: 4, data: Float32Array.of(0.9, 0.7, 0.8, 0.5) }
  const counts = fitBeyondCounts(similarity, 0.25)
  assert.ok(Math.abs(counts.similarity - 0.6) < 1e-7)
  assert.deepEqual([...scoreBeyond(signals, counts)], [-1 / 3])
  assert.deepEqual([...scoreBeyond(signals, { rule: 'counts', similarity: -0.1 })], [-2 / 3])
  assert.ok(worst(scoreBeyond(signals, { rule: 'fused', alpha: 0.8, order: 2 }), [-0.64]) < 1e-6)
  assert.ok(worst(scoreBeyond(signals, { rule: 'fused' }), [-1]) < 1e-6)
})

test('by hand: a neighbour with the same answer, and one that is unsure', () => {
  const two = (...data: number[]): Features => ({ rows: data.length / 2, columns: 2, data: Float32Array.from(data) })
  // (1/4, 3/4) against itself: 0, and −log₂ 3/4 at the label; against (1/2, 1/2): 1/4 log₂ 3, and 1.
  const signals: BeyondSignals = { outputs: two(0, Math.log(3)), neighbours: two(0, Math.log(3), 0, 0) }
  const [quarter, surprise] = [Math.log2(3) / 4, Math.log2(4 / 3) + 1]
  assert.ok(worst(scoreBeyond(signals, { rule: 'divergence' }), [quarter / 2]) < 1e-6)
  assert.ok(worst(scoreBeyond(signals, { rule: 'disagreement' }), [(quarter + surprise) / 2]) < 1e-6)
})

test('real digits: an attack loses its label among its neighbours', async () => {
  const train = digits(0, 4000)
  const model = digitModel()
  const encoder = meanClassifier(train.images.data as Float32Array, train.labels)
  const clean = digits(9000, 9300).images
  const attacked = await squareAttack(model, digits(9500, 9700), { epsilon: 0.25, queries: 20, seed: 1 })
  const positives = rowsWhere(attacked.images, attacked.fooled)
  assert.ok(positives.shape[0] >= 50, `${positives.shape[0]} attacks succeed`)
  const augmentations = drawAugmentations({ height: 28, width: 28, channels: 1, count: 8, seed: 1 })
  const head = { model: encoder, representation: 'logits', output: { name: 'logits' } }
  const floors: [BeyondRule, number][] = [
    [{ rule: 'divergence' }, 93],
    [{ rule: 'disagreement' }, 93],
    [{ rule: 'fused' }, 80],
    [{ rule: 'counts', similarity: 0.99 }, 65],
  ]
  const parts = { model, encoder, encoderInput: 'pixels', representation: 'logits' }
  const references = await Promise.all([clean, positives].map((image) => reference(image, parts, { augmentations })))
  for (const [rule, floor] of floors) {
    const tier = beyondGraph(model, { augmentations, encoder: head, rule })
    const [negative, positive] = await Promise.all(
      [clean, positives].map(async (image, i) => {
        const { score } = await run(tier, { image, [LOGITS_INPUT]: asTensor(references[i].outputs) })
        const error = worst(score.data, scoreBeyond(references[i], rule))
        assert.ok(error < 1e-5, `${rule.rule}: ${error}`)
        return score.data
      }),
    )
    const area = auroc(negative, positive)
    assert.ok(area > floor, `${rule.rule}: ${area}`)
  }
})

test('what does not fit is refused in one sentence', () => {
  const model = smallClassifier()
  const augmentations = drawAugmentations({ height: 7, width: 6, channels: 1, count: 4 })
  const refuse = (options: Partial<BeyondOptions>, message: RegExp) =>
    assert.throws(() => beyondGraph(model, { augmentations, ...options }), message)
  refuse({ augmentations: { ...augmentations, width: 7 } }, /expected augmentations for 1 × 7 × 6, got 1 × 7 × 7/)
  refuse({ rule: { rule: 'fused', order: 5 } }, /expected an order from 1 to 4, got 5/)
  refuse({ rule: { rule: 'fused', alpha: 2 } }, /expected an alpha from 0 to 1, got 2/)
  refuse({ rule: { rule: 'counts', similarity: 2 } }, /cosine from −1 to 1, got 2/)
  refuse(
    { encoder: { model: smallClassifier({ size: [9, 9] }), representation: 'representation' } },
    /got \[batch,1,9,9\]/,
  )
  refuse(
    { encoder: { model, representation: 'nothing' }, rule: { rule: 'fused' } },
    /expected outputs that its graph makes, got "nothing"/,
  )
  assert.throws(() => drawAugmentations({ height: 0, width: 1, channels: 1 }), /positive integer as height, got 0/)
  assert.throws(() => augment(augmentations, new Float32Array(5), { min: 0, max: 1 }), /got 5 numbers/)
  const outputs: Features = { rows: 2, columns: 2, data: new Float32Array(4) }
  const three: Features = { rows: 3, columns: 2, data: new Float32Array(6) }
  assert.throws(
    () => scoreBeyond({ outputs, neighbours: three }, { rule: 'divergence' }),
    /multiple of 2 neighbours, got 3/,
  )
  assert.throws(
    () => scoreBeyond({ outputs, neighbours: outputs }, { rule: 'fused' }),
    /expected representations, got none/,
  )
  assert.throws(
    () =>
      scoreBeyond(
        { outputs, neighbours: outputs, representations: outputs, neighbourRepresentations: three },
        { rule: 'fused' },
      ),
    /representations of 2 samples and 2 neighbours, got 2 and 3/,
  )
  assert.throws(() => fitBeyondCounts(outputs, 0), /share between 0 and 1, got 0/)
})

test('NaN in an image never looks normal', async () => {
  const model = smallClassifier()
  const augmentations = drawAugmentations({ height: 7, width: 6, channels: 1, count: 5 })
  const image = pixels([2, 1, 7, 6], 3)
  ;(image.data as Float32Array).fill(Number.NaN, 20, 23)
  const { logits } = await run(model, { image })
  for (const rule of RULES) {
    const tier = beyondGraph(model, { augmentations, rule, representation: 'representation' })
    const { score } = await run(tier, { image, [LOGITS_INPUT]: asTensor(logits) })
    assert.ok(
      rule.rule === 'counts' ? score.data[0] === 0 : Number.isNaN(score.data[0]),
      `${rule.rule}: ${score.data[0]}`,
    )
    assert.ok(Number.isFinite(score.data[1]))
  }
})
