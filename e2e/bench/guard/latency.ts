/**
 * What the default guard costs: the same model packed with and without it, run in turns on one thread. The samples that it is
 * fitted on are photographs with noise: here only time counts.
 */

import { join } from 'node:path'
import { median } from '../../../sdk/core/index.ts'
import { changedSamples } from '../../../sdk/guard/changes.ts'
import { type Model, open } from '../../../sdk/node.ts'
import { signatureOf } from '../../../sdk/onnx/index.ts'
import { pack } from '../../../sdk/pack/pack.ts'
import { openSamples, type Preprocess, type SampleSet } from '../../../sdk/pack/samples/index.ts'
import { interleaved } from '../../../sdk/prune/latency.ts'
import { node } from '../../../targets/node.ts'
import { dataFolder } from '../environment.ts'
import type { GuardData } from './data.ts'

const ROUNDS = 100
const WARM_UP = 15
const SAMPLES = 400
/** Pairs of sessions, opened in turns: where a session's weights come to lie in memory makes 2 % by itself. */
const PAIRS = 4

export interface LatencyRow {
  readonly model: string
  /** Milliseconds of one run, in the median, without and with the guard. */
  readonly plain: number
  readonly guarded: number
  /** Percent that the guard adds: the median of the ratios of neighbours. */
  readonly added: number
  readonly bytes: { readonly plain: number; readonly guarded: number }
  readonly taps: string
}

/** Photographs, each with another noise. */
async function photographs(model: Uint8Array, preprocess: Preprocess): Promise<SampleSet> {
  const [input] = signatureOf(model).inputs
  const folder = join(dataFolder() ?? '', 'kodak')
  const few = await openSamples(folder, { input, preprocess })
  const many: SampleSet = {
    ...few,
    count: SAMPLES,
    labels: undefined,
    names: Array.from({ length: SAMPLES }, (_, i) => few.names[i % few.count]),
    batch: (indices) => few.batch(indices.map((i) => i % few.count)),
    picture: (index) => few.picture(index % few.count),
  }
  return changedSamples(many, {
    name: 'noise',
    change: (pixels, _, random) => pixels.map((pixel) => pixel + 60 * (random.uniform() - 0.5)),
  })
}

/** Half of a set. */
const half = (set: SampleSet, odd: 0 | 1): SampleSet => ({
  ...set,
  count: set.count >> 1,
  batch: (indices) => set.batch(indices.map((i) => 2 * i + odd)),
})

/** Measures one model. */
export async function latencyOf(data: GuardData, name: string, preprocess: Preprocess): Promise<LatencyRow> {
  const model = await data.model(name)
  const samples = await photographs(model, preprocess)
  const plain = await pack(model, { name, effort: 'fast' })
  const guarded = await pack(model, {
    name,
    effort: 'fast',
    guard: { fit: half(samples, 0), calibrate: half(samples, 1) },
  })
  const target = () => node({ threads: 1 })
  const inputs = { [signatureOf(model).inputs[0].name]: await samples.batch([0]) }
  const times: [number[], number[]] = [[], []]
  let taps = ''
  for (let pair = 0; pair < PAIRS; pair++) {
    const models: Model[] = []
    for (const { bytes } of pair % 2 === 0 ? [plain, guarded] : [guarded, plain]) {
      models.push(await open(bytes, { targets: [target()], trust: 'unsigned' }))
    }
    if (pair % 2 === 1) models.reverse()
    const tasks = models.map((opened) => () => opened.run(inputs))
    for (const [i, list] of (await interleaved(tasks, { rounds: ROUNDS, warmUp: WARM_UP })).entries()) {
      times[i].push(...list)
    }
    taps = models[1].report().guard?.detectors.find(({ kind }) => kind === 'mahalanobis')?.parameters.taps ?? ''
    for (const opened of models) await opened.close()
  }
  return {
    model: name,
    plain: median(times[0]) ?? Number.NaN,
    guarded: median(times[1]) ?? Number.NaN,
    added: 100 * ((median(times[1].map((time, i) => time / times[0][i])) ?? Number.NaN) - 1),
    bytes: { plain: plain.bytes.length, guarded: guarded.bytes.length },
    taps,
  }
}
