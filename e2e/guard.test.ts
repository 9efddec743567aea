/** The guard of a package on real digits, end to end: what it stores, what it says, and what it learns. */

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { before, test } from 'node:test'
import { betaBinomialBand } from '../detectors/calibrate/index.ts'
import { scoreMahalanobis } from '../detectors/mahalanobis/score.ts'
import { readChunk, readPackage } from '../sdk/container/read.ts'
import { GUARD_FEATURE } from '../sdk/container/validate-guard.ts'
import { writePackage } from '../sdk/container/write.ts'
import { bytesSource, equal, HardpackError, type Tensor } from '../sdk/core/index.ts'
import { imagesOf, labelsOf, openVictim, runAttack } from '../sdk/guard/attack.ts'
import { readModel, writeModel } from '../sdk/onnx/index.ts'
import { runOrt } from '../sdk/onnx/ort-oracle.ts'
import { type OpenOptions, open } from '../sdk/open/open.ts'
import { readOptions } from '../sdk/open/trust.ts'
import type { GuardOptions } from '../sdk/pack/guard/make.ts'
import { inspect } from '../sdk/pack/inspect.ts'
import { pack } from '../sdk/pack/pack.ts'
import { type SampleSet, subset, tensorSamples } from '../sdk/pack/samples/index.ts'
import { unpack, unpackGraphs } from '../sdk/pack/verify.ts'
import { detectorOfRoom, ROOM_FEATURES } from '../sdk/run/guard/room.ts'
import { rowsOf } from '../sdk/run/rows.ts'
import { node } from '../targets/node.ts'
import type { Session, Target } from '../targets/types.ts'
import { wasm } from '../targets/wasm-node.ts'
import { readDigits } from './models/digits.ts'

const MODEL = new URL('../../e2e/models/mnist-cnn.onnx', import.meta.url)
const FORMAT = {
  height: 28,
  width: 28,
  channels: 1,
  order: 'gray',
  layout: 'nchw',
  fit: 'stretch',
  dtype: 'float32',
  scale: [1 / 255],
  offset: [0],
} as const

const images = (count: number, from: number): Tensor => {
  return { dtype: 'float32', shape: [count, 1, 28, 28], data: readDigits(count, from).images }
}
const digits = (count: number, from: number): SampleSet => ({
  ...tensorSamples('digits', images(count, from), FORMAT),
  labels: Int32Array.from(readDigits(count, from).labels),
})
const noise = (count: number, seed = 1): Tensor => {
  let state = seed
  const data = Float32Array.from({ length: count * 784 }, () => {
    state = (state * 48271) % 2147483647
    return state / 2147483647
  })
  return { dtype: 'float32', shape: [count, 1, 28, 28], data }
}

/** Digits 0 to 7 are known to the detectors; 8 and 9 are what a device may learn. */
const labels = readDigits(2600, 0).labels
const known = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => from + i).filter((i) => labels[i] < 8)

const FIT = digits(600, 0)
const CALIBRATE = digits(800, 1000)
const guardOf = (more: Partial<GuardOptions> = {}): GuardOptions => ({
  fit: FIT,
  calibrate: CALIBRATE,
  targets: [node({ threads: 1 })],
  ...more,
})

let model: Uint8Array
let plain: Uint8Array
let guarded: Uint8Array
const made = (guard?: GuardOptions) =>
  pack(model, { name: 'digits', effort: 'fast', guard, second: node({ threads: 1 }) }).then(({ bytes }) => bytes)
const opened = (bytes: Uint8Array, options: Partial<OpenOptions> = {}) =>
  open(bytes, { targets: [node({ threads: 1 })], trust: 'unsigned', ...options })

before(async () => {
  model = new Uint8Array(await readFile(MODEL))
  plain = await made()
  guarded = await made(guardOf())
})

