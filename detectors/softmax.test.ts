import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Fragment, makeGraph, makeModel, makeValue, writeModel } from '../sdk/onnx/index.ts'
import { runOrt } from '../sdk/onnx/ort-oracle.ts'
import type { Features } from './features.ts'
import { scoreEnergy, scoreMaxSoftmax } from './softmax.ts'
import { energyHead, maxSoftmaxHead } from './softmax-head.ts'

const logits: Features = {
  rows: 4,
  columns: 3,
  data: Float32Array.of(2, 1, 0.1, 0, 0, 0, 50, -50, 3, -3.5, 1.25, 1.5),
}

const near = (actual: ArrayLike<number>, expected: readonly number[]): void =>
  expected.forEach((value, i) => {
    assert.ok(Math.abs(actual[i] - value) <= 1e-6 * Math.max(1, Math.abs(value)), `${actual[i]} for ${value}`)
  })

test('scores are those of scipy.special', () => {
  near(scoreEnergy(logits), [-2.4170300162778338, -1.0986122886681098, -50, -2.079720179259558])
  near(scoreMaxSoftmax(logits), [0.41703001627783354, 1.0986122886681098, 0, 0.5797201792595579])
})

test('probabilities give the same as their logits; energy refuses them', () => {
  const probabilities = { rows: 1, columns: 3, data: Float32Array.of(0.7, 0.2, 0.1) }
  near(scoreMaxSoftmax(probabilities, { probabilities: true }), [-Math.log(0.7)])
  assert.throws(() => scoreEnergy(probabilities, { probabilities: true }), { code: 'UNSUPPORTED_MODEL' })
  const fragment = new Fragment({ opset: 17, prefix: 'guard' })
  assert.throws(() => energyHead(fragment, 'p', { probabilities: true }), { code: 'UNSUPPORTED_MODEL' })
})

test('a shift of all logits moves the energy by as much, and max-softmax not at all', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -40, max: 40 }), { minLength: 1, maxLength: 8 }), (row) => {
      const of = (shift: number): Features => ({
        rows: 1,
        columns: row.length,
        data: Float32Array.from(row, (value) => value + shift),
      })
      near(scoreMaxSoftmax(of(16)), [scoreMaxSoftmax(of(0))[0]])
      near(scoreEnergy(of(16)), [scoreEnergy(of(0))[0] - 16])
      assert.ok(scoreMaxSoftmax(of(0))[0] <= Math.log(row.length) + 1e-9)
    }),
  )
})

test('NaN is refused', () => {
  const broken = { rows: 1, columns: 1, data: Float32Array.of(Number.NaN) }
  assert.throws(() => scoreEnergy(broken), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => scoreMaxSoftmax(broken), { code: 'INVALID_ARGUMENT' })
})

test('the heads equal the scorers in every opset', async () => {
  const probabilities: Features = {
    ...logits,
    data: Float32Array.of(1, 0, 0, 0.5, 0.25, 0.25, 0.9, 0.05, 0.05, 0.4, 0.3, 0.3),
  }
  for (const opset of [9, 13, 17, 18, 21]) {
    const fragment = new Fragment({ opset, prefix: 'guard' })
    const names = [
      energyHead(fragment, 'logits'),
      maxSoftmaxHead(fragment, 'logits'),
      maxSoftmaxHead(fragment, 'probabilities', { probabilities: true }),
    ]
    const graph = makeGraph('heads', {
      nodes: [],
      inputs: ['logits', 'probabilities'].map((name) => makeValue(name, 'float32', ['n', 3])),
      outputs: names.map((name) => makeValue(name, 'float32', ['n'])),
    })
    fragment.appendTo(graph)
    const feed = ({ data }: Features) => ({ dtype: 'float32' as const, shape: [4, 3], data })
    const out = await runOrt(writeModel(makeModel(graph, { opsets: { '': opset } })), {
      logits: feed(logits),
      probabilities: feed(probabilities),
    })
    const scores = [
      scoreEnergy(logits),
      scoreMaxSoftmax(logits),
      scoreMaxSoftmax(probabilities, { probabilities: true }),
    ]
    names.forEach((name, i) => {
      const { bytes, dims } = out[name]
      assert.deepEqual(dims, [4])
      near(new Float32Array(bytes.buffer, bytes.byteOffset, 4), [...scores[i]])
    })
  }
})
