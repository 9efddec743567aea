/** How many samples a step takes: as many as its moments need, and more while they cost little. */

import { shuffled } from '../../sdk/core/index.ts'
import type { Analysis, Contraction } from './types.ts'
import { unfoldingOf } from './unfolding.ts'

/** So many samples at least, because the positions of one sample are alike. */
const FEWEST = 64

/** So many columns at least for each number in a column: with fewer, a refit fits noise. */
const COLUMNS = 10

/** Samples that the moments of some contractions need. */
function needed(analysis: Pick<Analysis, 'model' | 'observed'>, contractions: readonly Contraction[]): number {
  const each = contractions.map((contraction) => {
    const { size, positions } = unfoldingOf(analysis, contraction)
    return Math.ceil((COLUMNS * size) / positions)
  })
  return Math.max(FEWEST, ...each)
}

/**
 * Which samples the moments of each pass are taken from: those that it needs, times what the budget allows for all passes.
 *
 * @param passes the contractions of each pass
 * @param count how many samples there are
 * @param budget in samples, of all passes; exceeded where the least that they need is more
 * @returns of each pass the numbers of its samples, in an order drawn from the seed: a folder is often sorted by class
 * @example
 * const [indices] = samplesFor(analysis, [analysis.contractions], 500, 10_000, 0)
 */
export function samplesFor(
  analysis: Pick<Analysis, 'model' | 'observed'>,
  passes: readonly (readonly Contraction[])[],
  count: number,
  budget: number,
  seed: number,
): number[][] {
  const least = passes.map((contractions) => needed(analysis, contractions))
  const total = least.reduce((sum, samples) => sum + samples, 0)
  const times = Math.max(1, budget / total)
  const order = shuffled(count, seed)
  return least.map((samples) => order.slice(0, Math.ceil(times * samples)))
}
