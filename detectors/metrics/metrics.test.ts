import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  auroc,
  calibrationError,
  clopperPearson,
  presentationAttackMetrics,
  rejectionRate,
  rocCurve,
  tnrAtTpr,
} from './index.ts'

const close = (actual: number, expected: number, relative = 1e-11): void =>
  assert.ok(Math.abs(actual - expected) <= relative * Math.max(1e-300, Math.abs(expected)), `${actual} ≠ ${expected}`)

/** Numbers that Python makes as easily, in 0…range − 1. */
function sequence(n: number, seed: number, range: number, shift = 0): number[] {
  let x = seed
  return Array.from({ length: n }, () => {
    x = (Math.imul(1103515245, x) + 12345) & 0x7fffffff
    return Math.floor(((x >> 8) % 1000) / (1000 / range)) + shift
  })
}

const clean = sequence(200, 1, 20)
const abnormal = sequence(150, 7, 20, 5)

test('Clopper–Pearson is SciPy’s (stats.beta.ppf; stats.binomtest, exact)', () => {
  for (const [count, total, level, low, high, upper] of [
    [0, 3, 0.95, 0, 0.7075982261787133, 0.6315968501359612],
    [3, 3, 0.95, 0.29240177382128674, 1, 1],
    [7, 100, 0.95, 0.028605288907438704, 0.13891972845585732, 0.12745801558297026],
    [500, 10000, 0.99, 0.044551529932177904, 0.055881710042630574, 0.05530080334223367],
    [1, 1, 0.9, 0.05, 1, 1],
  ]) {
    const rate = clopperPearson(count, total, level)
    close(rate.low, low)
    close(rate.high, high)
    close(rate.upper, upper)
    assert.equal(rate.rate, count / total)
  }
})

test('Clopper–Pearson holds what it promises, summed over all outcomes', () => {
  const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k)
  for (const total of [1, 2, 5, 12]) {
    for (const truth of [0.01, 0.2, 0.5, 0.77, 0.999]) {
      let covered = 0
      let bounded = 0
      for (let count = 0; count <= total; count++) {
        const probability = choose(total, count) * truth ** count * (1 - truth) ** (total - count)
        const { low, high, upper } = clopperPearson(count, total, 0.9)
        if (low <= truth && truth <= high) covered += probability
        if (truth <= upper) bounded += probability
      }
      assert.ok(covered >= 0.9 && bounded >= 0.9, `${total} ${truth}: ${covered}, ${bounded}`)
    }
  }
})

test('AUROC and DeLong’s error are those of SciPy and NumPy (mannwhitneyu; the pairs written out)', () => {
  assert.deepEqual(clean.slice(0, 5), [13, 4, 3, 19, 5])
  assert.deepEqual(abnormal.slice(0, 5), [14, 13, 10, 18, 6])
  const area = auroc(clean, abnormal)
  close(area.auroc, 0.7545833333333334)
  close(area.standardError, 0.0252772589457641)
  close(area.low, 0.7017576645166108)
  close(area.high, 0.8007095196676826)
})

const scores = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 12 })

test('AUROC counts every pair, ties by half, and is the area under the curve', () => {
  fc.assert(
    fc.property(scores, scores, (negatives, positives) => {
      let pairs = 0
      for (const a of positives) for (const c of negatives) pairs += a > c ? 1 : a === c ? 0.5 : 0
      const { auroc: area, low, high } = auroc(negatives, positives)
      close(area, pairs / (negatives.length * positives.length))
      assert.ok(low >= 0 && low <= area + 1e-12 && area <= high + 1e-12 && high <= 1)
      const { falseAlarms, detections, thresholds } = rocCurve(negatives, positives)
      let under = 0
      for (let i = 1; i < falseAlarms.length; i++) {
        under += ((falseAlarms[i] - falseAlarms[i - 1]) * (detections[i] + detections[i - 1])) / 2
        const share = (values: number[]): number => values.filter((v) => v >= thresholds[i]).length / values.length
        close(falseAlarms[i], share(negatives))
        close(detections[i], share(positives))
      }
      assert.ok(Math.abs(under - area) < 1e-12)
      assert.deepEqual([falseAlarms[0], detections[0], falseAlarms.at(-1), detections.at(-1)], [0, 0, 1, 1])
    }),
  )
})

test('perfect separation of three from three is no certainty', () => {
  const { auroc: area, low, high } = auroc([1, 2, 3], [4, 5, 6])
  assert.deepEqual([area, high], [1, 1])
  close(low, 0.025 ** (1 / 3))
})

test('TNR at 95 % TPR is the detected share where 95 % of the clean ones pass', () => {
  const rate = tnrAtTpr(clean, abnormal)
  assert.deepEqual([rate.count, rate.total], [48, 150])
  fc.assert(
    fc.property(scores, scores, fc.constantFrom(0.5, 0.8, 0.95, 1), (negatives, positives, passing) => {
      const feasible = [...new Set(negatives)].filter(
        (t) => negatives.filter((score) => score <= t).length / negatives.length >= passing,
      )
      const threshold = Math.min(...feasible)
      assert.equal(tnrAtTpr(negatives, positives, passing).count, positives.filter((score) => score > threshold).length)
    }),
  )
  // 0.95 · 100 is above 95 in no engine, but 0.55 · 100 is above 55.
  const hundred = Array.from({ length: 100 }, (_, i) => i)
  assert.equal(tnrAtTpr(hundred, hundred, 0.55).count, 45)
})

