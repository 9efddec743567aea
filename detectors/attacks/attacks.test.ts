import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundary, carliniWagner, fgsm, pgd, spsa, square } from './index.ts'
import { blackBox, boundsOf, digits, mnistOracle, RANGE, rate } from './mnist.fixture.ts'

const oracle = await mnistOracle()
const { images, labels } = digits(100)
const few = digits(30)

const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length
const range = RANGE
/** float32 rounds x ± ε once. */
const ROUNDING = 1e-6

const run = {
  fgsm: (epsilon: number) => fgsm(oracle, images, labels, { epsilon, range }),
  noise: (epsilon: number) => pgd(oracle, images, labels, { epsilon, range, steps: 0 }),
  pgd: (epsilon: number) => pgd(oracle, images, labels, { epsilon, range, steps: 10 }),
  square: (epsilon: number) => square(blackBox(oracle), images, labels, { epsilon, range, queries: 100 }),
  spsa: (epsilon: number) =>
    spsa(blackBox(oracle), few.images, few.labels, { epsilon, range, steps: 5, directions: 16 }),
}

for (const [name, attack] of Object.entries(run)) {
  test(`${name}: within ε and the range, the same for the same seed, stronger with ε`, async () => {
    const small = await attack(0.1)
    const large = await attack(0.3)
    for (const [result, epsilon] of [
      [small, 0.1],
      [large, 0.3],
    ] as const) {
      const { linf, inRange } = boundsOf(result, {
        ...images,
        data: images.data.subarray(0, result.adversarial.data.length),
      })
      assert.ok(inRange)
      assert.ok(linf <= epsilon + ROUNDING && linf > epsilon / 2, `${linf}`)
    }
    assert.ok(rate(small.success) <= rate(large.success))
    assert.deepEqual((await attack(0.1)).adversarial.data, small.adversarial.data)
  })
}

test('PGD beats FGSM, FGSM beats noise, and so do the attacks that see answers only', async () => {
  const at = async (name: keyof typeof run, epsilon: number): Promise<number> =>
    rate((await run[name](epsilon)).success)
  const [best, fast, random, black] = [
    await at('pgd', 0.1),
    await at('fgsm', 0.1),
    await at('noise', 0.1),
    await at('square', 0.1),
  ]
  assert.ok(best > fast + 0.3 && fast > random + 0.3 && black > random + 0.5, `${best} ${fast} ${random} ${black}`)
  const [estimated, blind] = [await at('spsa', 0.2), await at('noise', 0.2)]
  assert.ok(estimated > blind + 0.15, `${estimated} ${blind}`)
})

test('CW leads every digit astray by changes far smaller than those of PGD', async () => {
  const { images, labels } = digits(15)
  const strong = await pgd(oracle, images, labels, { epsilon: 0.1, range, steps: 20 })
  const result = await carliniWagner(oracle, images, labels, { range, searchSteps: 4 })
  assert.equal(rate(strong.success), 1)
  assert.equal(rate(result.success), 1)
  assert.ok(mean(result.l2) < 0.6 * mean(strong.l2), `${mean(result.l2)} ${mean(strong.l2)}`)
  assert.ok(boundsOf(result, images).inRange)
})

test('the boundary attack comes nearer with every step, by labels alone', async () => {
  const labelsOnly = {
    classes: oracle.classes,
    answers: async (batch: typeof images) => {
      const { logits } = await oracle.answers(batch)
      const hard = new Float32Array(logits.length)
      for (let i = 0; i < logits.length; i += oracle.classes) {
        const row = logits.subarray(i, i + oracle.classes)
        hard[i + row.indexOf(Math.max(...row))] = 1
      }
      return { logits: hard }
    },
  }
  const near = (steps: number) => boundary(labelsOnly, few.images, few.labels, { range, steps })
  const [early, late] = [await near(20), await near(600)]
  assert.equal(rate(late.success), 1)
  assert.ok(boundsOf(late, few.images).inRange)
  assert.ok(mean(late.l2) < 0.9 * mean(early.l2), `${mean(early.l2)} ${mean(late.l2)}`)
  assert.deepEqual((await near(20)).adversarial.data, early.adversarial.data)
})

test('queries are counted, and an input that is led astray takes no more', async () => {
  let total = 0
  const counting = {
    classes: oracle.classes,
    answers: (batch: typeof images) => {
      total += batch.data.length / 784
      return oracle.answers(batch)
    },
  }
  const { queries, success } = await square(counting, images, labels, { epsilon: 0.3, range, queries: 50 })
  assert.equal(
    queries.reduce((sum, spent) => sum + spent, 0),
    // The last look at the result is not the attack's.
    total - labels.length,
  )
  assert.ok(queries.every((spent, i) => spent <= 50 && (success[i] === 1 || spent === 50)))
  assert.ok(queries.some((spent) => spent < 50))
})
