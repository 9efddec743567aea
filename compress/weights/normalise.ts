/** Learnt latents into the numbers of a file: from 0 up, and within the classes that there are. */

import { DEAD_CLASSES, SATURATED } from './header.ts'
import { DEAD, type Fit, type Grid } from './scales.ts'

/** The range of some numbers. */
const rangeOf = (values: Int16Array): [number, number] =>
  values.reduce<[number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [values[0], values[0]],
  )

/**
 * Moves the latents of all segments of integers into the range of a class, together, as a class is a table: columns and inner positions
 * that lie far below the others are raised, then rows.
 */
export function normaliseIntegers(fits: readonly Fit[], grid: Grid): void {
  const most = grid.classes - 1
  let low = most
  let high = 0
  for (const { latents } of fits) {
    let pattern = 0
    for (const [axis, latent] of latents.slice(1).entries()) {
      const [least, top] = rangeOf(latent)
      const from = Math.max(least, top - (axis === 0 ? most >> 1 : most - pattern))
      for (let i = 0; i < latent.length; i++) latent[i] = Math.max(0, latent[i] - from)
      for (let r = 0; r < latents[0].length; r++) latents[0][r] += from
      pattern += top - from
    }
    const [least, top] = rangeOf(latents[0])
    low = Math.min(low, least)
    high = Math.max(high, top + pattern)
  }
  const shift = Math.min(-low, most - high)
  for (const { latents } of fits) {
    const [rows, columns, inner] = latents
    const room = most - rangeOf(columns)[1] - rangeOf(inner)[1]
    for (let r = 0; r < rows.length; r++) rows[r] = Math.max(0, Math.min(room, rows[r] + shift))
  }
}

/** Moves the latents of differences to 0 and up; what is returned has to be added to their classes. */
export function normaliseDifferences({ latents }: Fit): number {
  return latents.reduce((sum, latent) => {
    const [least] = rangeOf(latent)
    for (let i = 0; i < latent.length; i++) latent[i] -= least
    return sum + least
  }, 0)
}

/** Of floats, moves each axis' least value to the rows, and all into the range of a class. */
export function normaliseFloats(fit: Fit, grid: Grid): void {
  const [a, b, d] = fit.latents
  const most = grid.classes - 1
  const settle = (latent: Int16Array, room: number): number => {
    const living = latent.filter((value) => value < DEAD)
    const least = living.reduce((x, y) => Math.min(x, y), living[0] ?? 0)
    let widest = 0
    for (let i = 0; i < latent.length; i++) {
      if (latent[i] >= DEAD) {
        latent[i] = Math.min(SATURATED, Math.max(DEAD_CLASSES, latent[i] - DEAD - least))
        continue
      }
      latent[i] = Math.min(latent[i] - least, room)
      widest = Math.max(widest, latent[i])
    }
    for (let r = 0; r < a.length; r++) if (a[r] < DEAD) a[r] += least
    return widest
  }
  const columns = settle(b, most >> 1)
  const pattern = columns + settle(d, most - columns)
  for (let r = 0; r < a.length; r++) a[r] = a[r] >= DEAD ? SATURATED : Math.max(0, Math.min(a[r], most - pattern))
}
