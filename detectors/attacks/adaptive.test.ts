import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Model, makeNode, makeValue } from '../../sdk/onnx/index.ts'
import { adaptive, pgd } from './index.ts'
import { blackBox, digits, mnistModel, mnistOracle, RANGE, rate } from './mnist.fixture.ts'

/** The MNIST network with a guard that sees grey: the mean of x (1 − x). A digit is nearly black and white. */
function guarded(): Model {
  const model = mnistModel()
  model.graph.node.push(
    makeNode('Mul', ['image', 'image'], ['squared']),
    makeNode('Sub', ['image', 'squared'], ['grey']),
    makeNode('ReduceMean', ['grey'], ['score'], { axes: [1, 2, 3], keepdims: 0 }),
  )
  model.graph.output.push(makeValue('score', 'float32', ['batch']))
  return model
}

const oracle = await mnistOracle(guarded(), 'score')
const { images, labels } = digits(40)
const { score: clean } = await oracle.answers(images)
const threshold = Math.max(...(clean ?? []))
const options = { epsilon: 0.2, range: RANGE, steps: 20, threshold }

test('the guard sees plain PGD; the attack that knows the guard goes past it', async () => {
  const plain = await pgd(oracle, images, labels, { ...options, steps: 10 })
  const seen = plain.answers.score?.map((score) => Number(score >= threshold)) ?? []
  assert.equal(rate(plain.success), 1)
  const unseen = 1 - rate(seen)
  const knowing = await adaptive(oracle, images, labels, { ...options })
  assert.ok(rate(knowing.success) > unseen + 0.8, `${rate(knowing.success)} ${unseen}`)
  for (const [i, success] of knowing.success.entries()) {
    const row = knowing.answers.logits.subarray(10 * i, 10 * i + 10)
    const astray = row.indexOf(Math.max(...row)) !== labels[i]
    assert.equal(success === 1, astray && (knowing.answers.score?.[i] ?? Number.NaN) < threshold)
  }
})

test('without gradients it is the square attack on the same objective', async () => {
  const result = await adaptive(blackBox(oracle), images, labels, { ...options, rounds: 1, queries: 150 })
  assert.ok(
    result.success.every((success, i) => success === 0 || (result.answers.score?.[i] ?? Number.NaN) < threshold),
  )
  assert.ok(result.queries.every((spent) => spent > 1 && spent <= 151))
})

test('an oracle without a score, and no rounds, are refused', async () => {
  const bare = await mnistOracle()
  await assert.rejects(adaptive(bare, images, labels, options), /an oracle with a score, got one without/)
  await assert.rejects(
    adaptive(oracle, images, labels, { ...options, rounds: 0 }),
    /rounds as an integer from 1 up, got 0/,
  )
})
