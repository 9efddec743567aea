import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HardpackError, rng } from '../../sdk/core/index.ts'
import type { Features } from '../features.ts'
import { addClass } from './add-class.ts'
import { fitMahalanobis, type MahalanobisOptions } from './fit.ts'
import { scoreMahalanobis } from './score.ts'
import { featuresOf, fourthClass, queries, waveLabels, waves } from './waves.fixture.ts'

/** Basis and means are rounded to float16: 11 bits. */
const ROUNDED = 3e-3

function assertScores(actual: Float64Array, expected: readonly number[], tolerance = ROUNDED): void {
  assert.equal(actual.length, expected.length)
  expected.forEach((value, i) => {
    assert.ok(
      Math.abs(actual[i] - value) <= tolerance * Math.max(1, Math.abs(value)),
      `sample ${i}: ${actual[i]}, expected ${value}`,
    )
  })
}

test('scores are those of scipy.spatial.distance.mahalanobis', () => {
  const golden: [MahalanobisOptions, number[]][] = [
    [{}, [0.9766690912082558, 22.994318705173985, 17.9958245623083]],
    [{ relative: true }, [-0.24064938152805349, -0.2293727050671599, -0.7064429111417638]],
    [{ normalised: true }, [3.4223932688495533, 5.492101491446954, 6.176734320447983]],
    [{ rank: 2 }, [1.4273652883402452, 21.035970223161712, 18.744300614910223]],
  ]
  for (const [options, expected] of golden) {
    const detector = fitMahalanobis(waves, waveLabels, { shrinkage: 0.1, ...options })
    // The relative distance is a small difference of large distances.
    assertScores(scoreMahalanobis(detector, queries), expected, options.relative ? 3e-2 : ROUNDED)
  }
})

test('without labels there is one Gaussian (numpy)', () => {
  const detector = fitMahalanobis(waves, undefined, { shrinkage: 0.1 })
  assert.deepEqual(detector.classes, ['all'])
  assertScores(scoreMahalanobis(detector, queries), [1.2562564068171398, 23.50078351333598, 18.79045614707054])
})

test('the score of many samples is that of each', () => {
  const detector = fitMahalanobis(waves, waveLabels, { rank: 3 })
  const all = scoreMahalanobis(detector, queries)
  for (let i = 0; i < 3; i++) {
    const one = { rows: 1, columns: 5, data: queries.data.subarray(i * 5, i * 5 + 5) }
    assert.equal(scoreMahalanobis(detector, one)[0], all[i])
  }
})

test('a detector survives as plain data', () => {
  const detector = fitMahalanobis(waves, waveLabels)
  assert.deepEqual(scoreMahalanobis(structuredClone(detector), queries), scoreMahalanobis(detector, queries))
})

test('a dead unit that wakes up is strange, and does not divide by zero', () => {
  const withDead = (features: Features, value: number): Features => {
    const rows = Array.from({ length: features.rows }, (_, i) => [...features.data.subarray(i * 5, i * 5 + 5), value])
    return featuresOf(rows)
  }
  const detector = fitMahalanobis(withDead(waves, 0), waveLabels)
  const asleep = scoreMahalanobis(detector, withDead(queries, 0))
  const awake = scoreMahalanobis(detector, withDead(queries, 0.5))
  asleep.forEach((score, i) => {
    assert.ok(score < 100 && awake[i] > 1000 && Number.isFinite(awake[i]))
  })
})

test('addClass: means and the tied covariance are those of all samples (numpy)', () => {
  const before = fitMahalanobis(waves, waveLabels, { shrinkage: 0.1 })
  const after = addClass(before, 'd', fourthClass)
  const asked = featuresOf([
    ...Array.from({ length: 3 }, (_, i) => [...queries.data.subarray(i * 5, i * 5 + 5)]),
    [2, 2.1, 2, 1.9, 3],
  ])
  assertScores(
    scoreMahalanobis(after, asked),
    [1.0252138477147987, 22.083913801826682, 16.63298986287247, 0.10000135253846579],
    1e-2,
  )
  assert.deepEqual(after.classes, ['a', 'b', 'c', 'd'])
  assert.deepEqual(after.counts, [20, 20, 20, 20])
  assert.deepEqual(before.classes, ['a', 'b', 'c'], 'the old detector is as it was')
})

