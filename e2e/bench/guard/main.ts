/**
 * What the guard is judged by, on Fashion-MNIST: false alarms on every target, what it finds of foreign and of attacked inputs,
 * what it costs. Prints tables, and at the end each bar with what was measured.
 *
 *     npm run bench:guard
 *
 * Fitted on the 60,000 training images, calibrated on 5,000 test images, false alarms counted on the other 5,000, on every
 * target; where WebGPU is a software adapter that takes more than an hour. Negatives of every AUROC are all 10,000 test images.
 */

import { chromiumTargets } from '../../../sdk/cli/chromium-target.ts'
import { table } from '../../../sdk/cli/command.ts'
import { bytesSource, messageOf } from '../../../sdk/core/index.ts'
import { changedSamples, OUTLIERS, SHIFTS } from '../../../sdk/guard/changes.ts'
import type { DetectorChoice } from '../../../sdk/pack/guard/choice.ts'
import type { SampleSet } from '../../../sdk/pack/samples/index.ts'
import { unpackGraphs } from '../../../sdk/pack/verify.ts'
import { node } from '../../../targets/node.ts'
import type { Target } from '../../../targets/types.ts'
import { wasm } from '../../../targets/wasm-node.ts'
import { barTable } from '../bar.ts'
import { environment, writeResults } from '../environment.ts'
import { attackedSets } from './attacks.ts'
import { barsOf } from './bars.ts'
import { blended } from './blended.ts'
import { guardData } from './data.ts'
import { type DetectionRow, detectionOf } from './detection.ts'
import { type FalseAlarmRow, falseAlarmsOn, isInside, isInsideWider } from './false-alarms.ts'
import { headDifference } from './head.ts'
import { type LatencyRow, latencyOf } from './latency.ts'
import { oneClassDigits } from './one-class.ts'
import { openGuarded, packGuarded, packPlain, scoreSet } from './packages.ts'
import { type RuleRow, ruleRows } from './rules.ts'
import { type Part, type PassSpeed, slowFalseAlarms } from './slow-target.ts'

const note = (line: string): void => void process.stderr.write(`${line}\n`)
const say = (title: string, text: string): void => void process.stdout.write(`${title}\n${text}\n\n`)
const started = performance.now()
const elapsed = (): number => Math.round((performance.now() - started) / 1e3)
const step = (what: string): void => note(`${what}, after ${elapsed()} s …`)
const percent = (share: number): string => (100 * share).toFixed(2)
const tenth = (value: number): string => value.toFixed(1)

/** Attacks that take long are tried on so many images. */
const FEW = 500
/** WebGPU in software takes half a second for BEYOND on one image: both guards are judged from one run of each pass. */
const IN_SOFTWARE: Part[] = [
  { guard: 'default guard', detectors: ['max-softmax', 'mahalanobis'] },
  {
    guard: 'all detectors',
    detectors: ['max-softmax', 'energy', 'mahalanobis', 'hyp-oc', 'feature-squeezing', 'second-opinion', 'beyond'],
  },
]

const found = await guardData()
if (typeof found === 'string') {
  note(found)
  process.exit(0)
}
const data = found

step('latency, while nothing else runs')
const latencies: LatencyRow[] = [
  await latencyOf(data, 'faceres-fp32', { range: [0, 255] }),
  await latencyOf(data, 'imagenet-mnv2-224-uint8', { range: [-1, 1] }),
]

