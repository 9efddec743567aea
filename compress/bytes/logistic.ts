/**
 * The logistic function and its inverse in fixed point, from a table of integers by integer interpolation, so that every
 * engine has the same values. Domain: 256 is 1.0, from -12 to 12; probabilities are of 65536.
 */

/** 65536 / (1 + e^-x) for x = -12, -11.5, … 12, rounded, and kept from 1 to 65535. */
const SQUASHED = [
  1, 1, 1, 2, 3, 5, 8, 13, 22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768,
  40793, 47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514, 65523,
  65528, 65531, 65533, 65534, 65535, 65535, 65535,
]

/** The largest logit, 12.0 less one step. */
export const MAX_LOGIT = 3071

/** Probability of a logit from -3071 to 3071. */
export function squash(logit: number): number {
  const at = logit + 3072
  const i = at >> 7
  const fraction = at & 127
  return (SQUASHED[i] * (128 - fraction) + SQUASHED[i + 1] * fraction + 64) >> 7
}

/** Logit by probability / 16: 4096 entries. */
export function stretchTable(): Int16Array {
  const table = new Int16Array(4096)
  let next = 0
  for (let logit = -MAX_LOGIT; logit <= MAX_LOGIT; logit++) {
    const most = squash(logit) >> 4
    while (next <= most) table[next++] = logit
  }
  table.fill(MAX_LOGIT, next)
  return table
}
