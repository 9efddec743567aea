import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundary, carliniWagner, fgsm, type Oracle, pgd, spsa, square } from './index.ts'
import { graphOracle } from './oracle.ts'

/** Two classes: class 1 where the elements sum to more than 1. */
const linear: Oracle = {
  classes: 2,
  answers: async ({ data }) => {
    const logits = new Float32Array(data.length)
    for (let i = 0; i < data.length; i += 2) logits.set([1, data[i] + data[i + 1]], i)
    return { logits }
  },
  gradient: async ({ data }, { logits }) => {
    const gradient = new Float32Array(data.length)
    for (let i = 0; i < data.length; i += 2) gradient.fill(logits[i + 1], i, i + 2)
    return gradient
  },
}

const range = { min: 0, max: 1 }
const images = { shape: [2], data: Float32Array.of(0.2, 0.3, 0.9, 0.8) }
const labels = [0, 1]

test('on a linear model FGSM and PGD find the corner of the ball, CW the nearest point, and boundary comes near it', async () => {
  const corner = Float32Array.of(0.3, 0.4, 0.8, 0.7)
  const near = (a: Float32Array, b: Float32Array, within: number): void => {
    for (const [k, value] of a.entries()) assert.ok(Math.abs(value - b[k]) < within, `${a} ${b}`)
  }
  near((await fgsm(linear, images, labels, { epsilon: 0.1, range })).adversarial.data, corner, 1e-6)
  near((await pgd(linear, images, labels, { epsilon: 0.1, range })).adversarial.data, corner, 1e-6)
  // The line x + y = 1 is 0.5/√2 from the first input, 0.7/√2 from the second.
  const { l2, success } = await carliniWagner(linear, images, labels, { range, steps: 300, searchSteps: 12 })
  assert.deepEqual([...success], [1, 1])
  for (const [i, distance] of [0.5 / Math.SQRT2, 0.7 / Math.SQRT2].entries()) {
    assert.ok(l2[i] >= distance - 1e-6 && l2[i] < 1.05 * distance, `${l2[i]} ${distance}`)
  }
  const walked = await boundary(linear, images, labels, { range, steps: 300 })
  for (const [i, distance] of [0.5 / Math.SQRT2, 0.7 / Math.SQRT2].entries()) {
    assert.ok(walked.l2[i] >= distance - 1e-6 && walked.l2[i] < 1.05 * distance, `${walked.l2[i]} ${distance}`)
  }
})

test('CW searches c upwards where logits are small, downwards where they are large', async () => {
  for (const scale of [1e-3, 1e3]) {
    const scaled: Oracle = {
      classes: 2,
      answers: async (batch) => ({ logits: (await linear.answers(batch)).logits.map((value) => scale * value) }),
      gradient: async (batch, { logits }) =>
        (linear.gradient as NonNullable<Oracle['gradient']>)(batch, { logits: logits.map((value) => scale * value) }),
    }
    const { l2, success } = await carliniWagner(scaled, images, labels, { range, steps: 300, searchSteps: 14 })
    assert.deepEqual([...success], [1, 1])
    assert.ok(l2[0] < 1.1 * (0.5 / Math.SQRT2) && l2[1] < 1.1 * (0.7 / Math.SQRT2), `${l2}`)
  }
})

