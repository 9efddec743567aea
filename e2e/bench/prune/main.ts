/**
 * What pruning is judged by: accuracy without labels or fine-tuning at several budgets, beside what others select under the same
 * budget; latency; time; whether real architectures are cut right; unlearning. Prints tables, and at the end each bar.
 *
 *     npm run bench:prune
 *
 * Fashion-MNIST: 500 training images to prune with, accuracy on all 10,000 test images. CIFAR-10: 500 of 3,000 training images to
 * prune with, accuracy on the other 2,500, which the model was trained on.
 */

import { table } from '../../../sdk/cli/command.ts'
import { blockOf } from '../../../sdk/prune/block.ts'
import { node } from '../../../targets/node.ts'
import { barTable } from '../bar.ts'
import { environment, writeResults } from '../environment.ts'
import { type AccuracyRow, measureAccuracies, type Task } from './accuracies.ts'
import { measureArchitectures } from './architectures.ts'
import { barsOf, leadsOf } from './bars.ts'
import { CALIBRATION, drawn, pruneData, SEED } from './data.ts'
import { measureSpeed, measureWhole, type SpeedRow } from './speed.ts'
import { FORGET, measureUnlearning, RETAIN, type UnlearnRow } from './unlearning.ts'

const note = (line: string): void => void process.stderr.write(`${line}\n`)
const say = (title: string, text: string): void => void process.stdout.write(`${title}\n${text}\n\n`)
const started = performance.now()
const elapsed = (): number => Math.round((performance.now() - started) / 1e3)
const step = (what: string): void => note(`${what}, after ${elapsed()} s`)
const percent = (value: number): string => value.toFixed(2)

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
  const calibrate = drawn(train, CALIBRATION, SEED)
  return { model, file, preprocess, calibrate, test, known, widths: ['uniform', 'ours'] }
}
const resnet: Task = {
  model: 'cifar10-resnet56',
  file: await data.model('cifar10-resnet56'),
  preprocess: { range: [0, 1], mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  ...data.cifar,
  known: data.cifar.test.count,
  // Each takes minutes.
  widths: ['uniform'],
}
const [vgg, vit] = [await fashion('fashion-vgg', 1000), await fashion('fashion-vit', 2000)]

const accuracies: AccuracyRow[] = []
for (const [task, samples, removed] of [
  [vgg, 'real', [40, 60]],
  [vit, 'real', [40, 60]],
  [resnet, 'real', [20, 40, 60]],
  [resnet, 'synthetic', [20, 40, 60]],
] as const) {
  accuracies.push(...(await measureAccuracies(task, samples, removed, step)))
}

const unlearned: UnlearnRow[] = []
for (const [model, set, samples] of [
  ['fashion-cnn', data.fashion, 'retained'],
  ['fashion-cnn', data.fashion, 'forgotten alone'],
  ['fashion-vit', data.normalised, 'retained'],
] as const) {
  unlearned.push(...(await measureUnlearning(model, await data.trained(model), set, samples, step)))
}

step('architectures')
const cut = await measureArchitectures()
const architectures = typeof cut === 'string' ? [] : cut

step('a whole MobileNet, and latency, while nothing else runs')
const block = await blockOf(node({ threads: 1 }), {})
const whole = await measureWhole('faceres-fp32', await data.model('faceres-fp32'), block)
const speeds: SpeedRow[] = [...whole.speeds]
for (const [task, align] of [
  [vgg, block],
  [vit, block],
  // Of layers of 16 channels, 16 cannot go.
  [resnet, 8],
] as const) {
  step(`latency of ${task.model}`)
  speeds.push(...(await measureSpeed(task, align)))
}

say(
  'Accuracy without labels or fine-tuning, in percent',
  table(
    [
      ['model', 'samples', 'removed %', 'by', 'widths', 'refit', 'in fact %', 'accuracy', 'loss', 'on the known'],
      ...accuracies.map((row) => [
        row.model,
        row.samples,
        String(row.removed),
        row.by,
        row.widths,
        row.refit ? 'yes' : 'no',
        percent(row.reached),
        percent(row.accuracy),
        percent(row.loss),
        percent(row.known),
      ]),
    ],
    [2, 6, 7, 8, 9],
  ),
)
for (const widths of ['uniform', 'ours'] as const) {
  const leads = leadsOf(accuracies, widths)
  note(
    `Ahead of others with ${widths} widths by ${percent(Math.min(...leads))} to ${percent(Math.max(...leads))} points.`,
  )
}
say(
  'Latency at half of the multiply-accumulates, one thread, in turns with the whole model',
  table(
    [
      ['model', 'batch', 'align', 'whole ms', 'half ms', 'ratio'],
      ...speeds.map((row) => [
        row.model,
        String(row.batch),
        String(row.align),
        percent(row.before),
        percent(row.after),
        percent(row.ratio),
      ]),
    ],
    [1, 2, 3, 4, 5],
  ),
)
say(
  'About 30 % of the units of every group removed, against zeroed weights in the whole model',
  table(
    [
      ['model', 'groups', 'units', 'removed', 'error', 'frozen by'],
      ...architectures.map((row) => [
        row.model,
        String(row.groups),
        String(row.units),
        String(row.removed),
        row.maxError?.toExponential(1) ?? row.skipped ?? '',
        row.frozen.join(', '),
      ]),
    ],
    [1, 2, 3],
  ),
)
say(
  `Unlearning one class with ${FORGET} samples of it and, where retained, ${RETAIN} of the others, in percent`,
  table(
    [
      ['model', 'samples', 'class', 'accuracy on it', 'after', 'on the others', 'after', 'probe', 'after', 's'],
      ...unlearned.map((row) => [
        row.model,
        row.samples,
        String(row.class),
        ...[...row.forget, ...row.others, ...row.probe].map(percent),
        row.seconds.toFixed(1),
      ]),
    ],
    [2, 3, 4, 5, 6, 7, 8, 9],
  ),
)
const bars = barsOf({ accuracies, architectures, speeds, whole, unlearned })
say('The bars', barTable(bars))
const seconds = elapsed()
note(`${seconds} s.`)
const here = await environment('npm run bench:prune')
const { speeds: _, ...time } = whole
note(
  `Written to ${await writeResults('prune', here, { seconds, bars, accuracies, speeds, whole: time, unlearned, architectures })}.`,
)
