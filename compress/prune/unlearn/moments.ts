/** Moments of two sets of samples as those of one, and with other targets. */

import type { CrossMoments, CrossStatistics } from '../statistics.ts'

/** The moments of a mixture: what `b` has counts `weight` times what `a` has. */
export function mixed(a: CrossStatistics, b: CrossStatistics, weight: number): CrossStatistics {
  const mean = (of: Float64Array, other: Float64Array): Float64Array =>
    of.map((value, i) => (value + weight * other[i]) / (1 + weight))
  return {
    ...a,
    rows: a.rows + b.rows,
    mean: mean(a.mean, b.mean),
    gram: mean(a.gram, b.gram),
    targetMean: mean(a.targetMean, b.targetMean),
    targetPower: mean(a.targetPower, b.targetPower),
    cross: mean(a.cross, b.cross),
  }
}

/** The moments where every target is lower by γ v; for a layer of one convolution group. */
export function lowered(moments: CrossStatistics, v: Float64Array, gamma: number): CrossStatistics {
  const { mean, targetMean, targetPower, cross } = moments
  return {
    ...moments,
    targetMean: targetMean.map((value, i) => value - gamma * v[i]),
    targetPower: targetPower.map((value, i) => value - 2 * gamma * v[i] * targetMean[i] + (gamma * v[i]) ** 2),
    cross: cross.map((value, i) => value - gamma * v[Math.floor(i / mean.length)] * mean[i % mean.length]),
  }
}

/** Two moments made one, of all samples and of each half of them. */
export function mixedMoments(
  a: CrossMoments,
  b: CrossMoments,
  mix: (a: CrossStatistics, b: CrossStatistics) => CrossStatistics,
): CrossMoments {
  const whole = mix(a.whole, b.whole)
  if (!a.halves || !b.halves) return { whole }
  return { whole, halves: [mix(a.halves[0], b.halves[0]), mix(a.halves[1], b.halves[1])] }
}
