/** Unlearning each class in turn: what is left of it, and what the other classes lost, on all test images. */

import { unlearn } from '../../../compress/prune/index.ts'
import { readModel, writeModel } from '../../../sdk/onnx/index.ts'
import type { SampleSet } from '../../../sdk/pack/samples/index.ts'
import { agreement, classesOf, execute } from './accuracy.ts'
import { drawn, type Fashion, ofClass, SEED } from './data.ts'
import { featuresOf, probeArea } from './probe.ts'

/** Training images of the class, and of the others. */
export const FORGET = 500
export const RETAIN = 1500
/** Images that a linear probe is trained and tried on. */
const PROBED = 3000

export interface UnlearnRow {
  readonly model: string
  readonly class: number
  readonly samples: UnlearnSamples
  /** Accuracy on the class and on the nine others, in percent. */
  readonly forget: readonly [before: number, after: number]
  readonly others: readonly [before: number, after: number]
  /** AUROC of a linear probe on the features before the last layer, in percent. */
  readonly probe: readonly [before: number, after: number]
  readonly strength: number
  readonly seconds: number
}

/** Whether samples of the other classes are given, too. */
export type UnlearnSamples = 'retained' | 'forgotten alone'

/** A mean over rows; undefined where there are none. */
export function meanOf<Row>(rows: readonly Row[], value: (row: Row) => number): number | undefined {
  return rows.length > 0 ? rows.reduce((sum, row) => sum + value(row), 0) / rows.length : undefined
}

/** Unlearns each class of a model in turn. */
export async function measureUnlearning(
  model: string,
  file: Uint8Array,
  { train, test }: Fashion,
  samples: UnlearnSamples,
  note: (what: string) => void,
): Promise<UnlearnRow[]> {
  const original = readModel(file)
  const labels = test.labels ?? []
  const before = await classesOf(file, test)
  const probed = drawn(train, PROBED, SEED + 1)
  const probeTest = drawn(test, PROBED, SEED)
  const featuresBefore = { train: await featuresOf(original, probed), test: await featuresOf(original, probeTest) }
  const rows: UnlearnRow[] = []
  for (const wanted of new Set([...labels].sort((a, b) => a - b))) {
    note(`unlearning class ${wanted} of ${model}`)
    const forget = ofClass(train, wanted, false, FORGET, SEED)
    const retain = samples === 'retained' ? ofClass(train, wanted, true, RETAIN, SEED) : undefined
    const { model: edited, report } = await unlearn(original, forget, retain, execute)
    const after = await classesOf(writeModel(edited), test)
    const accuracy = (of: (i: number) => boolean): [number, number] => [
      agreement(before, labels, of),
      agreement(after, labels, of),
    ]
    const isClass = (of: SampleSet) => Array.from(of.labels ?? [], (label) => label === wanted)
    const featuresAfter = { train: await featuresOf(edited, probed), test: await featuresOf(edited, probeTest) }
    const [probeBefore, probeAfter] = [featuresBefore, featuresAfter].map((features) =>
      probeArea(features.train, isClass(probed), features.test, isClass(probeTest)),
    )
    rows.push({
      model,
      class: wanted,
      samples,
      forget: accuracy((i) => labels[i] === wanted),
      others: accuracy((i) => labels[i] !== wanted),
      probe: [probeBefore, probeAfter],
      strength: report.strength,
      seconds: report.seconds,
    })
  }
  return rows
}
