import assert from 'node:assert/strict'
import { test } from 'node:test'
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
import { type SecondOpinionOptions, secondOpinionGraph } from './graph.ts'
import { scoreSecondOpinion } from './score.ts'

const RULES = ['disagreement', 'divergence', 'label'] as const

for (const opset of [9, 13, 17, 18, 21]) {
  test(`the graph gives what the reference gives, opset ${opset}`, async () => {
    const model = smallClassifier({ opset, seed: 1 })
    const second = smallClassifier({ opset, seed: 5, input: 'other', batch: 1 })
    const image = pixels([9, 1, 7, 6], 3)
    const outputs = (await run(model, { image })).logits
    const others = (await run(smallClassifier({ opset, seed: 5, input: 'other' }), { other: image })).logits
    for (const rule of RULES) {
      const tier = secondOpinionGraph(model, { second, rule })
      const { score } = await run(tier, { image, [LOGITS_INPUT]: asTensor(outputs) })
      const expected = scoreSecondOpinion(outputs, others, { rule })
      assert.ok(Math.max(...expected) > 0.1)
      assert.ok(worst(score.data, expected) < 1e-5, `${rule}: ${worst(score.data, expected)}`)
    }
  })
}

test('probabilities in place of logits change nothing', async () => {
  const image = pixels([5, 1, 7, 6], 4)
  const { logits } = await run(smallClassifier({ seed: 2 }), { image })
  const { probabilities } = await run(smallClassifier({ seed: 2, softmax: true }), { image })
  const others = (await run(smallClassifier({ seed: 8 }), { image })).logits
  for (const rule of RULES) {
    const tier = secondOpinionGraph(smallClassifier({ seed: 2, softmax: true }), {
      second: smallClassifier({ seed: 8, softmax: true }),
      rule,
    })
    const { score } = await run(tier, { image, [LOGITS_INPUT]: asTensor(probabilities) })
    assert.ok(worst(score.data, scoreSecondOpinion(logits, others, { rule })) < 1e-5)
  }
})

test('a second model with a normalisation of its own, by channel, in both layouts', async () => {
  const [mean, std] = [
    [0.4, 0.5, 0.6],
    [0.2, 0.3, 0.25],
  ]
  for (const layout of ['nchw', 'nhwc'] as const) {
    const options = { layout, channels: 3 }
    const shape = layout === 'nchw' ? [4, 3, 7, 6] : [4, 7, 6, 3]
    const image = pixels(shape, 6)
    const channelOf = (at: number) => (layout === 'nhwc' ? at % 3 : Math.floor(at / 42) % 3)
    const normal = (image.data as Float32Array).map((value, at) => (value - mean[channelOf(at)]) / std[channelOf(at)])
    const [model, second] = [smallClassifier({ ...options, seed: 1 }), smallClassifier({ ...options, seed: 5 })]
    const { logits } = await run(model, { image })
    const others = (await run(second, { image: { ...image, data: normal } })).logits
    const tier = secondOpinionGraph(model, { second, layout, normalisation: { mean, std } })
    const { score } = await run(tier, { image, [LOGITS_INPUT]: asTensor(logits) })
    assert.ok(worst(score.data, scoreSecondOpinion(logits, others)) < 1e-5)
  }
})

test('by hand: bits of the label, and both Kullback–Leibler divergences', () => {
  const rows = (...data: number[]): Features => ({ rows: data.length / 2, columns: 2, data: Float32Array.from(data) })
  const ln3 = Math.log(3)
  const [p, q] = [rows(0, 0, 0, ln3), rows(ln3, 0, ln3, 0)]
  const label = scoreSecondOpinion(p, q, { rule: 'label' })
  assert.ok(worst(label, [Math.log2(4 / 3), 2]) < 1e-7)
  const divergence = scoreSecondOpinion(p, q)
  // (1/2, 1/2) and (3/4, 1/4): 1/4 log₂ 3; (1/4, 3/4) and (3/4, 1/4): log₂ 3.
  assert.ok(worst(divergence, [Math.log2(3) / 4, Math.log2(3)]) < 1e-7)
  const both = scoreSecondOpinion(p, q, { rule: 'disagreement' })
  assert.ok(worst(both, [Math.log2(4 / 3) + Math.log2(3) / 4, 2 + Math.log2(3)]) < 1e-7)
})