/** A target that changes what sessions of node do. */
function changing(change: (session: Session, created: number) => Partial<Session>): Target {
  const real = node({ threads: 1 })
  let created = 0
  return {
    name: 'node',
    probe: (options) => real.probe(options),
    async create(graph, options) {
      const session = await real.create(graph, options)
      return {
        ...session,
        inputs: session.inputs,
        outputs: session.outputs,
        close: () => session.close(),
        run: (feeds, call) => session.run(feeds, call),
        ...change(session, created++),
      }
    },
  }
}

test('the same ONNX file, the same outputs, each weight once, the same bytes again', async () => {
  assert.ok(equal(await unpack(bytesSource(guarded), { trust: 'unsigned' }), model))
  const { files } = await unpackGraphs(bytesSource(guarded), { trust: 'unsigned' })
  const { tensors, guard } = await inspect(bytesSource(guarded), { trust: 'unsigned' })
  const own = guard?.weights.packedBytes ?? 0
  const weights = tensors.reduce((sum, { packedBytes }) => sum + packedBytes, 0)
  assert.ok(weights > 10_000)
  assert.ok(guarded.length - plain.length - own < weights / 2, 'the weights of the model are not there twice')
  const batch = images(8, 3000)
  const [a, b] = [await opened(plain), await opened(guarded)]
  const [mine, theirs] = [await a.run({ image: batch }), await b.run({ image: batch })]
  assert.deepEqual(theirs.outputs, mine.outputs)
  await Promise.all([a.close(), b.close()])
  const alone = await runOrt(files[1], { image: batch })
  assert.deepEqual(alone.logits, (await runOrt(model, { image: batch })).logits)
  assert.ok(alone['hardpack.score.mahalanobis'])
  assert.ok(equal(await made(guardOf()), guarded))
})

test('a reader that knows no guard refuses the package', async () => {
  const { manifest } = await readPackage(bytesSource(guarded), readOptions({ trust: 'unsigned' }))
  assert.deepEqual(manifest.critical, [GUARD_FEATURE])
  const chunks = await Promise.all(
    manifest.chunks.map(async (chunk, index) => ({
      ...chunk,
      bytes: await readChunk(
        bytesSource(guarded),
        await readPackage(bytesSource(guarded), readOptions({ trust: 'unsigned' })),
        index,
      ),
    })),
  )
  const later = await writePackage({ ...manifest, critical: [GUARD_FEATURE, 'unheard-of'] }, chunks, {}).catch(
    (error) => error,
  )
  // The writer checks what it writes as a reader does.
  const failure = later instanceof Uint8Array ? await opened(later).catch((error) => error) : later
  assert.match(failure.message, /unheard-of/)
})

test('clean digits are accepted, noise is not; reasons and thresholds say the same as p', async () => {
  const it = await opened(guarded)
  const { verdict, verdicts = [] } = await it.run({ image: images(1000, 4000) })
  assert.equal(verdicts.length, 1000)
  const flagged = verdicts.filter(({ action }) => action !== 'accept').length / 1000
  const { low, high } = betaBinomialBand(400, 0.05, 1000, 0.999)
  assert.ok(flagged >= low && flagged <= high, `${flagged} of clean digits are flagged`)
  for (const { p, alpha, reasons, action } of verdicts) {
    assert.ok(reasons.length === 2 && reasons[0].p <= reasons[1].p)
    for (const reason of reasons)
      assert.equal(reason.p <= alpha, reason.score > reason.threshold, JSON.stringify(reason))
    assert.equal(action === 'accept', p > 0.05)
  }
  assert.equal(verdict?.p, Math.min(...verdicts.map(({ p }) => p)))
  const strange = (await it.run({ image: noise(50) })).verdicts ?? []
  assert.ok(strange.every(({ action }) => action === 'reject'))
  await it.close()
})

