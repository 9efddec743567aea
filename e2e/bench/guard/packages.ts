/** The guarded packages of `bench:guard`, and what opens and scores them. */

import { open } from '../../../sdk/node.ts'
import type { DetectorChoice } from '../../../sdk/pack/guard/choice.ts'
import { type PackResult, pack } from '../../../sdk/pack/pack.ts'
import type { SampleSet } from '../../../sdk/pack/samples/index.ts'
import type { Model } from '../../../sdk/run/model.ts'
import { node } from '../../../targets/node.ts'
import type { Target } from '../../../targets/types.ts'
import type { GuardData } from './data.ts'

const BATCH = 250

/** Packs the classifier with a guard, fitted on training images and calibrated on 5,000 test images. */
export async function packGuarded(
  { train, calibrate, trained }: GuardData,
  detectors: readonly DetectorChoice[] | undefined,
  targets: readonly Target[],
): Promise<PackResult> {
  const guard = { fit: train, calibrate, detectors, targets }
  return pack(await trained('fashion-cnn'), { name: 'fashion-cnn', effort: 'fast', guard })
}

/** The same without a guard. */
export async function packPlain({ trained }: GuardData): Promise<PackResult> {
  return pack(await trained('fashion-cnn'), { name: 'fashion-cnn', effort: 'fast' })
}

export const openGuarded = (bytes: Uint8Array, target: Target = node()): Promise<Model> =>
  open(bytes, { targets: [target], trust: 'unsigned' })

/** What a guard says of a set: p-values of the whole, and p-values and scores of each detector. */
export interface Scored {
  readonly p: Float64Array
  readonly detectors: Readonly<Record<string, { readonly p: Float64Array; readonly scores: Float64Array }>>
}

/** Runs a set through a guarded model. */
export async function scoreSet(model: Model, set: SampleSet, note: (done: number) => void = () => {}): Promise<Scored> {
  const names = model.report().guard?.detectors.map(({ name }) => name) ?? []
  const column = (): Float64Array => new Float64Array(set.count).fill(Number.NaN)
  const scored = {
    p: column(),
    detectors: Object.fromEntries(names.map((name) => [name, { p: column(), scores: column() }])),
  }
  const [input] = model.inputs
  for (let start = 0; start < set.count; start += BATCH) {
    note(start)
    const indices = Array.from({ length: Math.min(BATCH, set.count - start) }, (_, i) => start + i)
    const { verdicts = [] } = await model.run({ [input.name]: await set.batch(indices) })
    for (const [row, { p, reasons }] of verdicts.entries()) {
      scored.p[start + row] = p
      for (const reason of reasons) {
        scored.detectors[reason.detector].p[start + row] = reason.p
        scored.detectors[reason.detector].scores[start + row] = reason.score
      }
    }
  }
  return scored
}
