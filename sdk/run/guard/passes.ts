/**
 * The passes of a guard: the model with its cheap scores, then, for the samples that need them, the costly detectors. What
 * comes out is one score for each detector and sample; NaN where a detector had no need to run.
 */

import { LOGITS_INPUT } from '../../../detectors/tier-names.ts'
import type { Feeds, Session } from '../../../targets/types.ts'
import type { GuardEntry } from '../../container/manifest.ts'
import { byteLength, elementCount, HardpackError, messageOf, type Tensor } from '../../core/index.ts'

export interface Scored {
  /** Of the first pass: those of the model, and those of the guard. */
  readonly outputs: Record<string, Tensor>
  readonly samples: number
  /** One list for each detector, a score for each sample. */
  readonly scores: readonly Float64Array[]
  /** Why a tier has no scores, where it failed. */
  readonly failure?: string
}

/** Says which samples a tier has to see, by the scores of the tiers before it. */
export type Needs = (tier: number, scores: readonly Float64Array[], sample: number) => boolean

/**
 * Runs the passes on one batch.
 *
 * @param feeds of the first pass; all but `own` are those of the model
 * @throws HardpackError as `session.run` does for the first pass; a later one that fails is told in `failure`.
 */
export async function runPasses(
  { tiers, detectors, logits }: Pick<GuardEntry, 'tiers' | 'detectors' | 'logits'>,
  sessions: readonly Session[],
  feeds: Feeds,
  own: Feeds,
  needs: Needs,
  signal?: AbortSignal,
): Promise<Scored> {
  const outputs = await sessions[0].run({ ...feeds, ...own }, { signal })
  const samples = elementCount(outputs[detectors.find(({ tier }) => tier === 0)!.score].shape)
  const scores = detectors.map(() => new Float64Array(samples).fill(Number.NaN))
  const take = (tier: number, results: Readonly<Record<string, Tensor>>, rows: readonly number[]): void => {
    for (const [index, detector] of detectors.entries()) {
      if (detector.tier !== tier) continue
      const { data } = results[detector.score]
      for (const [k, row] of rows.entries()) scores[index][row] = Number(data[k])
    }
  }
  const all = Array.from({ length: samples }, (_, i) => i)
  take(0, outputs, all)
  for (const tier of tiers.keys()) {
    if (tier === 0) continue
    const rows = all.filter((sample) => needs(tier, scores, sample))
    if (rows.length === 0) continue
    try {
      const some = rowsOf({ ...feeds, [LOGITS_INPUT]: outputs[logits] }, rows, samples)
      take(tier, await sessions[tier].run(some, { signal }), rows)
    } catch (error) {
      if (error instanceof HardpackError && PASSED_ON.has(error.code)) throw error
      return { outputs, samples, scores, failure: `Tier ${tier} of the guard failed: ${messageOf(error)}` }
    }
  }
  return { outputs, samples, scores }
}

/** Errors of the call, not of the tier. */
const PASSED_ON: ReadonlySet<string> = new Set(['ABORTED', 'BUSY', 'CLOSED'])

/** Some rows of a batch. */
function rowsOf(feeds: Feeds, rows: readonly number[], samples: number): Record<string, Tensor> {
  if (rows.length === samples) return { ...feeds }
  return Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => {
      const { dtype, shape, data } = tensor
      if (shape[0] !== samples) return [name, tensor]
      const row = byteLength(dtype, elementCount(shape) / samples) / data.BYTES_PER_ELEMENT
      const some = data.slice(0, row * rows.length)
      for (const [k, from] of rows.entries()) some.set(data.subarray(row * from, row * (from + 1)) as never, row * k)
      return [name, { dtype, shape: [rows.length, ...shape.slice(1)], data: some }]
    }),
  )
}
