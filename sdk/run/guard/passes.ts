/**
 * The passes of a guard: the model with its cheap scores, then, for the samples that need them, the costly detectors. What
 * comes out is one score for each detector and sample; NaN where a detector had no need to run.
 */

import { LOGITS_INPUT } from '../../../detectors/tier-names.ts'
import type { Feeds, Session } from '../../../targets/types.ts'
import type { GuardDetector, GuardEntry, ValueEntry } from '../../container/manifest.ts'
import { elementCount, HardpackError, messageOf, type Tensor } from '../../core/index.ts'
import { rowsOf } from '../rows.ts'

export interface Scored {
  /** Of the first pass: those of the model, and those of the guard. */
  readonly outputs: Record<string, Tensor>
  readonly samples: number
  /** One list for each detector, a score for each sample. */
  readonly scores: readonly Float64Array[]
  /** Why a tier has no scores, where one failed; samples that need none of it can be judged all the same. */
  readonly failure?: string
}

/** Says which samples a tier has to see, by the scores of the tiers before it. */
export type Needs = (tier: number, scores: readonly Float64Array[], sample: number) => boolean

type PassesEntry = Pick<GuardEntry, 'tiers' | 'detectors' | 'logits'>

/** What the first pass has beside the others: inputs that are the guard's own, and outputs of the model. */
export interface FirstPass {
  readonly feeds: Feeds
  /** As `firstOutputs` gives them. */
  readonly outputs: readonly string[]
}

/** The outputs to ask of the first pass. Logits are handed over where a later pass takes them: that costs time. */
export function firstOutputs({ tiers, detectors, logits }: PassesEntry, outputs: readonly ValueEntry[]): string[] {
  const scores = detectors.flatMap(({ tier, score }) => (tier === 0 ? [score] : []))
  return [...new Set([...outputs.map(({ name }) => name), ...scores, ...(tiers.length > 1 ? [logits] : [])])]
}

/**
 * Runs the passes on one batch.
 *
 * @param feeds of the model
 * @throws HardpackError as `session.run` does for the first pass; a later one that fails is told in `failure`.
 */
export async function runPasses(
  { tiers, detectors, logits }: PassesEntry,
  sessions: readonly Session[],
  feeds: Feeds,
  first: FirstPass,
  needs: Needs,
  signal?: AbortSignal,
): Promise<Scored> {
  const outputs = await sessions[0].run({ ...feeds, ...first.feeds }, { outputs: first.outputs, signal })
  const { score } = detectors.find(({ tier }) => tier === 0) as GuardDetector
  const samples = elementCount(outputs[score].shape)
  const scores = detectors.map(() => new Float64Array(samples).fill(Number.NaN))
  /** @param ran the samples that the results are of, in order */
  const take = (
    tier: number,
    results: Readonly<Record<string, Tensor>>,
    ran: readonly number[],
    wanted = ran,
  ): void => {
    for (const [index, detector] of detectors.entries()) {
      if (detector.tier !== tier) continue
      const { data } = results[detector.score]
      for (const sample of wanted) scores[index][sample] = Number(data[ran.indexOf(sample)])
    }
  }
  const all = Array.from({ length: samples }, (_, i) => i)
  take(0, outputs, all)
  let failure: string | undefined
  for (const tier of tiers.keys()) {
    if (tier === 0) continue
    const wanted = all.filter((sample) => needs(tier, scores, sample))
    if (wanted.length === 0) continue
    try {
      const whole = { ...feeds, [LOGITS_INPUT]: outputs[logits] }
      // A graph of a fixed batch takes all samples or none.
      const ran = isFixed(sessions[tier], whole) ? all : wanted
      take(tier, await sessions[tier].run(someOf(whole, ran, samples), { signal }), ran, wanted)
    } catch (error) {
      if (error instanceof HardpackError && PASSED_ON.has(error.code)) throw error
      failure ??= `Tier ${tier} of the guard failed: ${messageOf(error)}`
    }
  }
  return { outputs, samples, scores, failure }
}

/** Errors of the call, not of the tier. */
const PASSED_ON: ReadonlySet<string> = new Set(['ABORTED', 'BUSY', 'CLOSED'])

function isFixed({ inputs }: Session, feeds: Feeds): boolean {
  return inputs.some(({ name, shape }) => name in feeds && typeof shape[0] === 'number')
}

/** Some samples of a batch. */
function someOf(feeds: Feeds, rows: readonly number[], samples: number): Feeds {
  if (rows.length === samples) return feeds
  return Object.fromEntries(
    Object.entries(feeds).map(([name, tensor]) => [name, tensor.shape[0] === samples ? rowsOf(tensor, rows) : tensor]),
  )
}
