/** What is left of a classifier's accuracy at several budgets, by hardpack and by what others do. */

import { type Kept, preparePruning } from '../../../compress/prune/index.ts'
import { readModel, signatureOf, writeModel } from '../../../sdk/onnx/index.ts'
import type { Preprocess } from '../../../sdk/pack/samples/index.ts'
import { heldSamples } from '../../../sdk/prune/samples.ts'
import { syntheticFor } from '../../../sdk/prune/synthetic/index.ts'
import { agreement, classesOf, execute } from './accuracy.ts'
import { CALIBRATION, type Halves, SEED } from './data.ts'
import { selectionsOf, type Widths } from './selections.ts'

export interface AccuracyRow {
  readonly model: string
  readonly samples: 'real' | 'synthetic'
  /** Percent of the multiply-accumulates that are gone: asked for, and in fact. */
  readonly removed: number
  readonly reached: number
  readonly by: 'nothing' | 'hardpack' | 'paper' | 'l2' | 'wanda' | 'random'
  readonly widths: 'own' | Widths
  readonly refit: boolean
  /** Percent of the test images. */
  readonly accuracy: number
  /** Percentage points under the whole model. */
  readonly loss: number
  /** Percent of the test images whose best class is that of the whole model, which is all that pruning without labels can aim at. */
  readonly agreement: number
  /** Percent of those test images that the model's own accuracy is known of. */
  readonly known: number
}

/** A classifier, with samples to prune it with and labelled ones to count on. */
export interface Task extends Halves {
  readonly model: string
  readonly file: Uint8Array
  readonly preprocess: Preprocess
  /** On how many of the first test images its accuracy is known. */
  readonly known: number
  /** How selections of others are spread over layers. */
  readonly widths: readonly Widths[]
}

/**
 * Measures one model.
 *
 * @param removed percent of the multiply-accumulates to remove
 */
export async function measureAccuracies(
  task: Task,
  samples: 'real' | 'synthetic',
  removed: readonly number[],
  note: (what: string) => void,
): Promise<AccuracyRow[]> {
  const model = readModel(task.file)
  const { calibrate, test, preprocess } = task
  const labels = test.labels ?? []
  const whole = await classesOf(task.file, test)
  const accuracyOf = (classes: Int32Array) => ({
    accuracy: agreement(classes, labels),
    known: agreement(classes, labels, (i) => i < task.known),
    agreement: agreement(classes, whole),
  })
  const base = accuracyOf(whole)
  const [input] = signatureOf(task.file).inputs
  const set =
    samples === 'real'
      ? calibrate
      : await syntheticFor(model, input, execute, { count: CALIBRATION, preprocess, seed: SEED })
  const held = await heldSamples(set, input, { limit: CALIBRATION, seed: SEED })
  const options = { synthetic: samples === 'synthetic', seed: SEED }
  const unpruned = { removed: 0, reached: 0, by: 'nothing', widths: 'own', refit: false } as const
  const rows: AccuracyRow[] = [{ model: task.model, samples, ...unpruned, ...base, loss: 0 }]
  const add = async (file: Uint8Array, row: Pick<AccuracyRow, 'removed' | 'reached' | 'by' | 'widths' | 'refit'>) => {
    const figures = accuracyOf(await classesOf(file, test))
    const { accuracy } = figures
    rows.push({ model: task.model, samples, ...row, ...figures, loss: base.accuracy - accuracy })
    note(
      `${task.model}, ${samples}, −${row.removed} %: ${row.by}, ${row.widths}, ${row.refit}: ${accuracy.toFixed(2)} %`,
    )
  }
  const prepared = await preparePruning(model, held, execute, options)
  const kept = new Map<number, Kept>()
  const budget = (percent: number) => ({ kind: 'flops', remain: 1 - percent / 100 }) as const
  for (const percent of removed) {
    const result = await prepared.to(budget(percent))
    kept.set(percent, result.kept)
    const reached = 100 * (1 - result.report.budget.reached)
    await add(writeModel(result.model), { removed: percent, reached, by: 'hardpack', widths: 'own', refit: true })
  }
  const paper = await preparePruning(model, held, execute, { ...options, method: 'paper' })
  for (const percent of removed) {
    const result = await paper.to(budget(percent))
    const reached = 100 * (1 - result.report.budget.reached)
    await add(writeModel(result.model), { removed: percent, reached, by: 'paper', widths: 'own', refit: false })
    const ours = kept.get(percent) ?? new Map()
    for await (const other of selectionsOf(prepared, { ...budget(percent), ours, widths: task.widths, seed: SEED })) {
      const { selection: by, widths, refit, file } = other
      await add(file, { removed: percent, reached: 100 * (1 - other.left), by, widths, refit })
    }
  }
  return rows
}
