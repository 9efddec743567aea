import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crossEntropy, evading, margin, type Objective } from './index.ts'

const CLASSES = 5
/** Logits that differ by a quarter or more, so that the margin has a derivative. */
const logits = fc
  .uniqueArray(fc.integer({ min: -32, max: 32 }), { minLength: CLASSES, maxLength: CLASSES })
  .map((row) => row.map((value) => value / 4))
const rows = fc.tuple(logits, fc.nat(CLASSES - 1))

const guarded: Objective = evading(crossEntropy(CLASSES), { lambda: 0.7, threshold: 0.2 })

for (const [name, objective] of [
  ['cross-entropy', crossEntropy(CLASSES)],
  ['margin', margin(CLASSES)],
  ['margin of at most 0.3', margin(CLASSES, 0.3)],
  ['evading', guarded],
] as const) {
  test(`${name}: the derivative equals central differences`, () => {
    fc.assert(
      fc.property(rows, fc.constantFrom(-1, 0, 0.5, 3), ([row, label], score) => {
        const answersOf = (values: readonly number[], s: number = score) => ({
          logits: Float32Array.from([...row, ...values]),
          score: Float32Array.of(9, s),
        })
        const cotangent = { logits: new Float32Array(2 * CLASSES), score: new Float32Array(2) }
        objective.derive(answersOf(row), 1, label, cotangent, 0)
        assert.ok(cotangent.logits.subarray(0, CLASSES).every((value) => value === 0))
        const step = 2 ** -8
        for (let k = 0; k < CLASSES; k++) {
          const at = (sign: number) =>
            objective.value(answersOf(row.map((value, i) => value + (i === k ? sign * step : 0))), 1, label, 0)
          const expected = (at(1) - at(-1)) / (2 * step)
          assert.ok(
            Math.abs(expected - cotangent.logits[CLASSES + k]) < 2e-3,
            `${expected} ${cotangent.logits[CLASSES + k]}`,
          )
        }
        const slope =
          (objective.value(answersOf(row, score + step), 1, label, 0) -
            objective.value(answersOf(row, score - step), 1, label, 0)) /
          (2 * step)
        assert.ok(Math.abs(slope - cotangent.score[1]) < 1e-3)
      }),
    )
  })
}

test('cross-entropy keeps a derivative where the model is as good as sure', () => {
  const cotangent = { logits: new Float32Array(2) }
  crossEntropy(2).derive({ logits: Float32Array.of(30, 0) }, 0, 0, cotangent, 0)
  assert.ok(cotangent.logits[0] < 0 && cotangent.logits[1] > 0)
})

test('the margin is above 0 exactly where the label is another', () => {
  const objective = margin(CLASSES)
  fc.assert(
    fc.property(rows, ([row, label]) => {
      const answers = { logits: Float32Array.from(row) }
      const other = Math.max(...answers.logits.filter((_, k) => k !== label))
      assert.equal(Math.sign(objective.value(answers, 0, label, 0)), Math.sign(other - answers.logits[label]))
      if (other > answers.logits[label]) assert.ok(objective.reached(answers, 0, label))
      if (other < answers.logits[label]) assert.ok(!objective.reached(answers, 0, label))
    }),
  )
})

test('an input is through when it is led astray and there is no alarm', () => {
  const objective = evading(margin(2), { lambda: 1, threshold: 1 })
  const answers = { logits: Float32Array.of(0, 1, 0, 1, 1, 0), score: Float32Array.of(0.5, 1.5, 0.5) }
  assert.deepEqual(
    [0, 1, 2].map((i) => objective.reached(answers, i, 0)),
    [true, false, false],
  )
  assert.throws(() => objective.value({ logits: Float32Array.of(0, 1) }, 0, 0, 0), { code: 'INVALID_ARGUMENT' })
})