test('the rejection rate counts p ≤ α', () => {
  const { count, total, low } = rejectionRate([0.2, 0.01, 0.6, 0.05], 0.05)
  assert.deepEqual([count, total], [2, 4])
  assert.ok(low < 0.1)
})

test('the expected calibration error is NumPy’s (digitize, right = True)', () => {
  const confidences = sequence(300, 3, 1000).map((value) => value / 1000)
  const draws = sequence(300, 9, 1000).map((value) => value / 1000)
  const correct = confidences.map((confidence, i) => draws[i] < confidence ** 1.5)
  const { expected, maximum, bins } = calibrationError(confidences, correct)
  close(expected, 0.1132)
  close(maximum, 0.2652727272727272)
  assert.equal(
    bins.reduce((sum, bin) => sum + bin.count, 0),
    300,
  )
  assert.equal(calibrationError([0.75, 0.75, 0.75, 0.75], [1, 1, 1, 0]).expected, 0)
  assert.equal(calibrationError([1, 1], [false, false]).expected, 1)
  assert.equal(calibrationError([0, 0], [false, false]).expected, 0)
})

test('APCER is of attacks, BPCER of bona fide presentations, and the worst species counts', () => {
  const metrics = presentationAttackMetrics(
    [0.1, 0.2, 0.3, 0.4, 0.9],
    { print: [0.9, 0.8, 0.7, 0.95], replay: [0.1, 0.2, 0.9, 0.5], mask: [0.9] },
    0.5,
  )
  // One genuine of five is called an attack; replay passes twice of four; pooled it would be 2 of 9.
  assert.equal(metrics.bpcer.rate, 0.2)
  assert.equal(metrics.worst.species, 'replay')
  assert.equal(metrics.worst.apcer.rate, 0.5)
  assert.equal(metrics.apcerBySpecies.print.rate, 0)
  assert.equal(metrics.acer, 0.35)
  // A single mask that was found bounds nothing.
  close(metrics.apcerUpper, 0.95)
  assert.equal(metrics.apcerUpper, metrics.apcerBySpecies.mask.upper)
})

test('the bound of the worst species holds, summed over all outcomes of two species', () => {
  const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k)
  const probability = (n: number, k: number, rate: number): number => choose(n, k) * rate ** k * (1 - rate) ** (n - k)
  const attacks = (n: number, passed: number): number[] => Array.from({ length: n }, (_, i) => (i < passed ? 0 : 1))
  for (const [print, replay] of [
    [0.3, 0.3],
    [0.1, 0.5],
    [0.9, 0.05],
  ]) {
    let held = 0
    for (let i = 0; i <= 6; i++) {
      for (let j = 0; j <= 3; j++) {
        const { apcerUpper } = presentationAttackMetrics([0], { print: attacks(6, i), replay: attacks(3, j) }, 0.5)
        if (Math.max(print, replay) <= apcerUpper) held += probability(6, i, print) * probability(3, j, replay)
      }
    }
    assert.ok(held >= 0.95, `${print} ${replay}: ${held}`)
  }
})

test('what is no data is refused in a sentence', () => {
  const refused = (call: () => unknown, message: RegExp): void =>
    assert.throws(call, { code: 'INVALID_ARGUMENT', message })
  refused(() => clopperPearson(1, 0), /got 1 of 0/)
  refused(() => clopperPearson(0.5, 1), /got 0.5 of 1/)
  refused(() => clopperPearson(0, 1, 1), /between 0 and 1, got 1/)
  refused(() => auroc([], [1]), /clean scores that are numbers, got none/)
  refused(() => rocCurve([1], [Number.NaN]), /abnormal scores that are numbers, got NaN/)
  refused(() => tnrAtTpr([1], [1], 0), /\(0, 1\], got 0/)
  refused(() => rejectionRate([Number.NaN], 0.1), /got NaN/)
  refused(() => calibrationError([], []), /at least one sample/)
  refused(() => calibrationError([1], []), /1 outcomes/)
  refused(() => calibrationError([1.5], [1]), /sample 0 expected a probability, got 1.5/)
  refused(() => calibrationError([1], [1], 0), /at least one bin/)
  refused(() => presentationAttackMetrics([1], {}, 0), /at least one species/)
  refused(() => presentationAttackMetrics([1], { print: [] }, 0), /species print expected at least one/)
  refused(() => presentationAttackMetrics([], { print: [1] }, 0), /bona fide presentations expected at least one/)
  refused(() => presentationAttackMetrics([1], { print: [Number.NaN] }, 0), /got NaN at 0/)
  refused(() => presentationAttackMetrics([1], { print: [1] }, Number.NaN), /threshold/)
})