test('addClass twice: each new class becomes near, also where the basis had left its direction out', () => {
  const random = rng(5)
  const cluster = (at: readonly number[], rows: number): number[][] =>
    Array.from({ length: rows }, () => at.map((value) => value + random.uniform() - 0.5))
  const home = cluster([0, 0, 0, 0, 0, 0], 200).map(([a, b, c, d, e, f]) => [
    a,
    a + b,
    b - a,
    c / 9,
    d / 9,
    (e + f) / 9,
  ])
  let detector = fitMahalanobis(featuresOf(home), undefined, { rank: 2 })
  for (const [name, at] of [
    ['up', [0, 0, 0, 4, 0, 0]],
    ['aside', [0, 0, 0, 0, 0, 5]],
  ] as const) {
    const seen = featuresOf(cluster(at, 100))
    const fresh = featuresOf(cluster(at, 50))
    const mean = (scores: Float64Array) => scores.reduce((sum, score) => sum + score / scores.length, 0)
    const strange = mean(scoreMahalanobis(detector, fresh))
    detector = addClass(detector, name, seen)
    const known = mean(scoreMahalanobis(detector, fresh))
    assert.ok(known < strange / 20, `${name}: ${known}, before ${strange}`)
  }
  assert.equal(detector.rank, 4)
})

test('what cannot be fitted is refused in one sentence', () => {
  const labels = (classes: number[], names = ['a', 'b']) => ({ classes, names })
  const four = featuresOf([[1], [2], [3], [5]])
  const refused: [string, RegExp, () => unknown][] = [
    [
      'one sample in a class',
      /at least 2 samples a class, got 1 of "b"/,
      () => fitMahalanobis(four, labels([0, 0, 0, 1])),
    ],
    ['none in a class', /at least 2 samples a class, got 0 of "b"/, () => fitMahalanobis(four, labels([0, 0, 0, 0]))],
    ['labels of another length', /4 labels, one a sample, got 3/, () => fitMahalanobis(four, labels([0, 0, 1]))],
    ['an unknown class', /labels from 0 to 1, got 2 in sample 3/, () => fitMahalanobis(four, labels([0, 0, 1, 2]))],
    [
      'constant features',
      /vary within a class/,
      () =>
        fitMahalanobis(
          featuresOf([
            [1, 2],
            [1, 2],
            [1, 2],
          ]),
        ),
    ],
    [
      'constant within each class',
      /vary within a class/,
      () => fitMahalanobis(featuresOf([[1], [1], [2], [2]]), labels([0, 0, 1, 1])),
    ],
    [
      'classes too far apart',
      /within 65504 standard deviations/,
      () =>
        fitMahalanobis(
          featuresOf([
            [0, 0],
            [1e-9, 1],
            [1e9, 0],
            [1e9, 1],
          ]),
          labels([0, 0, 1, 1]),
        ),
    ],
    ['NaN', /finite numbers, got NaN in sample 1/, () => fitMahalanobis(featuresOf([[1], [Number.NaN], [2]]))],
    ['a rank too high', /rank from 1 to 5, got 6/, () => fitMahalanobis(waves, undefined, { rank: 6 })],
    ['a rank of 0', /rank from 1 to 5, got 0/, () => fitMahalanobis(waves, undefined, { rank: 0 })],
    [
      'fewer samples than the rank needs',
      /at least 3 more samples than classes/,
      () => fitMahalanobis({ rows: 3, columns: 5, data: waves.data.subarray(0, 15) }, undefined, { rank: 3 }),
    ],
    ['a shrinkage of 0', /shrinkage above 0/, () => fitMahalanobis(waves, undefined, { shrinkage: 0 })],
    ['relative without classes', /two classes or more/, () => fitMahalanobis(waves, undefined, { relative: true })],
    ['another size', /5 numbers a sample, got 1/, () => scoreMahalanobis(fitMahalanobis(waves), four)],
    [
      'one new sample',
      /at least 2 samples, got 1/,
      () => addClass(fitMahalanobis(waves), 'd', featuresOf([[1, 2, 3, 4, 5]])),
    ],
    ['a name twice', /a name of its own, got "all"/, () => addClass(fitMahalanobis(waves), 'all', fourthClass)],
    ['a new class of another size', /5 numbers a sample, got 1/, () => addClass(fitMahalanobis(waves), 'd', four)],
  ]
  for (const [what, message, call] of refused) {
    assert.throws(
      call,
      (error) => error instanceof HardpackError && error.code === 'INVALID_ARGUMENT' && message.test(error.message),
      what,
    )
  }
})
