/** What pruning to half of the multiply-accumulates gives in time, and how long it takes. */

import { signatureOf } from '../../../sdk/onnx/index.ts'
import { measureLatency } from '../../../sdk/prune/latency.ts'
import { prune } from '../../../sdk/prune/prune-file.ts'
import { syntheticSamples } from '../../../sdk/prune/synthetic/index.ts'
import { node } from '../../../targets/node.ts'
import type { Halved } from './accuracies.ts'

export interface SpeedRow {
  readonly model: string
  /** Milliseconds of one run on one thread, in the median, and the median ratio of neighbours. */
  readonly before: number
  readonly after: number
  readonly ratio: number
}

/** Times halved models beside the whole ones, in turns. */
export async function measureSpeed(name: string, whole: Uint8Array, { file }: Halved): Promise<SpeedRow> {
  const [input] = signatureOf(whole).inputs
  const feeds = { [input.name]: await syntheticSamples(input, { count: 1 }).batch([0]) }
  const [before, after] = await measureLatency([whole, file], feeds, node({ threads: 1 }), { rounds: 120 })
  return { model: name, before: before.milliseconds, after: after.milliseconds, ratio: after.ratio }
}

export interface WholeRow {
  readonly model: string
  readonly parameters: number
  readonly samples: number
  readonly seconds: number
  readonly half: Halved
  /** Relative error of the outputs on the samples. */
  readonly error: number
}

/** Prunes a MobileNet to half, as `hardpack pack --prune flops=0.5` does without samples: packed and timed included. */
export async function measureWhole(model: string, whole: Uint8Array): Promise<WholeRow> {
  const { file, report } = await prune(whole, {
    budget: { kind: 'flops', remain: 0.5 },
    preprocess: { range: [0, 255] },
    name: model,
  })
  const { cost, samples, seconds, agreement } = report
  const parameters = cost.before.parameters
  return { model, parameters, samples, seconds, error: agreement.disagreement, half: { model, file } }
}
