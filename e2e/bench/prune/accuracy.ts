/** How many labelled samples a classifier is right about, and how often it agrees with another. */

import type { Execute } from '../../../compress/prune/index.ts'
import { labelsOf } from '../../../detectors/class-probabilities.ts'
import { auroc } from '../../../detectors/metrics/index.ts'
import { runSamples } from '../../../sdk/pack/guard/samples.ts'
import type { SampleSet } from '../../../sdk/pack/samples/index.ts'
import { fittingTarget } from '../../../sdk/prune/execute.ts'
import { node } from '../../../targets/node.ts'

/** Runs variants of a model as pruning a file does. */
export const execute: Execute = (model, options) => fittingTarget().create({ model }, options)

/** Rows of values of a model, for all samples in order. */
export async function rowsOver(model: Uint8Array, samples: SampleSet, output?: string) {
  const session = await node({ threads: 1 }).create({ model })
  try {
    const [{ name: input }] = session.inputs
    const wanted = output ?? session.outputs[0].name
    const all = Array.from({ length: samples.count }, (_, i) => i)
    const { columns, data } = (await runSamples(session, input, samples, all, [wanted], { stage: '' }))[wanted]
    return { rows: samples.count, columns, data }
  } finally {
    await session.close()
  }
}

/** The best class of each sample, by the first output. */
export async function classesOf(model: Uint8Array, samples: SampleSet): Promise<Int32Array> {
  return Int32Array.from(labelsOf(await rowsOver(model, samples)))
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
  const of = (wanted: boolean): number[] => Array.from(scores).filter((_, i) => isPositive(i) === wanted)
  return 100 * auroc(of(false), of(true)).auroc
}