test('inputs, labels and options are checked at the door', async () => {
  const options = { epsilon: 0.1, range }
  const refused = (call: Promise<unknown>, message: RegExp): Promise<void> =>
    assert.rejects(call, { code: 'INVALID_ARGUMENT', message })
  const nan = { shape: [2], data: Float32Array.of(0.5, Number.NaN) }
  await refused(fgsm(linear, nan, [0], options), /inputs from 0 to 1, got NaN/)
  await refused(
    fgsm(linear, { ...images, data: Float32Array.of(0, 2, 0, 0) }, labels, options),
    /inputs from 0 to 1, got 2/,
  )
  await refused(fgsm(linear, { ...images, shape: [3] }, labels, options), /whole inputs of shape \[3\], got 4 numbers/)
  await refused(fgsm(linear, { shape: [2], data: new Float32Array() }, [], options), /whole inputs/)
  await refused(fgsm(linear, images, [0], options), /2 labels, got 1/)
  await refused(fgsm(linear, images, [0, 2], options), /labels from 0 to 1, got 2/)
  await refused(fgsm(linear, images, labels, { ...options, epsilon: 0 }), /an epsilon above 0, got 0/)
  await refused(
    fgsm(linear, images, labels, { ...options, range: { min: 1, max: 0 } }),
    /a range of two numbers, got 1 to 0/,
  )
  await refused(fgsm(linear, images, labels, { ...options, batchSize: 0 }), /a batch size .* got 0/)
  await refused(pgd(linear, images, labels, { ...options, steps: -1 }), /steps as an integer from 0 up, got -1/)
  await refused(square(linear, images, labels, { ...options, queries: 0.5 }), /queries .* got 0.5/)
  await refused(spsa(linear, images, labels, { ...options, directions: 0 }), /directions .* got 0/)
  await refused(boundary(linear, images, labels, { range, steps: 0 }), /steps .* got 0/)
  await refused(carliniWagner(linear, images, labels, { range, learningRate: Number.NaN }), /a learning rate above 0/)
  const { classes, answers } = linear
  await refused(
    pgd({ classes, answers }, images, labels, options),
    /an oracle with a gradient, got one without\. Use square/,
  )
  const deep = { shape: [1, 1, 1, 2], data: Float32Array.of(0, 1) }
  await refused(square(linear, deep, [0], options), /inputs of 1 to 3 axes/)
})

test('the channels of the square attack may come last', async () => {
  const picture = { shape: [4, 4, 3], data: new Float32Array(48).fill(0.5) }
  const never: Oracle = {
    classes: 2,
    answers: async ({ data }) => ({ logits: Float32Array.from({ length: data.length / 24 }, (_, i) => 1 - (i % 2)) }),
  }
  const { adversarial } = await square(never, picture, [0], { epsilon: 0.25, range, queries: 1, channels: 'last' })
  // Stripes: each column of each channel is one value from top to bottom.
  const { data } = adversarial
  for (let row = 1; row < 4; row++) for (let k = 0; k < 12; k++) assert.equal(data[row * 12 + k], data[k])
  assert.equal(new Set(data).size, 2)
})

test('a signal ends an attack, progress is told, batches are no larger than asked', async () => {
  const stop = new AbortController()
  const seen: number[] = []
  const sizes = new Set<number>()
  const watched: Oracle = {
    classes: 2,
    answers: (batch) => {
      sizes.add(batch.data.length / 2)
      return linear.answers(batch)
    },
    gradient: linear.gradient,
  }
  const onProgress = ({ stage, done }: { stage: string; done: number }): void => {
    assert.equal(stage, 'pgd')
    seen.push(done)
    if (done === 3) stop.abort()
  }
  const call = pgd(watched, images, labels, { epsilon: 0.1, range, batchSize: 1, signal: stop.signal, onProgress })
  await assert.rejects(call, { code: 'ABORTED' })
  assert.deepEqual(seen, [0, 1, 2, 3])
  assert.deepEqual([...sizes], [1])
})

test('a gradient that is not finite moves nothing', async () => {
  const broken: Oracle = { ...linear, gradient: async ({ data }) => new Float32Array(data.length).fill(Number.NaN) }
  const { adversarial } = await fgsm(broken, images, labels, { epsilon: 0.1, range })
  assert.deepEqual(adversarial.data, images.data)
})

test('logits of another size are refused', async () => {
  const forward = async () => ({ y: { dtype: 'float32' as const, shape: [3], data: new Float32Array(3) } })
  const oracle = graphOracle({ forward, input: 'x', logits: 'y', classes: 2 })
  await assert.rejects(oracle.answers(images), { code: 'INVALID_INPUT', message: /hold 2 × 2 float32, got 3/ })
})
