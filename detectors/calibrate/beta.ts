/**
 * The Beta distribution: its distribution function is the regularised incomplete beta function, by Lentz's continued
 * fraction (DLMF 8.17.22); its quantile by bisection, which is slow and cannot fail.
 */

/** Stirling's series (DLMF 5.11.1) from here on: its first term left out is below 1e-16. */
const STIRLING_FROM = 10
const STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156]

/**
 * ln Γ(x) for x > 0.
 *
 * @example
 * Math.exp(logGamma(5)) // 24
 */
export function logGamma(x: number): number {
  let shift = 1
  let at = x
  for (; at < STIRLING_FROM; at++) shift *= at
  let series = 0
  for (let i = STIRLING.length - 1; i >= 0; i--) series = series / (at * at) + STIRLING[i]
  return (at - 0.5) * Math.log(at) - at + 0.5 * Math.log(2 * Math.PI) + series / at - Math.log(shift)
}

/**
 * P(X ≤ x) for X ~ Beta(a, b), a and b positive.
 *
 * @example
 * betaCdf(0.25, 1, 1) // 0.25
 */
export function betaCdf(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  // The fraction converges fast only on this side of the mean.
  if (x > (a + 1) / (a + b + 2)) return 1 - lowerTail(1 - x, b, a)
  return lowerTail(x, a, b)
}

/**
 * The x with P(X ≤ x) = p for X ~ Beta(a, b).
 *
 * @example
 * betaQuantile(0.5, 2, 2) // 0.5
 */
export function betaQuantile(p: number, a: number, b: number): number {
  if (p <= 0) return 0
  if (p >= 1) return 1
  let low = 0
  let high = 1
  for (let middle = 0.5; middle > low && middle < high; middle = (low + high) / 2) {
    if (betaCdf(middle, a, b) < p) low = middle
    else high = middle
  }
  return high
}

function lowerTail(x: number, a: number, b: number): number {
  const logFront = a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b) - Math.log(a)
  return Math.exp(logFront) / continuedFraction(x, a, b)
}

/** 1 + d₁/(1 + d₂/(1 + …)), with the coefficients of DLMF 8.17.22. */
function continuedFraction(x: number, a: number, b: number): number {
  const tiny = Number.MIN_VALUE * 2 ** 60
  let value = 1
  let c = 1
  let d = 0
  for (let j = 1; j < 100000; j++) {
    const m = j >> 1
    const coefficient =
      j % 2 === 0 ? (m * (b - m) * x) / ((a + j - 1) * (a + j)) : (-(a + m) * (a + b + m) * x) / ((a + j - 1) * (a + j))
    d = 1 / (1 + coefficient * d || tiny)
    c = 1 + coefficient / c || tiny
    value *= c * d
    if (Math.abs(c * d - 1) < 1e-15) break
  }
  return value
}
