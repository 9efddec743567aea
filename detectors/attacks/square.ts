/**
 * The Square attack, L∞ (Andriushchenko, Croce, Flammarion, Hein, "Square Attack: a query-efficient black-box adversarial
 * attack via random search", ECCV 2020, algorithms 1 and 2): from vertical stripes of ±ε, random squares are set to ±ε a channel,
 * and kept where the objective rises. The squares shrink by the paper's schedule.
 */

import { HardpackError, rng } from '../../sdk/core/index.ts'
import { type AttackResult, type BoundedOptions, Campaign, checkCount, checkPositive, gather } from './campaign.ts'
import { margin, type Objective } from './objective.ts'
import type { Batch, Oracle } from './oracle.ts'

export interface SquareOptions extends BoundedOptions {
  /** Queries for an input, the first included: 1,000 unless told. An input that is led astray takes no more. */
  readonly queries?: number
  /** The part of the picture that the first square covers: 0.8 unless told. */
  readonly initialPart?: number
  /** Which axis of an input holds the channels; `first` unless told. */
  readonly channels?: 'first' | 'last'
  /** The margin unless told. */
  readonly objective?: Objective
}

/** The paper's schedule, in queries of 10,000: the part halves behind each. */
const HALVINGS = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000]

/** The side of the square of a query, of a picture of `area` cells. */
function sideAt(query: number, queries: number, initialPart: number, height: number, width: number): number {
  const at = (query / queries) * 10_000
  const part = initialPart / 2 ** HALVINGS.filter((halving) => at > halving).length
  return Math.max(1, Math.min(Math.round(Math.sqrt(part * height * width)), height - 1, width - 1))
}

/** Where element (channel, row, column) of an input lies. */
function layoutOf(shape: readonly number[], channels: 'first' | 'last') {
  if (shape.length > 3 || shape.length < 1) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `The square attack expected inputs of 1 to 3 axes, got [${shape.join(', ')}].`,
      { hint: 'Use spsa or boundary.' },
    )
  }
  if (shape.length < 3) {
    const [height, width] = shape.length === 2 ? shape : [1, shape[0]]
    return { depth: 1, height, width, at: (_: number, row: number, column: number) => row * width + column }
  }
  if (channels === 'first') {
    const [depth, height, width] = shape
    const at = (c: number, row: number, column: number): number => (c * height + row) * width + column
    return { depth, height, width, at }
  }
  const [height, width, depth] = shape
  return { depth, height, width, at: (c: number, row: number, column: number) => (row * width + column) * depth + c }
}

/**
 * Needs answers only, no gradients.
 *
 * @param images inputs, in the range that the options give
 * @param labels the labels to lead away from: true ones, or the model's own
 * @throws HardpackError `INVALID_ARGUMENT` for labels or inputs out of range; `ABORTED`
 * @example
 * await square(oracle, images, labels, { epsilon: 0.1, queries: 1000, range: { min: 0, max: 1 } })
 */
export async function square(
  oracle: Oracle,
  images: Batch,
  labels: ArrayLike<number>,
  {
    epsilon,
    queries = 1000,
    initialPart = 0.8,
    channels = 'first',
    objective = margin(oracle.classes),
    ...options
  }: SquareOptions,
): Promise<AttackResult> {
  checkPositive('an epsilon', epsilon)
  checkPositive('an initial part', initialPart)
  checkCount('queries', queries)
  const campaign = new Campaign('square', oracle, images, labels, objective, options)
  const { count, size } = campaign
  const { depth, height, width, at } = layoutOf(images.shape, channels)
  const random = campaign.all().map((i) => rng(campaign.seed, i))
  const sign = (i: number): number => (random[i].u32() & 1 ? epsilon : -epsilon)

  const best = images.data.slice()
  for (let i = 0; i < count; i++) {
    const row = best.subarray(i * size, (i + 1) * size)
    for (let c = 0; c < depth; c++) {
      for (let x = 0; x < width; x++) {
        const delta = sign(i)
        for (let y = 0; y < height; y++) row[at(c, y, x)] += delta
      }
    }
    campaign.project(best, epsilon, i)
  }
  const value = new Float64Array(count)
  let active = campaign.all()
  const first = await campaign.answers(best, active)
  for (const i of active) value[i] = campaign.value(first, i, i)
  active = active.filter((i) => !campaign.reached(first, i, i))

  for (let query = 1; query < queries && active.length > 0; query++) {
    campaign.report(query, queries)
    const side = sideAt(query, queries, initialPart, height, width)
    const tried = gather(best, active, size)
    for (const [j, i] of active.entries()) {
      const row = tried.subarray(j * size, (j + 1) * size)
      const image = campaign.image(i)
      const top = random[i].below(height - side + 1)
      const left = random[i].below(width - side + 1)
      for (let c = 0; c < depth; c++) {
        const delta = sign(i)
        for (let y = top; y < top + side; y++) {
          for (let x = left; x < left + side; x++) row[at(c, y, x)] = image[at(c, y, x)] + delta
        }
      }
      campaign.project(tried, epsilon, j, i)
    }
    const answers = await campaign.answers(tried, active)
    const done = new Set<number>()
    for (const [j, i] of active.entries()) {
      const now = campaign.value(answers, j, i)
      const reached = campaign.reached(answers, j, i)
      if (!(now > value[i]) && !reached) continue
      value[i] = now
      best.set(tried.subarray(j * size, (j + 1) * size), i * size)
      if (reached) done.add(i)
    }
    if (done.size > 0) active = active.filter((i) => !done.has(i))
  }
  campaign.report(queries, queries)
  return campaign.result(best)
}
