/**
 * What is left of a classifier's accuracy at several budgets, by hardpack and by what others do: means over several draws of the samples,
 * since two ways that agree with the whole model on 98 % of the images differ by chance on more of them than by merit.
 */

import { type Kept, preparePruning } from '../../../compress/prune/index.ts'
import { readModel, signatureOf, writeModel } from '../../../sdk/onnx/index.ts'
import type { Preprocess, SampleSet } from '../../../sdk/pack/samples/index.ts'
import { heldSamples } from '../../../sdk/prune/samples.ts'
import { syntheticFor } from '../../../sdk/prune/synthetic/index.ts'
import { agreement, classesOf, execute } from './accuracy.ts'
import { CALIBRATION, SEED } from './data.ts'
import { selectionsOf, type Widths } from './selections.ts'
import { meanOf } from './unlearning.ts'

export interface AccuracyRow {
  readonly model: string
  readonly samples: 'real' | 'synthetic'
  /** Percent of the multiply-accumulates that are gone: asked for, and in fact. */
  readonly removed: number
  readonly reached: number
  readonly by: 'nothing' | 'hardpack' | 'paper' | 'l2' | 'wanda' | 'random'
  readonly widths: 'own' | Widths
  readonly refit: boolean
  /** How often samples were drawn, and with them the seed; all figures are means. */
  readonly draws: number
  /** Percent of the test images. */
  readonly accuracy: number
  /** Percentage points under the whole model. */
  readonly loss: number
  /** Percent of the test images whose best class is that of the whole model, which is all that pruning without labels can aim at. */
  readonly agreement: number
  /** Percent of those test images that the model's own accuracy is known of. */
  readonly known: number
}

/** A classifier, with unlabelled samples to prune it with and labelled ones to count on. */
export interface Task {
  readonly model: string
  readonly file: Uint8Array
  readonly preprocess: Preprocess
  calibrate(seed: number): SampleSet
  readonly test: SampleSet
  readonly draws: number
  /** On how many of the first test images its accuracy is known. */
  readonly known: number
  /** How selections of others are spread over layers. */
  readonly widths: readonly Widths[]
}

type Figures = Pick<AccuracyRow, 'accuracy' | 'loss' | 'agreement' | 'known'>

/** What was done to a model, before it is measured. */
type Pruned = Pick<AccuracyRow, 'removed' | 'reached' | 'by' | 'widths' | 'refit'>

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
  const { model, file, test, known } = task
  const labels = test.labels ?? []
  const whole = await classesOf(file, test)
  const base = agreement(whole, labels)
  const figuresOf = (classes: Int32Array): Figures => {
    const accuracy = agreement(classes, labels)
    return {
      accuracy,
      loss: base - accuracy,
      agreement: agreement(classes, whole),
      known: agreement(classes, labels, (i) => i < known),
    }
  }
  const draws: (Pruned & Figures)[][] = []
  for (let draw = 0; draw < task.draws; draw++) {
    const rows: (Pruned & Figures)[] = []
    for await (const [row, narrow] of prunedFiles(task, samples, removed, SEED + draw)) {
      const figures = figuresOf(await classesOf(narrow, test))
      rows.push({ ...row, ...figures })
      note(
        `${model}, ${samples}, draw ${draw}, −${row.removed} %: ${row.by}, ${row.widths}, ${row.refit}: ${figures.accuracy.toFixed(2)} %`,
      )
    }
    draws.push(rows)
  }
  const about = { model, samples, draws: task.draws }
  // Every draw has the same rows in the same order.
  const means = draws[0].map((first, i): AccuracyRow => {
    const mean = (figure: keyof Figures | 'reached'): number => meanOf(draws, (rows) => rows[i][figure]) as number
    return {
      ...about,
      ...first,
      reached: mean('reached'),
      accuracy: mean('accuracy'),
      loss: mean('loss'),
      agreement: mean('agreement'),
      known: mean('known'),
    }
  })
  const nothing = { removed: 0, reached: 0, by: 'nothing', widths: 'own', refit: false } as const
  return [{ ...about, ...nothing, ...figuresOf(whole) }, ...means]
}

/** A model, pruned to each budget by hardpack and by others, with samples of one draw. */
async function* prunedFiles(
  task: Task,
  samples: 'real' | 'synthetic',
  removed: readonly number[],
  seed: number,
): AsyncGenerator<[Pruned, Uint8Array]> {
  const model = readModel(task.file)
  const [input] = signatureOf(task.file).inputs
  const { preprocess } = task
  const set =
    samples === 'real'
      ? task.calibrate(seed)
      : await syntheticFor(model, input, execute, { count: CALIBRATION, preprocess, seed })
  const held = await heldSamples(set, input, { limit: CALIBRATION, seed })
  const options = { synthetic: samples === 'synthetic', seed }
  const prepared = await preparePruning(model, held, execute, options)
  const kept = new Map<number, Kept>()
  const budget = (percent: number) => ({ kind: 'flops', remain: 1 - percent / 100 }) as const
  for (const percent of removed) {
    const result = await prepared.to(budget(percent))
    kept.set(percent, result.kept)
    const reached = 100 * (1 - result.report.budget.reached)
    yield [{ removed: percent, reached, by: 'hardpack', widths: 'own', refit: true }, writeModel(result.model)]
  }
  const paper = await preparePruning(model, held, execute, { ...options, method: 'paper' })
  for (const percent of removed) {
    const result = await paper.to(budget(percent))
    const reached = 100 * (1 - result.report.budget.reached)
    yield [{ removed: percent, reached, by: 'paper', widths: 'own', refit: false }, writeModel(result.model)]
    const ours = kept.get(percent) ?? new Map()
    for await (const other of selectionsOf(prepared, { ...budget(percent), ours, widths: task.widths, seed })) {
      const { selection: by, widths, refit, file } = other
      yield [{ removed: percent, reached: 100 * (1 - other.left), by, widths, refit }, file]
    }
  }
}