test('a score of NaN is indeterminate: outputs are withheld, the run does not throw', async () => {
  const broken = changing((session) => ({
    async run(feeds, options) {
      const results = await session.run(feeds, options)
      const score = results['hardpack.score.mahalanobis']
      if (score.data.length > 2) score.data[1] = Number.NaN
      return results
    },
  }))
  for (const [bytes, withheld] of [
    [guarded, true],
    [await made(guardOf({ policy: { withhold: 'never' } })), false],
  ] as const) {
    const it = await opened(bytes, { targets: [broken] })
    const { verdict, verdicts, outputs } = await it.run({ image: images(4, 0) })
    assert.equal(verdict?.action, 'indeterminate')
    assert.deepEqual(
      verdicts?.map(({ action }) => action === 'indeterminate'),
      [false, true, false, false],
    )
    assert.ok(Number.isNaN(verdict?.p) && verdict?.degraded)
    assert.deepEqual([verdict?.withheld, Object.keys(outputs)], [withheld, withheld ? [] : ['logits']])
    await it.close()
  }
})

test('an app may have outputs withheld from an earlier action on', async () => {
  for (const [withhold, withheld] of [
    ['indeterminate', false],
    ['reject', true],
    ['flag', true],
  ] as const) {
    const it = await opened(guarded, { guard: { withhold } })
    const { verdict, outputs } = await it.run({ image: noise(1) })
    assert.deepEqual(
      [verdict?.action, verdict?.withheld, Object.keys(outputs).length === 0],
      ['reject', withheld, withheld],
    )
    assert.equal((await it.run({ image: images(1, 4000) })).verdict?.withheld, false)
    await it.close()
  }
  await assert.rejects(opened(guarded, { guard: { withhold: 'never' } }), { code: 'INVALID_ARGUMENT' })
})

test('a cascade runs the costly pass for those samples only that lie in its band', async () => {
  const detectors = [
    { kind: 'max-softmax' },
    { kind: 'mahalanobis' },
    { kind: 'feature-squeezing', range: [0, 1] },
  ] as const
  const bytes = await made(guardOf({ detectors, band: [0.02, 0.4] }))
  const rows: number[] = []
  let fails = false
  const counting = changing((session, index) =>
    index !== 1
      ? {}
      : {
          async run(feeds, options) {
            rows.push(feeds.image.shape[0])
            if (fails) throw new HardpackError('TARGET_FAILED', 'The pass expected to work, got a fault.')
            return session.run(feeds, options)
          },
        },
  )
  const it = await opened(bytes, { targets: [counting] })
  rows.length = 0
  const batch = images(200, 5000)
  const { verdicts = [] } = await it.run({ image: batch })
  const ran = verdicts.map(({ reasons }) => reasons.length === 3)
  const count = ran.filter(Boolean).length
  assert.deepEqual(rows, [count])
  assert.ok(count > 10 && count < 120, `${count} of 200`)
  // One by one, on a guard that sees them alone: the same p-values.
  for (const sample of [ran.indexOf(true), ran.indexOf(false), 17]) {
    const alone = (await it.run({ image: rowsOf(batch, [sample]) })).verdict
    assert.ok(Math.abs((alone?.p ?? 0) - verdicts[sample].p) < 0.01)
  }
  fails = true
  const broken = (await it.run({ image: batch })).verdicts ?? []
  for (const [i, { action, withheld, degraded }] of broken.entries()) {
    assert.equal(action === 'indeterminate', ran[i])
    if (ran[i]) assert.ok(withheld && /Tier 1 of the guard failed: .*a fault/.test(degraded ?? ''))
    else assert.equal(action, verdicts[i].action)
  }
  await it.close()
})

