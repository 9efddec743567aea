/** For tests and benchmarks: a cut model must equal the uncut one whose readers of removed channels are zero. */

import { rng, shuffled, type Tensor } from '../../sdk/core/index.ts'
import type { Analysis, Group, Kept } from './types.ts'

/** About 70 % of the units of each group, at random. */
export function randomKept({ groups }: Pick<Analysis, 'groups'>, seed: number, share = 0.7): Kept {
  const keep = ({ units }: Group, i: number): number[] =>
    shuffled(units, rng(seed, i).u32())
      .slice(0, Math.max(1, Math.round(share * units)))
      .sort((a, b) => a - b)
  return new Map(groups.map((group, i) => [group.name, keep(group, i)]))
}

/** The largest difference of two tensors, in units of the larger of 1 and the largest element. */
export function errorBetween(actual: Tensor, expected: Tensor): number {
  if (actual.shape.join() !== expected.shape.join()) return Number.POSITIVE_INFINITY
  let [error, scale] = [0, 1]
  for (let i = 0; i < expected.data.length; i++) {
    const value = Number(expected.data[i])
    const difference = Math.abs(Number(actual.data[i]) - value)
    error = Math.max(error, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference)
    scale = Math.max(scale, Math.abs(value))
  }
  return error / scale
}
