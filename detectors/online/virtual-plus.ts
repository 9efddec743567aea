/**
 * Which k of n streamed frames to attack, decided at each frame for good: the online threat model of Mladenovic, Bose,
 * Berard, Hamilton, Lacoste-Julien, Vincent, Gidel, "Online Adversarial Attacks", ICLR 2022 (a k-secretary problem).
 *
 * Both algorithms observe t frames, then compare each frame with the k most valuable ones so far (the reference set):
 * - Virtual (Babaioff, Immorlica, Kempe, Kleinberg, APPROX 2007) picks a frame that enters the set in the place of one that was
 *   only observed;
 * - Virtual+ picks every frame that enters the set, until k are picked. It is the best single-threshold algorithm for k < 5.
 *
 * The competitive ratio is the expected share of the k most valuable frames that are picked, over all orders. Both are
 * exact here for finite n: whether frame i enters the set has probability k/i and does not depend on what came before, so
 *   Virtual:  C = 1/n Σ_{i=t+1..n} t/(i−1)
 *   Virtual+: C = 1/n Σ_{i=t+1..n} P(fewer than k of the frames t+1..i−1 entered),
 * which for n → ∞, t = αn is the paper's closed form.
 */

import { HardpackError } from '../../sdk/core/index.ts'

export type OnlineRule = 'virtual' | 'virtual+'

export interface Observation {
  /** How many frames to observe before the first may be picked. */
  readonly observe: number
  /** The competitive ratio with it. */
  readonly ratio: number
}

/**
 * A picker: told the value of each frame in turn, it says whether to attack that one. It picks at most k.
 *
 * @param n frames of the stream
 * @param k frames to pick, 1 to n
 * @param rule `virtual+` unless said
 * @param observe t; the best one unless said. Virtual needs at least k
 * @returns for each frame in turn, given its value (such as the loss that the attack reaches on it)
 * @throws HardpackError `INVALID_ARGUMENT` for numbers that do not fit, and, by the picker, for NaN.
 * @example
 * const attack = onlinePicker(1000, 10)
 * for (const frame of stream) if (attack(lossOf(frame))) send(perturb(frame))
 */
export function onlinePicker(
  n: number,
  k: number,
  rule: OnlineRule = 'virtual+',
  observe: number = bestObservation(n, k, rule).observe,
): (value: number) => boolean {
  check(n, k, rule, observe)
  /** The k most valuable frames so far, descending. */
  const reference: { readonly value: number; readonly frame: number }[] = []
  let frame = 0
  let picked = 0
  return (value) => {
    if (Number.isNaN(value)) {
      throw new HardpackError('INVALID_ARGUMENT', `The value of frame ${frame} expected a number, got NaN.`)
    }
    frame++
    const last = reference.length === k ? reference[k - 1] : undefined
    if (last !== undefined && !(value > last.value)) return false
    if (last !== undefined) reference.pop()
    const at = reference.findIndex((other) => value > other.value)
    reference.splice(at < 0 ? reference.length : at, 0, { value, frame })
    if (frame <= observe || picked === k) return false
    if (rule === 'virtual' && last !== undefined && last.frame > observe) return false
    picked++
    return true
  }
}

/**
 * The frames of a whole stream that an online attacker picks, in ascending order; fewer than k where values fall.
 *
 * @param values one a frame
 * @throws HardpackError `INVALID_ARGUMENT` as `onlinePicker`.
 * @example
 * pickOnline([3, 1, 4, 1, 5], 1, 'virtual+', 2) // [2]: 4 is the first above 3; 5 comes too late
 */
export function pickOnline(values: ArrayLike<number>, k: number, rule?: OnlineRule, observe?: number): number[] {
  const pick = onlinePicker(values.length, k, rule, observe)
  return Array.from(values, (value, frame) => (pick(value) ? frame : -1)).filter((frame) => frame >= 0)
}

/**
 * The competitive ratio: the expected share of the k most valuable of n frames that are picked when all orders are equally
 * likely and no two values are equal.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for numbers that do not fit.
 * @example
 * competitiveRatio(10000, 2, 'virtual+', 3824) // 0.4274…
 */
export function competitiveRatio(n: number, k: number, rule: OnlineRule, observe: number): number {
  check(n, k, rule, observe)
  let sum = 0
  if (rule === 'virtual') {
    for (let i = observe + 1; i <= n; i++) sum += observe / (i - 1)
    return sum / n
  }
  /** entered[j] = P(j of the frames observe + 1..i − 1 entered), for j < k. */
  const entered = new Float64Array(k)
  entered[0] = 1
  let unspent = 1
  for (let i = observe + 1; i <= n; i++) {
    sum += unspent
    const enters = Math.min(1, k / i)
    unspent -= entered[k - 1] * enters
    for (let j = k - 1; j > 0; j--) entered[j] += (entered[j - 1] - entered[j]) * enters
    entered[0] *= 1 - enters
  }
  return sum / n
}

/**
 * How many frames are best observed, and the ratio that this gives.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for numbers that do not fit.
 * @example
 * bestObservation(1000, 1) // { observe: 368, ratio: 0.3682 }: n/e, the classic secretary
 */
export function bestObservation(n: number, k: number, rule: OnlineRule = 'virtual+'): Observation {
  let low = rule === 'virtual' ? k : 0
  check(n, k, rule, low)
  let high = n
  // The ratio rises up to the best t and falls from there on.
  while (low < high) {
    const middle = (low + high) >> 1
    if (competitiveRatio(n, k, rule, middle) < competitiveRatio(n, k, rule, middle + 1)) low = middle + 1
    else high = middle
  }
  return { observe: low, ratio: competitiveRatio(n, k, rule, low) }
}

function check(n: number, k: number, rule: OnlineRule, observe: number): void {
  const refuse = (what: string, wanted: string, got: number): never => {
    throw new HardpackError('INVALID_ARGUMENT', `${what} expected ${wanted}, got ${got}.`)
  }
  if (!(Number.isSafeInteger(n) && n >= 1)) refuse('A stream', 'at least one frame', n)
  if (!(Number.isSafeInteger(k) && k >= 1 && k <= n)) refuse('Frames to pick', `1 to ${n}`, k)
  const least = rule === 'virtual' ? k : 0
  if (!(Number.isSafeInteger(observe) && observe >= least && observe <= n)) {
    refuse('Frames to observe', `${least} to ${n}`, observe)
  }
}