test('a target without a calibration of its own says so until it is recalibrated', async () => {
  const it = await opened(guarded, { targets: [wasm()] })
  assert.match((await it.run({ image: images(1, 0) })).verdict?.degraded ?? '', /calibrated on node, not on wasm/)
  const kept = it.guard?.export()
  it.guard?.import(JSON.parse(JSON.stringify(kept)))
  assert.match(it.guard?.report().degraded ?? '', /calibrated on node/, 'a state does not hide it')
  const frames = [{ image: images(150, 2000) }]
  await assert.rejects(it.guard!.recalibrate(frames), { message: /at least 200 trusted frames, got 150/ })
  await assert.rejects(it.guard!.recalibrate([{ image: images(250, 2000) }], { alpha: 0.01 }), {
    message: /flag expected a rate from 0\.05/,
  })
  await it.guard!.recalibrate([{ image: images(250, 2000) }], { alpha: 0.1 })
  const { verdict } = await it.run({ image: images(1, 0) })
  assert.deepEqual([verdict?.alpha, verdict?.degraded], [0.1, undefined])
  assert.deepEqual([it.guard?.report().recalibrated, it.guard?.report().samples], [true, 125])
  const state = JSON.parse(JSON.stringify(it.guard?.export()))
  const again = await opened(guarded, { targets: [wasm()] })
  again.guard?.import(state)
  assert.deepEqual(again.guard?.export(), it.guard?.export())
  for (const [change, message] of [
    [{ target: 'node' }, /another package or target/],
    [{ manifest: '00' }, /another package or target/],
    [{ tables: [state.tables[0]] }, /2 tables, got 1/],
    [{ tables: [state.tables[0], [...state.tables[1]].reverse()] }, /ascend/],
    [{ combined: state.combined.map((value: number, i: number) => (i === 3 ? null : value)) }, /finite/],
    [{ combined: [] }, /at least one/],
    [{ combined: 'x' }, /lists of numbers/],
    [{ flag: null }, /a rate to flag/],
    [{ monitor: { ...state.monitor, bets: [1, 1, 1] } }, /bets/],
  ] as const) {
    assert.throws(() => again.guard?.import({ ...state, ...change }), { code: 'INVALID_ARGUMENT', message })
  }
  assert.throws(() => again.guard?.import(undefined as never), { code: 'INVALID_ARGUMENT' })
  assert.deepEqual(again.guard?.export(), it.guard?.export(), 'what was refused changed nothing')
  await Promise.all([it.close(), again.close()])
})

test('a stream that changes drifts, a clean one does not', async () => {
  const it = await opened(guarded)
  for (let i = 0; i < 5; i++) await it.run({ image: images(200, 5000 + 200 * i) })
  assert.equal(it.guard?.monitor, 'ok')
  for (let i = 0; i < 5; i++) {
    const batch = images(200, 6000 + 200 * i)
    await it.run({ image: { ...batch, data: (batch.data as Float32Array).map((value) => 0.3 + 0.7 * value) } })
  }
  assert.equal(it.guard?.monitor, 'drift')
  await it.close()
})

