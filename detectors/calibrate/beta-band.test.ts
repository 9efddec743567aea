import assert from 'node:assert/strict'
import { test } from 'node:test'
import { betaCdf, betaQuantile, logGamma } from './beta.ts'
import { betaBand, betaBinomialBand, levelFor, requiredSamples } from './beta-band.ts'

const close = (actual: number, expected: number, relative = 1e-11): void =>
  assert.ok(Math.abs(actual - expected) <= relative * Math.max(Math.abs(expected), 1e-300), `${actual} ≠ ${expected}`)

test('Gamma, Beta and its quantiles are those of SciPy 1.x (special.gammaln, stats.beta)', () => {
  for (const [x, expected] of [
    [0.1, 2.252712651734206],
    [0.5, 0.5723649429247],
    [2.5, 0.2846828704729192],
    [9.99, 12.779315214350195],
    [10, 12.801827480081469],
    [125, 477.0446654925857],
    [2501, 17064.946022012693],
    [1e6, 12815504.569147611],
  ]) {
    close(logGamma(x), expected, 1e-12)
  }
  for (const [x, a, b, expected] of [
    [0.05, 125, 2376, 0.512813151476571],
    [0.01, 5, 295, 0.18220574470959489],
    [0.3, 0.5, 0.5, 0.36901011956554536],
    [0.9, 2, 3, 0.9963],
    [1e-6, 1, 2500, 0.0024968788494196094],
    [0.05, 250, 4751, 0.5090603236338425],
    [0.5, 1000, 1000, 0.4999999999999992],
    [0.999, 50, 0.25, 0.4843139540725245],
  ]) {
    close(betaCdf(x, a, b), expected, 2e-11)
  }
  for (const [p, a, b, expected] of [
    [0.005, 125, 2376, 0.03943887363672798],
    [0.995, 125, 2376, 0.061871570968206224],
    [0.005, 25, 2476, 0.0056093951018502414],
    [0.025, 1, 2, 0.01257911709342505],
    [0.95, 1, 299, 0.009969146792899269],
  ]) {
    close(betaQuantile(p, a, b), expected)
  }
})

test('Beta with whole parameters is the binomial tail, counted out', () => {
  const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k)
  for (const [x, a, b] of [
    [0.2, 1, 9],
    [0.7, 4, 3],
    [0.05, 3, 28],
  ]) {
    const n = a + b - 1
    let tail = 0
    for (let j = a; j <= n; j++) tail += choose(n, j) * x ** j * (1 - x) ** (n - j)
    close(betaCdf(x, a, b), tail, 1e-12)
  }
})

test('bands are the quantiles of the law of one calibration set', () => {
  const { low, high } = betaBand(5000, 0.05)
  close(low, 0.04239266298231206)
  close(high, 0.05826304224174304)
  // stats.betabinom.ppf([0.005, 0.995]) / m
  assert.deepEqual(betaBinomialBand(2500, 0.05, 10000), { low: 0.0382, high: 0.0633 })
  assert.deepEqual(betaBinomialBand(2500, 0.01, 10000), { low: 0.0051, high: 0.0165 })
  assert.deepEqual(betaBinomialBand(99, 0.01, 50), { low: 0, high: 0.08 })
})

test('the level is the largest that keeps the promise', () => {
  assert.deepEqual(levelFor(999, 0.01), { rank: 10, level: 0.01 })
  // By SciPy: the largest k with stats.beta.cdf(α, k, n + 1 − k) ≥ confidence.
  for (const [n, alpha, confidence, rank] of [
    [999, 0.01, 0.95, 5],
    [2500, 0.05, 0.95, 107],
    [2500, 0.01, 0.95, 17],
    [5000, 0.05, 0.99, 215],
    [5000, 0.01, 0.95, 39],
  ]) {
    assert.equal(levelFor(n, alpha, { confidence }).rank, rank)
  }
  // 0.29 · 100 < 29 in floating point, and yet 29/100 ≤ 0.29 is rejected.
  assert.equal(levelFor(99, 0.29).rank, 29)
  assert.equal(levelFor(99, 0.05, { side: 'both' }).rank, 4)
})

test('too few samples are refused with the number that is enough, and that number is enough', () => {
  assert.equal(requiredSamples(0.01), 99)
  assert.equal(requiredSamples(0.01, { side: 'both' }), 199)
  // ln(1 − confidence) / ln(1 − α), rounded up
  assert.equal(requiredSamples(0.01, { confidence: 0.95 }), 299)
  assert.equal(requiredSamples(0.001, { confidence: 0.99 }), 4603)
  for (const alpha of [0.3, 0.05, 0.01, 0.0007]) {
    for (const options of [{}, { confidence: 0.9 }, { confidence: 0.99, side: 'both' } as const]) {
      const n = requiredSamples(alpha, options)
      assert.ok(levelFor(n, alpha, options).rank >= 1)
      assert.throws(() => levelFor(n - 1, alpha, options), {
        code: 'INVALID_ARGUMENT',
        message: new RegExp(`expected at least ${n} calibration samples, got ${n - 1}`),
      })
    }
  }
  assert.throws(() => levelFor(100, 0), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => levelFor(100, 1), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => levelFor(100, 0.1, { confidence: 1 }), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => betaBand(100, 0.1, 1.5), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => betaBinomialBand(100, 0.1, 0), { code: 'INVALID_ARGUMENT' })
})
