/** How many samples a step takes: as many as its moments need, and more while they cost little. */

import { shuffled } from '../../sdk/core/index.ts'
import { unfoldingOf } from './statistics.ts'
import type { Analysis, Contraction } from './types.ts'

/** So many samples, whatever they cost, because the positions of one sample are alike. */
const FEWEST = 64

/** So many columns for each number in a column (measured: below 10 a refit fits noise). */
const COLUMNS = 10

export interface Effort {
  /** Multiply-accumulates of one sample. */
  readonly macs: number
  /** Multiply-accumulates that the step may take, where fewer samples than that gives are enough. */
  readonly budget: number
  readonly seed: number
}

/**
 * Which of the samples the moments of some contractions are taken from.
 *
 * @param count how many samples there are
 * @returns their numbers, in an order drawn from the seed: a folder is often sorted by class
 */
export function indicesFor(
  analysis: Pick<Analysis, 'model' | 'observed'>,
  contractions: readonly Contraction[],
  count: number,
  { macs, budget, seed }: Effort,
): number[] {
  const needed = contractions.map((contraction) => {
    const { size, positions } = unfoldingOf(analysis, contraction)
    return Math.ceil((COLUMNS * size) / positions)
  })
  return shuffled(count, seed).slice(0, Math.max(FEWEST, ...needed, Math.floor(budget / macs)))
}