test('real digits: what fools the network does not fool a linear model', async () => {
  const train = digits(0, 4000)
  const model = digitModel()
  const second = meanClassifier(train.images.data as Float32Array, train.labels)
  const clean = digits(9000, 9500)
  const attacked = await squareAttack(model, digits(9500, 9800), { epsilon: 0.25, queries: 30, seed: 1 })
  const positives = rowsWhere(attacked.images, attacked.fooled)
  assert.ok(positives.shape[0] >= 50, `${positives.shape[0]} attacks succeed`)
  const floors = { disagreement: 97, divergence: 97, label: 89 }
  for (const rule of RULES) {
    const tier = secondOpinionGraph(model, { second, rule })
    const [negative, positive] = await Promise.all(
      [clean.images, positives].map(async (image) => {
        const { logits } = await run(model, { image })
        const { score } = await run(tier, { image, [LOGITS_INPUT]: asTensor(logits) })
        const others = (await run(second, { pixels: image })).logits
        const expected = scoreSecondOpinion(logits, others, { rule })
        assert.ok(worst(score.data, expected) < 1e-5, `${worst(score.data, expected)}`)
        return score.data
      }),
    )
    const area = auroc(negative, positive)
    assert.ok(area > floors[rule], `${rule}: ${area}`)
  }
})

test('models that do not fit are refused in one sentence', () => {
  const model = smallClassifier()
  const refuse = (options: SecondOpinionOptions, message: RegExp) =>
    assert.throws(() => secondOpinionGraph(model, options), message)
  refuse({ second: smallClassifier({ opset: 13 }) }, /expected ai\.onnx 17, got 13/)
  refuse({ second: smallClassifier({ classes: 5 }) }, /and 4 classes, got .* and 5/)
  refuse({ second: smallClassifier({ size: [8, 6] }) }, /expected input \[batch,1,7,6\].*got \[batch,1,8,6\]/)
  refuse({ second: model, secondOutput: { name: 'nothing' } }, /outputs "logits", "representation", got "nothing"/)
  refuse({ second: model, normalisation: { mean: [0], std: [0] } }, /positive standard deviations/)
  const several = smallClassifier()
  several.graph.input.push(smallClassifier({ input: 'second' }).graph.input[0])
  refuse({ second: several }, /The second model expected one input, got 2/)
})

test('outputs that do not fit are refused in one sentence', () => {
  const outputs = (rows: number, columns: number, value = 0): Features => ({
    rows,
    columns,
    data: new Float32Array(rows * columns).fill(value),
  })
  assert.throws(() => scoreSecondOpinion(outputs(2, 3), outputs(2, 4)), /expected 2 × 3 outputs, got 2 × 4/)
  assert.throws(() => scoreSecondOpinion(outputs(1, 3, Number.NaN), outputs(1, 3)), /expected finite numbers, got NaN/)
  assert.throws(() => scoreSecondOpinion(outputs(1, 3), outputs(1, 3, -1), { secondKind: 'probabilities' }), /got -1/)
})

test('NaN in an image never looks normal', async () => {
  const model = smallClassifier()
  const image = pixels([2, 1, 7, 6], 3)
  ;(image.data as Float32Array).fill(Number.NaN, 20, 23)
  const { logits } = await run(model, { image })
  for (const rule of RULES) {
    const tier = secondOpinionGraph(model, { second: smallClassifier({ seed: 5 }), rule })
    const { score } = await run(tier, { image, [LOGITS_INPUT]: asTensor(logits) })
    assert.ok(Number.isNaN(score.data[0]), `${score.data[0]}`)
    assert.ok(Number.isFinite(score.data[1]))
  }
})
