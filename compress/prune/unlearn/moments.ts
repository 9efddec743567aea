/** Moments of two sets of samples as those of one, and with other targets. */

import type { CrossMoments, CrossStatistics } from '../statistics.ts'

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
