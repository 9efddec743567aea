import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { clipNorm, conformalFactor, distance, exp0, expAt, gyroplaneLogit, log0, logAt, mobiusAdd } from './poincare.ts'

const DIMENSIONS = 4
const coordinate = fc.double({ min: -1, max: 1, noNaN: true })
const vector = fc.array(coordinate, { minLength: DIMENSIONS, maxLength: DIMENSIONS })
const curvature = fc.constantFrom(0.1, 0.5, 1, 2)

const norm = (x: ArrayLike<number>): number => Math.hypot(...Array.from(x))
const minus = (x: ArrayLike<number>): number[] => Array.from(x, (value) => -value)

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.equal(actual.length, expected.length)
  const scale = 1 + norm(expected)
  for (let i = 0; i < actual.length; i++) {
    assert.ok(
      Math.abs(actual[i] - expected[i]) <= tolerance * scale,
      `${Array.from(actual)} is not ${Array.from(expected)}`,
    )
  }
}

/** A point of the ball, at most tanh(0.9·2) of the way to the rim. */
const pointOf = (v: number[], c: number): Float64Array => exp0(clipNorm(v, 0.9 / Math.sqrt(c)), c)

test('exp and log are inverse, at 0 and at any point', () => {
  fc.assert(
    fc.property(vector, vector, curvature, (u, v, c) => {
      const x = pointOf(u, c)
      const tangent = clipNorm(v, 1 / Math.sqrt(c))
      assertClose(log0(exp0(tangent, c), c), tangent, 1e-10)
      assertClose(logAt(x, expAt(x, tangent, c), c), tangent, 1e-8)
      assertClose(expAt(x, logAt(x, pointOf(v, c), c), c), pointOf(v, c), 1e-10)
      assertClose(expAt(new Float64Array(DIMENSIONS), tangent, c), exp0(tangent, c), 1e-12)
    }),
  )
})

test('Möbius addition: 0 is neutral, −x ⊕ (x ⊕ y) is y, and sums stay in the ball', () => {
  fc.assert(
    fc.property(vector, vector, curvature, (u, v, c) => {
      const [x, y] = [pointOf(u, c), pointOf(v, c)]
      const sum = mobiusAdd(x, y, c)
      assertClose(mobiusAdd(minus(x), sum, c), y, 1e-10)
      assertClose(mobiusAdd(new Float64Array(DIMENSIONS), y, c), y, 1e-15)
      assert.ok(c * norm(sum) ** 2 < 1)
    }),
  )
})

test('distance: symmetric, 0 to itself, the triangle inequality, and the arcosh form of the textbooks', () => {
  fc.assert(
    fc.property(vector, vector, vector, curvature, (u, v, w, c) => {
      const [x, y, z] = [pointOf(u, c), pointOf(v, c), pointOf(w, c)]
      const d = distance(x, y, c)
      assert.ok(Math.abs(d - distance(y, x, c)) <= 1e-10 * (1 + d))
      assert.ok(distance(x, x, c) <= 1e-7)
      assert.ok(distance(x, z, c) <= d + distance(y, z, c) + 1e-9)
      const gap = norm(x.map((value, i) => value - y[i])) ** 2
      const gammas = (1 - c * norm(x) ** 2) * (1 - c * norm(y) ** 2)
      const cosh = Math.cosh(Math.sqrt(c) * d)
      assert.ok(Math.abs(cosh - (1 + (2 * c * gap) / gammas)) <= 1e-9 * cosh)
    }),
  )
})

test('distance is the length of the tangent vector in the metric at its foot', () => {
  fc.assert(
    fc.property(vector, vector, curvature, (u, v, c) => {
      const [x, y] = [pointOf(u, c), pointOf(v, c)]
      const length = conformalFactor(x, c) * norm(logAt(x, y, c))
      assert.ok(Math.abs(length - distance(x, y, c)) <= 1e-9 * (1 + length))
    }),
  )
})

test('c → 0 is Euclid', () => {
  fc.assert(
    fc.property(vector, vector, vector, (x, y, a) => {
      const sum = x.map((value, i) => value + y[i])
      const difference = y.map((value, i) => value - x[i])
      const inner = difference.reduce((total, value, i) => total + value * a[i], 0)
      for (const [c, tolerance] of [
        [0, 1e-12],
        [1e-9, 1e-7],
      ]) {
        assertClose(mobiusAdd(x, y, c), sum, tolerance)
        assertClose(exp0(x, c), x, tolerance)
        assertClose(log0(x, c), x, tolerance)
        assertClose(expAt(x, y, c), sum, tolerance)
        assertClose(logAt(x, y, c), difference, tolerance)
        assertClose([conformalFactor(x, c)], [2], tolerance)
        assertClose([distance(x, y, c)], [2 * norm(difference)], tolerance)
        assertClose([gyroplaneLogit(y, x, a, c)], [4 * inner], tolerance)
      }
    }),
  )
})

test('a gyroplane logit is the distance to the gyroplane (Ganea et al., theorem 5), signed, times the normal’s length', () => {
  // In the plane through 0 with normal e1, the nearest point to (s, 0) is 0 itself.
  for (const c of [0.1, 1]) {
    for (const s of [-0.8, -0.1, 0.4, 0.9]) {
      const expected = Math.sign(s) * distance([0, 0], [s, 0], c) * 2 * 3
      assertClose([gyroplaneLogit([s, 0], [0, 0], [3, 0], c)], [expected], 1e-12)
    }
  }
  fc.assert(
    fc.property(vector, vector, vector, curvature, (u, v, w, c) => {
      fc.pre(norm(w) > 0.1)
      const [x, p] = [pointOf(u, c), pointOf(v, c)]
      const logit = gyroplaneLogit(x, p, w, c)
      const away = Math.abs(logit) / (conformalFactor(p, c) * norm(w))
      // Points p ⊕ t with t ⟂ w are on the gyroplane: none is nearer than the logit says.
      const across = u.map(
        (value, i) => value - (u.reduce((sum, each, k) => sum + each * w[k], 0) * w[i]) / norm(w) ** 2,
      )
      const on = expAt(p, across, c)
      assert.ok(Math.abs(gyroplaneLogit(on, p, w, c)) <= 1e-8)
      assert.ok(away <= distance(x, on, c) + 1e-9)
    }),
  )
})

test('clipping shortens what is longer and keeps the direction', () => {
  assertClose(clipNorm([3, 4], 2), [1.2, 1.6], 1e-15)
  assertClose(clipNorm([0.3, 0.4], 2), [0.3, 0.4], 0)
  assertClose(clipNorm([0, 0], 2), [0, 0], 0)
})
