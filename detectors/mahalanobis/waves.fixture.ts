/** Features for tests, by a formula that the Python reference of the golden numbers used too. */

import type { Features } from '../features.ts'

export function featuresOf(samples: readonly (readonly number[])[]): Features {
  return { rows: samples.length, columns: samples[0].length, data: Float32Array.from(samples.flat()) }
}

const table = (rows: number, value: (i: number, j: number) => number): number[][] =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: 5 }, (_, j) => value(i, j)))

/** 60 samples of 5 numbers, of classes 0, 1, 2 in turn. */
export const waves: Features = featuresOf(
  table(60, (i, j) => Math.sin(i * (j + 1) * 1.7 + j) + (j < 2 ? (i % 3) * 0.5 : 0) + 0.3 * Math.cos(i * 0.9)),
)

export const waveLabels = { classes: Array.from({ length: 60 }, (_, i) => i % 3), names: ['a', 'b', 'c'] }

/** 20 samples of a fourth class. */
export const fourthClass: Features = featuresOf(
  table(20, (i, j) => Math.cos(i * (j + 2) * 1.3 + j) + 2 + (j === 4 ? 1 : 0)),
)

export const queries: Features = featuresOf([
  [0.1, 0.2, 0.3, 0.4, 0.5],
  [3, -1, 2, 0, 1],
  [-2, 2, 0.5, -0.5, 1],
])
