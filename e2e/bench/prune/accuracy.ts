/** How many labelled samples a classifier is right about, and how often it agrees with another. */

import type { SampleSet } from '../../../sdk/pack/samples/index.ts'
import { node } from '../../../targets/node.ts'
import type { Session } from '../../../targets/types.ts'

const BATCH = 250

/** The best class of each sample, by the first output. */
export async function classesOf(model: Uint8Array, samples: SampleSet): Promise<Int32Array> {
  const session = await node({ threads: 1 }).create({ model })
  try {
    return await sessionClasses(session, samples)
  } finally {
    await session.close()
  }
}

async function sessionClasses(session: Session, samples: SampleSet): Promise<Int32Array> {
  const [{ name: input }] = session.inputs
  const [{ name: output }] = session.outputs
  const classes = new Int32Array(samples.count)
  for (let start = 0; start < samples.count; start += BATCH) {
    const indices = Array.from({ length: Math.min(BATCH, samples.count - start) }, (_, i) => start + i)
    const { data, shape } = (await session.run({ [input]: await samples.batch(indices) }))[output]
    classes.set(bestOf(data as Float32Array, shape[1]), start)
  }
  return classes
}

/** The column of the largest number of each row. */
export function bestOf(scores: ArrayLike<number>, columns: number): Int32Array {
  return Int32Array.from({ length: scores.length / columns }, (_, row) => {
    let best = 0
    for (let i = 1; i < columns; i++) if (scores[row * columns + i] > scores[row * columns + best]) best = i
    return best
  })
}

/** The share of positions, of those that are asked for, at which two lists agree, in percent. */
export function agreement(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  counts: (index: number) => boolean = () => true,
): number {
  let same = 0
  let of = 0
  for (let i = 0; i < a.length; i++) {
    if (!counts(i)) continue
    of++
    if (a[i] === b[i]) same++
  }
  return (100 * same) / of
}

/** The area under the ROC curve of a score, in percent: the chance that a positive has more than a negative. */
export function areaOf(scores: ArrayLike<number>, isPositive: (index: number) => boolean): number {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[a] - scores[b])
  let positives = 0
  let ranks = 0
  for (let at = 0; at < order.length; ) {
    let end = at
    while (end < order.length && scores[order[end]] === scores[order[at]]) end++
    for (let i = at; i < end; i++) {
      if (!isPositive(order[i])) continue
      positives++
      ranks += (at + end + 1) / 2
    }
    at = end
  }
  const negatives = order.length - positives
  return (100 * (ranks - (positives * (positives + 1)) / 2)) / (positives * negatives)
}