test('a device adds a class: it is flagged less, and the graph scores as the reference does', async () => {
  const set = (from: number, to: number): SampleSet => subset(digits(2600, 0), known(from, to))
  const bytes = await made(
    guardOf({ fit: set(0, 1200), calibrate: set(1200, 2200), room: 1, detectors: [{ kind: 'mahalanobis', rank: 32 }] }),
  )
  const outputs: Record<string, Tensor>[] = []
  const seeing = changing((session) => ({
    async run(feeds, { signal } = {}) {
      // All outputs: the guard itself asks for the features of a class only when it learns one.
      const results = await session.run(feeds, { signal })
      outputs.push(results)
      return results
    },
  }))
  const it = await opened(bytes, { targets: [seeing] })
  const eights = Array.from(labels.keys()).filter((i) => labels[i] === 8)
  const image = (rows: number[]) => ({ image: rowsOf(images(2600, 0), rows) })
  const mean = async (): Promise<number> => {
    const scores = (await it.guard!.scores(image(eights.slice(100))))[0]
    return scores.reduce((sum, score) => sum + score, 0) / scores.length
  }
  const before = await mean()
  await assert.rejects(it.guard!.addClass('8', [image(eights.slice(0, 1))]), { message: /at least 2 samples/ })
  await assert.rejects(it.guard!.addClass('7', [image(eights.slice(0, 9))]), { message: /a name of its own/ })
  await it.guard!.addClass('8', [image(eights.slice(0, 50)), image(eights.slice(50, 100))])
  await assert.rejects(it.guard!.addClass('9', [image(eights.slice(0, 9))]), { code: 'LIMIT_EXCEEDED' })
  const after = await mean()
  assert.ok(after < 0.7 * before, `${before} → ${after}`)
  assert.match((await it.run(image([0]))).verdict?.degraded ?? '', /class was added/)
  // The same detector, from what is stored of it, scored without the graph.
  const { learned } = JSON.parse(JSON.stringify(it.guard!.export()))
  const typed = Object.entries(learned.tensors as Record<string, { shape: number[]; data: number[] }>).map(
    ([name, { shape, data }]) => [
      name,
      name === 'basis' || name === 'means'
        ? { dtype: 'float16', shape, data: Uint16Array.from(data) }
        : { dtype: 'float32', shape, data: Float32Array.from(data) },
    ],
  )
  const { manifest } = (await unpackGraphs(bytesSource(bytes), { trust: 'unsigned' })).opened
  const detector = detectorOfRoom(
    { ...manifest.guard!.room!, classes: learned.classes, counts: learned.counts },
    Object.fromEntries(typed),
  )
  await it.guard!.scores(image(eights.slice(100)))
  const { [ROOM_FEATURES]: features, 'hardpack.score.mahalanobis': scores } = outputs.at(-1)!
  const [rows, columns] = features.shape
  const expected = scoreMahalanobis(detector, { rows, columns, data: features.data as Float32Array })
  for (const [i, score] of expected.entries())
    assert.ok(Math.abs(Number(scores.data[i]) - score) <= 1e-4 * score, `${scores.data[i]} ${score}`)
  // And kept for the next time.
  const again = await opened(bytes)
  const state = JSON.parse(JSON.stringify(it.guard!.export()))
  again.guard!.import(state)
  assert.match(again.guard!.report().degraded ?? '', /class was added/)
  const [restored] = await again.guard!.scores(image(eights.slice(100)))
  assert.deepEqual([...restored], [...scores.data].map(Number))
  const bad = (change: object) => ({ ...state, learned: { ...state.learned, ...change } })
  for (const change of [
    { counts: [1] },
    { classes: 'x' },
    { tensors: {} },
    { tensors: { ...state.learned.tensors, center: { shape: [2], data: [0, 0] } } },
  ]) {
    assert.throws(() => again.guard!.import(bad(change)), { code: 'INVALID_ARGUMENT' })
  }
  const without = await opened(guarded)
  await assert.rejects(without.guard!.addClass('8', [image(eights)]), { message: /room for classes, got one without/ })
  await Promise.all([it.close(), again.close(), without.close()])
})

test('an attack on a model of a fixed batch, with room for classes, makes what one on any batch makes', async () => {
  const single = readModel(model)
  for (const value of [...single.graph.input, ...single.graph.output]) {
    const [batch] = value.type!.tensorType!.shape!.dim
    batch.dimParam = ''
    batch.dimValue = 1
  }
  const detectors = [{ kind: 'mahalanobis', rank: 16 }] as const
  const few = { fit: digits(200, 0), calibrate: digits(120, 1000), detectors, room: 1 }
  const some = digits(5, 3000)
  const results = []
  for (const file of [model, writeModel(single)]) {
    const { bytes } = await pack(file, { name: 'd', effort: 'fast', guard: guardOf(few), second: node({ threads: 1 }) })
    const victim = await openVictim(bytesSource(bytes), { trust: 'unsigned', samples: some })
    const images = await imagesOf(some, victim)
    const labels = await labelsOf(some, victim, images)
    assert.equal(victim.withoutGradient, undefined)
    const { adversarial, answers } = await runAttack('fgsm', victim, images, labels, { epsilon: 0.1, threshold: 10 })
    results.push({ data: adversarial.data, logits: answers.logits })
    assert.ok(adversarial.data.some((value, i) => Math.abs(value - images.data[i]) > 0.05))
    await victim.close()
  }
  const [a, b] = results
  assert.ok(a.data.filter((value, i) => Math.abs(value - b.data[i]) > 1e-3).length < 0.01 * a.data.length)
})
