/**
 * The Poincaré ball {x : c‖x‖² < 1} of curvature −c, as a gyrovector space (Ungar, 2008; Ganea, Bécigneul, Hofmann,
 * "Hyperbolic neural networks", NeurIPS 2018; sections by their numbers there). Points and tangent vectors are plain
 * vectors of numbers. c = 0 is allowed and gives Euclid, with the factors that the limit has: λ = 2, distance 2‖x − y‖.
 */

type Vector = ArrayLike<number>

function dot(x: Vector, y: Vector): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i]
  return sum
}

/** a·x + b·y */
function combine(a: number, x: Vector, b: number, y: Vector): Float64Array {
  return Float64Array.from({ length: x.length }, (_, i) => a * x[i] + b * y[i])
}

const negative = (x: Vector): Float64Array => Float64Array.from(x, (value) => -value)

/** tanh(t) / t, 1 at 0. */
const tanhc = (t: number): number => (t === 0 ? 1 : Math.tanh(t) / t)

/** artanh(t) / t, 1 at 0. */
const artanhc = (t: number): number => (t === 0 ? 1 : Math.atanh(t) / t)

/** asinh(t) / t, 1 at 0. Math.asinh overflows beyond 1e154, which no point of the ball reaches. */
const asinhc = (t: number): number => (t === 0 ? 1 : Math.asinh(t) / t)

/**
 * Möbius addition x ⊕ y (section 2.3).
 *
 * @param c the curvature is −c; c ≥ 0
 * @example
 * mobiusAdd([0, 0], [0.3, 0.1], 1) // [0.3, 0.1]
 */
export function mobiusAdd(x: Vector, y: Vector, c: number): Float64Array {
  const xy = dot(x, y)
  const xx = dot(x, x)
  const yy = dot(y, y)
  const denominator = 1 + 2 * c * xy + c * c * xx * yy
  return combine((1 + 2 * c * xy + c * yy) / denominator, x, (1 - c * xx) / denominator, y)
}

/**
 * λ of the metric λ²·I at a point (section 2.1, for any c): 2 / (1 − c‖x‖²).
 *
 * @example
 * conformalFactor([0, 0], 0.1) // 2
 */
export function conformalFactor(x: Vector, c: number): number {
  return 2 / (1 - c * dot(x, x))
}

/**
 * Geodesic distance (section 2.3): 2/√c · artanh(√c ‖−x ⊕ y‖).
 *
 * @example
 * distance([0], [0.5], 1) // 2·artanh(0.5) = ln 3
 */
export function distance(x: Vector, y: Vector, c: number): number {
  const difference = mobiusAdd(negative(x), y, c)
  const norm = Math.sqrt(dot(difference, difference))
  return 2 * norm * artanhc(Math.sqrt(c) * norm)
}

/**
 * The exponential map at the origin (section 2.4, lemma 2): tanh(√c‖v‖) · v / (√c‖v‖).
 *
 * @param v a tangent vector at 0
 * @returns a point of the ball
 * @example
 * exp0([1, 0], 1) // [tanh 1, 0]
 */
export function exp0(v: Vector, c: number): Float64Array {
  const factor = tanhc(Math.sqrt(c * dot(v, v)))
  return Float64Array.from(v, (value) => factor * value)
}

/** The inverse of `exp0` (section 2.4, lemma 2): the tangent vector at 0 that leads to a point. */
export function log0(y: Vector, c: number): Float64Array {
  const factor = artanhc(Math.sqrt(c * dot(y, y)))
  return Float64Array.from(y, (value) => factor * value)
}

/**
 * The exponential map at a point (section 2.4, lemma 2): x ⊕ tanh(√c λ‖v‖/2) · v / (√c‖v‖).
 *
 * @example
 * expAt([0.1, 0], [1, 0], 0) // [1.1, 0]
 */
export function expAt(x: Vector, v: Vector, c: number): Float64Array {
  const half = conformalFactor(x, c) / 2
  const factor = half * tanhc(half * Math.sqrt(c * dot(v, v)))
  return mobiusAdd(
    x,
    Float64Array.from(v, (value) => factor * value),
    c,
  )
}

/** The inverse of `expAt` (section 2.4, lemma 2): the tangent vector at x that leads to y. */
export function logAt(x: Vector, y: Vector, c: number): Float64Array {
  const difference = mobiusAdd(negative(x), y, c)
  const factor = (2 / conformalFactor(x, c)) * artanhc(Math.sqrt(c * dot(difference, difference)))
  return difference.map((value) => factor * value)
}

/**
 * A vector no longer than a radius: u · min(1, r/‖u‖). Clipping before the exponential map keeps points away from the
 * rim, where gradients vanish (Guo, Wang, Chen, Yu, "Clipped hyperbolic classifiers are super-hyperbolic classifiers",
 * CVPR 2022).
 */
export function clipNorm(u: Vector, radius: number): Float64Array {
  const norm = Math.sqrt(dot(u, u))
  const factor = norm > radius ? radius / norm : 1
  return Float64Array.from(u, (value) => factor * value)
}

/**
 * The logit of one class of hyperbolic multinomial logistic regression (section 3.1, eq. 25): the signed distance of x to the
 * gyroplane through `point` with normal `normal`, times ‖normal‖ in the metric at `point`.
 *
 * @param point a point of the ball
 * @param normal a tangent vector at that point
 * @example
 * gyroplaneLogit([0.2], [0.1], [1], 0) // 4 · (0.2 − 0.1) · 1
 */
export function gyroplaneLogit(x: Vector, point: Vector, normal: Vector, c: number): number {
  const z = mobiusAdd(negative(point), x, c)
  const length = Math.sqrt(dot(normal, normal))
  if (length === 0) return 0
  const offset = (2 * dot(z, normal)) / ((1 - c * dot(z, z)) * length)
  return conformalFactor(point, c) * length * offset * asinhc(Math.sqrt(c) * offset)
}
