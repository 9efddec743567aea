/**
 * What pruning is judged by: accuracy without labels or fine-tuning at several budgets, beside what others select under the same
 * budget; unlearning; whether real architectures are cut right; time and latency. Prints tables, and at the end each bar.
 *
 *     npm run bench:prune
 *     npm run bench:prune -- fashion-vgg speed
 *
 * Results are written as parts end, and those of parts that are not asked for stay as they were: the last one wants a machine that
 * does nothing else. Fashion-MNIST: 500 training images to prune with, drawn five times, accuracy on all 10,000 test images.
 * CIFAR-10: 500 of 3,000 training images to prune with, accuracy on the other 2,500, which the model was trained on.
 */

import { blockOf } from '../../../sdk/prune/block.ts'
import { node } from '../../../targets/node.ts'
import { barTable } from '../bar.ts'
import { environment, readResults, writeResults } from '../environment.ts'
import { type AccuracyRow, measureAccuracies, type Task } from './accuracies.ts'
import { measureArchitectures } from './architectures.ts'
import { barsOf, leadsOf } from './bars.ts'
import { CALIBRATION, drawn, pruneData } from './data.ts'
import type { Measured } from './results.ts'
import { measureSpeed, measureWhole, type SpeedRow } from './speed.ts'
import { accuracyTable, architectureTable, speedTable, unlearningTable } from './tables.ts'
import { FORGET, measureUnlearning, RETAIN, type UnlearnRow } from './unlearning.ts'

const note = (line: string): void => void process.stderr.write(`${line}\n`)
const say = (title: string, text: string): void => void process.stdout.write(`${title}\n${text}\n\n`)
const started = performance.now()
const elapsed = (): number => Math.round((performance.now() - started) / 1e3)
const step = (what: string): void => note(`${what}, after ${elapsed()} s`)
const points = (value: number): string => value.toFixed(2)

const found = await pruneData()
if (typeof found === 'string') {
  note(found)
  process.exit(0)
}
const data = found
const fashion = async (model: string, known: number): Promise<Task> => {
  const { train, test } = data.normalised
  const preprocess = { range: [0, 1] as const, mean: [0.286], std: [0.353] }
  const file = await data.trained(model)
  const calibrate = (seed: number) => drawn(train, CALIBRATION, seed)
  return { model, file, preprocess, calibrate, test, known, draws: 5, widths: ['uniform', 'ours'] }
}
const resnet: Task = {
  model: 'cifar10-resnet56',
  file: await data.model('cifar10-resnet56'),
  preprocess: { range: [0, 1], mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  calibrate: () => data.cifar.calibrate,
  test: data.cifar.test,
  known: data.cifar.test.count,
  // Each takes minutes.
  draws: 1,
  widths: ['uniform'],
}
const [vgg, vit] = [await fashion('fashion-vgg', 1000), await fashion('fashion-vit', 2000)]

let measured: Measured = (await readResults<Measured>('prune')) ?? { parts: {} }

/** The rows of one model, among those of others that were measured before. */
async function accuraciesOf(
  task: Task,
  ...settings: readonly (readonly [AccuracyRow['samples'], readonly number[]])[]
): Promise<Partial<Measured>> {
  const rows: AccuracyRow[] = []
  for (const [samples, removed] of settings) rows.push(...(await measureAccuracies(task, samples, removed, step)))
  say('Accuracy without labels or fine-tuning, in percent', accuracyTable(rows))
  return { accuracies: [...(measured.accuracies ?? []).filter(({ model }) => model !== task.model), ...rows] }
}

const PARTS: Record<string, () => Promise<Partial<Measured>>> = {
  'fashion-vgg': () => accuraciesOf(vgg, ['real', [40, 60]]),
  'fashion-vit': () => accuraciesOf(vit, ['real', [40, 60]]),
  'cifar10-resnet56': () => accuraciesOf(resnet, ['real', [20, 40, 60]], ['synthetic', [20, 40, 60]]),

  async unlearning() {
    const unlearned: UnlearnRow[] = []
    for (const [model, set, samples] of [
      ['fashion-cnn', data.fashion, 'retained'],
      ['fashion-cnn', data.fashion, 'forgotten alone'],
      ['fashion-vit', data.normalised, 'retained'],
    ] as const) {
      unlearned.push(...(await measureUnlearning(model, await data.trained(model), set, samples, step)))
    }
    const title = `Unlearning one class with ${FORGET} samples of it and, where retained, ${RETAIN} of the others, in percent`
    say(title, unlearningTable(unlearned))
    return { unlearned }
  },

  async architectures() {
    const rows = await measureArchitectures()
    const architectures = typeof rows === 'string' ? [] : rows
    const title = 'About 30 % of the units of every group removed, against zeroed weights in the whole model'
    say(title, architectureTable(architectures))
    return { architectures }
  },

  async speed() {
    const block = await blockOf(node({ threads: 1 }), {})
    const { speeds: first, ...whole } = await measureWhole('faceres-fp32', await data.model('faceres-fp32'), block)
    const speeds: SpeedRow[] = [...first]
    for (const task of [vgg, vit, resnet]) {
      step(`latency of ${task.model}`)
      speeds.push(...(await measureSpeed(task, block)))
    }
    const title = 'Latency at half of the multiply-accumulates, one thread, in turns with the whole model'
    say(title, speedTable(speeds))
    return { speeds, whole }
  },
}

const asked = process.argv.slice(2)
const unknown = asked.find((part) => !(part in PARTS))
if (unknown !== undefined) {
  note(`bench:prune expected parts among ${Object.keys(PARTS).join(', ')}, got ${unknown}.`)
  process.exit(2)
}
const here = await environment(['npm run bench:prune', ...(asked.length > 0 ? ['--', ...asked] : [])].join(' '))
for (const [part, measure] of Object.entries(PARTS)) {
  if (asked.length > 0 && !asked.includes(part)) continue
  step(part)
  const before = elapsed()
  const results = await measure()
  measured = { ...measured, ...results, parts: { ...measured.parts, [part]: { ...here, seconds: elapsed() - before } } }
  // What was read has the bars of before.
  await writeResults('prune', here, { ...measured, bars: barsOf(measured) })
}
for (const widths of ['uniform', 'ours'] as const) {
  for (const figure of ['accuracy', 'agreement'] as const) {
    const leads = leadsOf(measured.accuracies ?? [], widths, figure)
    if (leads.length === 0) continue
    const [least, most] = [Math.min(...leads), Math.max(...leads)].map(points)
    note(`Ahead of others with ${widths} widths in ${figure} by ${least} to ${most} points.`)
  }
}
say('The bars', barTable(barsOf(measured)))
note(`${elapsed()} s. Written to bench/results/prune.json.`)
