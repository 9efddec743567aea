/** Unlearning each class in turn: what is left of it, and what the other classes lost, on all test images. */

import { unlearn } from '../../../compress/prune/index.ts'
import { readModel, writeModel } from '../../../sdk/onnx/index.ts'
import { node } from '../../../targets/node.ts'
import { agreement, classesOf } from './accuracy.ts'
import { drawn, type Fashion, ofClass, SEED } from './data.ts'
import { probeOf } from './probe.ts'

/** Training images of the class, and of the others. */
export const FORGET = 500
export const RETAIN = 1500
/** Images that a linear probe is trained and tried on. */
const PROBED = 3000

export interface UnlearnRow {
  readonly model: string
  readonly class: number
  readonly samples: string
  /** Accuracy on the class and on the nine others, in percent. */
  readonly forget: readonly [before: number, after: number]
  readonly others: readonly [before: number, after: number]
  /** AUROC of a linear probe on the features before the last layer, in percent. */
  readonly probe: readonly [before: number, after: number]
  readonly strength: number
  readonly seconds: number
}

export async function unlearnRow(
  name: string,
  file: Uint8Array,
  { train, test }: Fashion,
  wanted: number,
  withRetain = true,
): Promise<UnlearnRow> {
  const original = readModel(file)
  const forget = ofClass(train, wanted, false, FORGET, SEED)
  const retain = withRetain ? ofClass(train, wanted, true, RETAIN, SEED) : undefined
  const started = performance.now()
  const target = node({ threads: 1 })
  const { model, report } = await unlearn(original, forget, retain, (bytes) => target.create({ model: bytes }))
  const seconds = (performance.now() - started) / 1e3
  const labels = test.labels ?? []
  const isClass = (i: number): boolean => labels[i] === wanted
  const before = await classesOf(file, test)
  const after = await classesOf(writeModel(model), test)
  const probed = drawn(train, PROBED, SEED + 1)
  const probeTest = drawn(test, PROBED, SEED)
  const accuracy = (of: (i: number) => boolean): [number, number] => [
    agreement(before, labels, of),
    agreement(after, labels, of),
  ]
  return {
    model: name,
    class: wanted,
    samples: withRetain ? `${FORGET} + ${RETAIN}` : `${FORGET}`,
    forget: accuracy(isClass),
    others: accuracy((i) => !isClass(i)),
    probe: [await probeOf(original, wanted, probed, probeTest), await probeOf(model, wanted, probed, probeTest)],
    strength: report.strength,
    seconds,
  }
}
