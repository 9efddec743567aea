/**
 * One number from the p-values of several detectors. Detectors look at the same input, so their p-values depend on one
 * another, and Fisher's χ² table does not hold for them (9 to 14 % false alarms at a nominal 5 %). Simes and Cauchy bear most
 * dependence as they are, and `calibrate` makes them exact under any: there they are statistics, not yet p-values.
 */

export type Combination = 'simes' | 'cauchy'

/**
 * Simes' combination (Biometrika 1986): min over i of m·p₍ᵢ₎/i. The decision that one very small p-value or several rather
 * small ones give.
 *
 * @param p p-values in [0, 1], in any order; at least one
 * @returns a number in [0, 1], small = strange
 * @example
 * simes([0.01, 0.5]) // 0.02
 */
export function simes(p: ArrayLike<number>): number {
  const sorted = new Float64Array(p).sort()
  let least = 1
  for (let i = 0; i < sorted.length; i++) least = Math.min(least, (sorted.length * sorted[i]) / (i + 1))
  return least
}

/**
 * Above this a p-value counts as this: a single 1 would otherwise be −∞ and hide any alarm of the others (truncated Cauchy:
 * Fang, Chang, Park, Tseng, Statistica Sinica 2023).
 */
const LARGEST_P = 0.99

/**
 * The Cauchy combination (Liu, Xie, JASA 2020, eq. 1, equal weights): T = mean of tan((½ − p)π), and its tail
 * ½ − arctan(T)/π. Written with cot and arccot, so that a p-value of 1e-300 keeps all its digits.
 *
 * @param p p-values in [0, 1], in any order; at least one
 * @returns a number in [0, 1], small = strange
 * @example
 * cauchy([0.01, 0.5]) // 0.01998…
 */
export function cauchy(p: ArrayLike<number>): number {
  let sum = 0
  for (let i = 0; i < p.length; i++) sum += 1 / Math.tan(Math.PI * Math.min(p[i], LARGEST_P))
  const t = sum / p.length
  return t > 0 ? Math.atan(1 / t) / Math.PI : 0.5 - Math.atan(t) / Math.PI
}

/** Combines p-values by the rule of that name. */
export function combine(rule: Combination, p: ArrayLike<number>): number {
  return rule === 'simes' ? simes(p) : cauchy(p)
}
