import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { conformalPValue } from './conformal.ts'

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
