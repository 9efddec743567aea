/** The pictures of a report: what the model saw of each input that stands out, as PNG in `data:` URIs. Node only. */

import { type CallOptions, throwIfAborted } from '../core/index.ts'
import { pngOf } from '../pack/samples/picture.ts'
import type { SampleSet } from '../pack/samples/sample-set.ts'
import type { EvaluatedSets } from './evaluate.ts'
import type { Evaluation, SetSummary } from './evaluation.ts'

export interface ReportPicture {
  /** A `data:` URI. */
  readonly source: string
  readonly width: number
  readonly height: number
}

/** By name of the set and number of the sample, as `pictureKey` writes them. */
export type ReportPictures = Readonly<Record<string, ReportPicture>>

export const pictureKey = (set: string, index: number): string => `${set}/${index}`

/** Twice what the page shows, for screens with finer pixels. */
const LONGEST_SIDE = 172

/**
 * The pictures of all examples of an evaluation.
 *
 * @param sets those that were evaluated
 * @returns none for samples that are no pictures
 * @throws HardpackError `ABORTED`, and what the sets throw.
 * @example
 * const page = evaluationReport(evaluation, await evaluationPictures(evaluation, sets))
 */
export async function evaluationPictures(
  evaluation: Evaluation,
  { clean, ood = {}, attacked = {} }: EvaluatedSets,
  { signal }: CallOptions = {},
): Promise<ReportPictures> {
  const pictures: Record<string, ReportPicture> = {}
  const add = async (summary: SetSummary, set: SampleSet | undefined, indices: readonly number[]): Promise<void> => {
    for (const index of set ? new Set(indices) : []) {
      throwIfAborted(signal)
      const picture = await set?.picture(index)
      if (!picture) continue
      const png = Buffer.from(pngOf(picture, LONGEST_SIDE)).toString('base64')
      const { width, height } = picture
      pictures[pictureKey(summary.name, index)] = { source: `data:image/png;base64,${png}`, width, height }
    }
  }
  const numbers = (examples: readonly { index: number }[]): number[] => examples.map(({ index }) => index)
  await add(evaluation.clean, clean, numbers(evaluation.clean.suspicious))
  for (const result of evaluation.sets) {
    const set = result.kind === 'ood' ? ood[result.name] : attacked[result.name]
    await add(result, set, numbers([...result.suspicious, ...result.missed]))
  }
  return pictures
}
