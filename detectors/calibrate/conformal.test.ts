import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { acceptedScores, conformalPValue, midPValue, type Side } from './conformal.ts'

test('the p-value is the counted rank, ties included', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 40 }),
      fc.integer({ min: -1, max: 10 }),
      (scores, score) => {
        const counted = scores.filter((other) => other >= score).length
        const calibration = Float64Array.from(scores).sort()
        assert.equal(conformalPValue(calibration, score), (1 + counted) / (scores.length + 1))
      },
    ),
  )
})

test('under exchangeability P(p ≤ α) ≤ α, with equality at the attainable levels (every order enumerated)', () => {
  // Each of n + 1 different scores is equally likely to be the new one.
  const scores = [3, 1, 4, 1.5, 9, 2.6]
  for (const alpha of [1 / 6, 0.25, 0.5, 1]) {
    const rejected = scores.filter((score, i) => {
      const rest = Float64Array.from(scores.filter((_, j) => j !== i)).sort()
      return conformalPValue(rest, score) <= alpha
    })
    assert.equal(rejected.length, Math.floor(alpha * scores.length))
  }
})

test('no calibration and a NaN score are refused', () => {
  assert.throws(() => conformalPValue(new Float64Array(0), 1), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => conformalPValue(Float64Array.of(1), Number.NaN), { code: 'INVALID_ARGUMENT' })
})

/** Each of the scores in turn is the new one, the others are the calibration set: the exact law under exchangeability. */
function leaveOneOut(scores: readonly number[], side: Side): number[] {
  return scores.map((score, i) =>
    conformalPValue(Float64Array.from(scores.filter((_, j) => j !== i)).sort(), score, side),
  )
}

test('two-sided p-values: without ties they are the exact rank from the middle (every order enumerated)', () => {
  for (let n = 1; n <= 12; n++) {
    const scores = Array.from({ length: n + 1 }, (_, i) => i)
    const fromMiddle = scores.map((rank) => Math.abs(rank - n / 2))
    const exact = fromMiddle.map((distance) => fromMiddle.filter((other) => other >= distance).length / (n + 1))
    assert.deepEqual(leaveOneOut(scores, 'both'), exact)
  }
})

test('P(p ≤ α) ≤ α for both sides, whatever the ties (every order enumerated)', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 2, maxLength: 24 }),
      fc.constantFrom<Side>('upper', 'both'),
      (scores, side) => {
        const p = leaveOneOut(scores, side)
        for (const alpha of p) assert.ok(p.filter((value) => value <= alpha).length <= alpha * scores.length + 1e-9)
      },
    ),
  )
})

test('the mid p-value has mean ½ whatever the ties (every order enumerated)', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 2, maxLength: 24 }), (scores) => {
      const sum = scores.reduce((total, score, i) => {
        const rest = Float64Array.from(scores.filter((_, j) => j !== i)).sort()
        return total + midPValue(rest, score)
      }, 0)
      assert.ok(Math.abs(sum / scores.length - 0.5) < 1e-12)
    }),
  )
  assert.equal(midPValue(Float64Array.of(1, 2, 3), 2, 'both'), 1)
  assert.equal(midPValue(Float64Array.of(1, 2, 3), 9, 'both'), 0.25)
  assert.equal(midPValue(Float64Array.of(1, 2, 3), 0, 'both'), 0.25)
})

test('accepted scores are those whose p-value is above the level', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 3, maxLength: 40 }),
      fc.integer({ min: -1, max: 10 }),
      fc.nat(),
      fc.constantFrom<Side>('upper', 'both'),
      (scores, score, any, side) => {
        const calibration = Float64Array.from(scores).sort()
        const rank = 1 + (any % scores.length)
        const { low, high } = acceptedScores(calibration, rank, side)
        const rejected = conformalPValue(calibration, score, side) <= rank / (scores.length + 1)
        assert.equal(score < low || score > high, rejected)
      },
    ),
  )
})