step('packing')
const browser = await chromiumTargets(['webgpu']).catch((error) => {
  note(`No WebGPU: ${messageOf(error)}`)
  return undefined
})
const webgpu = browser?.targets[0]
const device = await webgpu?.probe()
const isSlow = device?.available === true && device.reason !== undefined
const targets: Target[] = [node(), wasm(), ...(webgpu && !isSlow ? [webgpu] : [])]
const cheap = await packGuarded(data, undefined, targets)
const { bytes: plainBytes } = await packPlain(data)
const rank128 = await packGuarded(data, [{ kind: 'max-softmax' }, { kind: 'mahalanobis', rank: 128 }], [node(), wasm()])
const everything: DetectorChoice[] = [
  { kind: 'max-softmax' },
  { kind: 'energy' },
  { kind: 'mahalanobis' },
  { kind: 'hyp-oc' },
  { kind: 'feature-squeezing', range: [0, 1] },
  { kind: 'second-opinion', model: await data.trained('fashion-simsiam') },
  { kind: 'beyond', encoder: await data.trained('fashion-simsiam'), representation: 'representation' },
]
const whole = await packGuarded(data, everything, targets)

const alarms: FalseAlarmRow[] = []
for (const target of targets) {
  step(`false alarms on ${target.name}`)
  alarms.push(...(await falseAlarmsOn(target, cheap.bytes, data.held, 'default guard')))
  alarms.push(...(await falseAlarmsOn(target, whole.bytes, data.held, 'all detectors')))
}
let speeds: PassSpeed[] = []
if (webgpu && isSlow) {
  const slow = await slowFalseAlarms(webgpu, whole.bytes, data, IN_SOFTWARE, step)
  alarms.push(...slow.alarms)
  speeds = slow.speeds
}
await browser?.close()

const rows: DetectionRow[] = []
let rules: RuleRow[] = []
const shifts: { name: string; flagged: number; rejected: number }[] = []
const model = await openGuarded(whole.bytes)
const byDefault = await openGuarded(cheap.bytes)
const defaults: DetectionRow[] = []
try {
  step('clean images')
  const clean = await scoreSet(model, data.test)
  const cleanDefault = await scoreSet(byDefault, data.test)
  const { files, opened } = await unpackGraphs(bytesSource(cheap.bytes), { trust: 'unsigned' })
  const score = opened.manifest.guard?.detectors.find(({ kind }) => kind === 'mahalanobis')?.score ?? ''
  const { verdict } = await byDefault.run({ input: await data.test.batch([0]) })
  const threshold = verdict?.reasons.find(({ detector }) => detector === 'mahalanobis')?.threshold ?? Number.NaN
  const outliers = OUTLIERS.map((change): [string, SampleSet] => [change.name, changedSamples(data.test, change)])
  const foreign: [string, SampleSet][] = [
    ['MNIST', data.mnist],
    ['notMNIST', data.notMnist],
    ...outliers,
    ['two garments blended', blended(data.test)],
  ]
  const plan = {
    classifier: await data.trained('fashion-cnn'),
    surrogate: await data.trained('fashion-cnn-robust'),
    guarded: { file: files[1], score, threshold },
  }
  const attacked = await attackedSets(plan, data.test, FEW, (what) => step(what))
  const attackedImages = attacked.map(({ name, set }): [string, SampleSet] => [name, set])
  for (const [name, set] of [...foreign, ...attackedImages]) {
    step(name)
    rows.push(...detectionOf(name, clean, await scoreSet(model, set)))
    defaults.push(...detectionOf(name, cleanDefault, await scoreSet(byDefault, set)))
  }
  rules = await ruleRows(data, data.test, attackedImages, step)
  for (const shift of SHIFTS) {
    step(shift.name)
    const { p } = await scoreSet(byDefault, changedSamples(data.held, shift))
    const share = (alpha: number): number => p.filter((value) => value <= alpha).length / p.length
    shifts.push({ name: shift.name, flagged: share(0.05), rejected: share(0.01) })
  }
} finally {
  await model.close()
  await byDefault.close()
}

step('one-class digits')
const digits = await oneClassDigits(data, step)
const head = await headDifference(data)

