import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cauchy, simes } from './combine.ts'

const close = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual / expected - 1) < 1e-12, `${actual} ≠ ${expected}`)

test('Simes is the smallest of m·p₍ᵢ₎/i', () => {
  assert.equal(simes([0.5, 0.01]), 0.02)
  assert.equal(simes([0.03, 0.04]), 0.04)
  assert.equal(simes([0.2]), 0.2)
  assert.equal(simes([1, 1, 1]), 1)
})

test('Cauchy is the formula in sixty digits (mpmath)', () => {
  close(cauchy([0.01, 0.5]), 0.01998029966406465)
  close(cauchy([0.2, 0.4, 0.6]), 0.3630812671790299)
  close(cauchy([1e-12, 1e-10]), 1.98019801980198e-12)
  close(cauchy([0.8, 0.9]), 0.8656588096479116)
  close(cauchy([0.123]), 0.123)
})

test('p-values at the ends keep Cauchy finite', () => {
  close(cauchy([1e-300, 0.3, 0.9]), 3e-300)
  assert.equal(cauchy([0, 0.5]), 0)
  assert.ok(cauchy([1e-3, 1]) < 0.003, 'a p-value of 1 must not hide an alarm')
})

test('Simes and Cauchy grow with every p-value, and do not care about the order', () => {
  const p = fc.double({ min: 0, max: 1, noNaN: true })
  fc.assert(
    fc.property(fc.array(p, { minLength: 1, maxLength: 6 }), p, (values, larger) => {
      for (const combination of [simes, cauchy]) {
        const raised = values.with(0, Math.max(values[0], larger))
        assert.ok(combination(raised) >= combination(values) - 1e-12)
        assert.ok(Math.abs(combination(values.toReversed()) - combination(values)) < 1e-9)
      }
    }),
  )
})
