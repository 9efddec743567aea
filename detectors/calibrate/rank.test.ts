import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { conformalPValue, type Side } from './conformal.ts'
import { interpolatedRank } from './rank.ts'

const scores = fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 1, maxLength: 30 })

test('at the scores of the table the rank is the p-value', () => {
  fc.assert(
    fc.property(scores, fc.constantFrom<Side>('upper', 'both'), (any, side) => {
      const table = Float32Array.from(any).sort()
      for (const score of table) {
        assert.ok(Math.abs(interpolatedRank(table, score, side) - conformalPValue(table, score, side)) < 1e-12)
      }
    }),
  )
})

test('the rank falls as the score grows, without end', () => {
  fc.assert(
    fc.property(scores, (any) => {
      const table = Float32Array.from(any).sort()
      let previous = Number.POSITIVE_INFINITY
      for (let score = -10; score < 12; score += 1 / 16) {
        const rank = interpolatedRank(table, score, 'upper')
        assert.ok(rank > 0 && rank <= 1)
        assert.ok(rank <= previous + 1e-12)
        previous = rank
      }
    }),
  )
  const table = Float32Array.from({ length: 100 }, (_, i) => i)
  assert.ok(interpolatedRank(table, 200, 'upper') < interpolatedRank(table, 150, 'upper'))
  assert.ok(interpolatedRank(table, 3e38, 'upper') > 0)
})

test('two sides: small scores are as strange as large ones', () => {
  const table = Float32Array.from({ length: 101 }, (_, i) => i - 50)
  for (const score of [0, 0.3, 17.25, 49.5, 60, 1000]) {
    assert.equal(interpolatedRank(table, score, 'both'), interpolatedRank(table, -score, 'both'))
  }
  assert.equal(interpolatedRank(table, 0, 'both'), 1)
})