say(
  'False alarms on clean images, in percent; Beta: where 99 of 100 calibration sets lie',
  table(
    [
      [
        'target',
        'guard',
        'detector',
        'α',
        'calibrated',
        'images',
        'rate',
        'Beta 99 %',
        '',
        'with the chance of the test set',
        '',
      ],
      ...alarms.map((row) => [
        row.target,
        row.guard,
        row.detector,
        String(row.alpha),
        String(row.calibrated),
        String(row.images),
        percent(row.rate),
        row.beta.map(percent).join('–'),
        isInside(row) ? 'inside' : 'OUTSIDE',
        row.betaBinomial.map(percent).join('–'),
        isInsideWider(row) ? 'inside' : 'OUTSIDE',
      ]),
    ],
    [3, 4, 5, 6],
  ),
)
if (speeds.length > 0) {
  say(
    `Passes on WebGPU, ${device?.device}`,
    table(
      [
        ['pass', 'images', 'images/s'],
        ...speeds.map(({ pass, images, imagesPerSecond }) => [pass, String(images), tenth(imagesPerSecond)]),
      ],
      [1, 2],
    ),
  )
}
const detectionTable = (all: readonly DetectionRow[]): string =>
  table(
    [
      ['set', 'detector', 'images', 'AUROC', '95 % interval', 'TNR@TPR95', 'p ≤ 0.05'],
      ...all.map((row) => [
        row.set,
        row.detector,
        String(row.images),
        tenth(row.auroc),
        `${tenth(row.low)}–${tenth(row.high)}`,
        tenth(row.tnrAtTpr95),
        tenth(row.detected),
      ]),
    ],
    [2, 3, 5, 6],
  )
say(
  'Found by all detectors together and by each, against all 10,000 clean test images, in percent',
  detectionTable(rows),
)
say('The default guard: max-softmax and Mahalanobis', detectionTable(defaults))
say(
  'Second opinion and BEYOND by each of their rules, against clean test images, in percent',
  table(
    [
      ['set', 'detector', 'rule', 'images', 'clean', 'AUROC', '95 % interval', 'TNR@TPR95'],
      ...rules.map((row) => [
        row.set,
        row.detector,
        row.rule,
        String(row.images),
        String(row.clean),
        tenth(row.auroc),
        `${tenth(row.low)}–${tenth(row.high)}`,
        tenth(row.tnrAtTpr95),
      ]),
    ],
    [3, 4, 5, 7],
  ),
)
say(
  'False alarms of the default guard under harmless changes, in percent',
  table(
    [
      ['change', 'p ≤ 0.05', 'p ≤ 0.01'],
      ...shifts.map(({ name, flagged, rejected }) => [name, percent(flagged), percent(rejected)]),
    ],
    [1, 2],
  ),
)
say(
  'One-class MNIST, AUROC in percent: one digit is known, the nine others are to be found among 10,000',
  table(
    [
      ['digit', 'samples', 'Gaussian', 'Hyp-OC'],
      ...digits.map((row) => [String(row.digit), String(row.samples), tenth(row.gaussian), tenth(row.hypOc)]),
    ],
    [1, 2, 3],
  ),
)
say(
  'Latency of one run, one thread, in turns with the model without a guard',
  table(
    [
      ['model', 'plain ms', 'guarded ms', 'added %', 'plain bytes', 'guarded bytes', 'taps'],
      ...latencies.map((row) => [
        row.model,
        row.plain.toFixed(2),
        row.guarded.toFixed(2),
        row.added.toFixed(2),
        String(row.bytes.plain),
        String(row.bytes.guarded),
        row.taps,
      ]),
    ],
    [1, 2, 3, 4, 5],
  ),
)
const bytes = {
  plain: plainBytes.length,
  default: cheap.bytes.length,
  rank128: rank128.bytes.length,
  everything: whole.bytes.length,
}
const bars = barsOf({ alarms, rows, defaults, digits, latencies, head, bytes })
say('The bars', barTable(bars))
const seconds = elapsed()
note(`${seconds} s.`)
const here = await environment('npm run bench:guard')
note(
  `Written to ${await writeResults('guard', here, { seconds, bars, bytes, webgpu: device?.device, speeds, alarms, rows, rules, defaults, shifts, digits, latencies, head })}.`,
)
