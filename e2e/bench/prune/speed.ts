/** What pruning to half of the multiply-accumulates gives in time, and how long it takes. */

import { prune } from '../../../compress/prune/index.ts'
import { readModel, signatureOf, writeModel } from '../../../sdk/onnx/index.ts'
import type { SampleSet } from '../../../sdk/pack/samples/index.ts'
import { measureLatency } from '../../../sdk/prune/latency.ts'
import { prune as pruneFile } from '../../../sdk/prune/prune-file.ts'
import { heldSamples } from '../../../sdk/prune/samples.ts'
import { syntheticSamples } from '../../../sdk/prune/synthetic/index.ts'
import { node } from '../../../targets/node.ts'
import type { Task } from './accuracies.ts'
import { execute } from './accuracy.ts'
import { CALIBRATION, SEED } from './data.ts'

export interface SpeedRow {
  readonly model: string
  /** Samples a run, and what numbers of channels are multiples of: the block of the processor's kernels. */
  readonly batch: number
  readonly align: number
  /** Milliseconds of one run on one thread, in the median, and the median ratio of neighbours. */
  readonly before: number
  readonly after: number
  readonly ratio: number
}

const BATCHES = [1, 16]
const ROUNDS = 120

/**
 * Prunes a model to half, and times it beside the whole one, in turns.
 *
 * @param align what numbers of channels are multiples of
 */
export async function measureSpeed({ model, file, calibrate }: Task, align: number): Promise<SpeedRow[]> {
  const [input] = signatureOf(file).inputs
  const held = await heldSamples(calibrate(SEED), input, { limit: CALIBRATION, seed: SEED })
  const half = await prune(readModel(file), held, execute, {
    budget: { kind: 'flops', remain: 0.5 },
    align,
    seed: SEED,
  })
  return timed({ model, align, files: [file, writeModel(half.model)] }, held)
}

async function timed(
  { model, align, files }: { model: string; align: number; files: readonly [Uint8Array, Uint8Array] },
  samples: Pick<SampleSet, 'batch'>,
): Promise<SpeedRow[]> {
  const [input] = signatureOf(files[0]).inputs
  const rows: SpeedRow[] = []
  for (const batch of input.shape[0] === 1 ? [1] : BATCHES) {
    const feeds = { [input.name]: await samples.batch(Array.from({ length: batch }, (_, i) => i)) }
    const [before, after] = await measureLatency(files, feeds, node({ threads: 1 }), { rounds: ROUNDS })
    rows.push({ model, batch, align, before: before.milliseconds, after: after.milliseconds, ratio: after.ratio })
  }
  return rows
}

export interface WholeRow {
  readonly model: string
  readonly parameters: number
  readonly samples: number
  readonly seconds: number
  /** Relative error of the outputs on the samples. */
  readonly error: number
}

/** Prunes a MobileNet to half, as `hardpack pack --prune flops=0.5 --align …` does without samples: packed and timed included. */
export async function measureWhole(
  model: string,
  whole: Uint8Array,
  align: number,
): Promise<WholeRow & { speeds: SpeedRow[] }> {
  const preprocess = { range: [0, 255] } as const
  const budget = { kind: 'flops', remain: 0.5 } as const
  const { file, report } = await pruneFile(whole, { budget, align, preprocess, name: model })
  const { cost, samples, seconds, agreement } = report
  const pictures = syntheticSamples(signatureOf(whole).inputs[0], { count: Math.max(...BATCHES), preprocess })
  return {
    model,
    parameters: cost.before.parameters,
    samples,
    seconds,
    error: agreement.disagreement,
    speeds: await timed({ model, align, files: [whole, file] }, pictures),
  }
}
