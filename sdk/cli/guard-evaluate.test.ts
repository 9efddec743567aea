import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseArgs } from 'node:util'
import { changed, pngOf, subset } from '../pack/samples/index.ts'
import { type Io, UsageError } from './command.ts'
import { EVALUATE_HELP, EVALUATE_OPTIONS, evaluateFiles, evaluatePlan, type GuardedModel } from './guard-evaluate.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
  for (const [name, values] of [
    ['clean', [10, 20, 30, 40]],
    ['other', [200, 210]],
  ] as const) {
    await mkdir(join(folder, name))
    for (const value of values) {
      const rgba = Uint8Array.from({ length: 16 }, (_, i) => (i % 4 === 3 ? 255 : value))
      await writeFile(join(folder, name, `${value}.png`), pngOf({ width: 2, height: 2, rgba }))
    }
  }
})
after(() => rm(folder, { recursive: true, force: true }))

/** Bright pictures are strange to it. */
const model: GuardedModel = {
  name: 'lamps',
  input: { name: 'image', dtype: 'float32', shape: ['n', 3, 2, 2] },
  calibrated: 199,
  judge: async ({ data, shape }) =>
    Array.from({ length: shape[0] }, (_, i) => {
      const score = Number(data[12 * i])
      const p = score > 0.5 ? 0.005 : 0.5
      return { action: p < 0.05 ? 'reject' : 'accept', p, reasons: [{ detector: 'lamp', score, p }] }
    }),
  attack: async ({ names, stream }, clean) =>
    names.map((name) => {
      const brighter = changed(clean, name, (pixels) => pixels.map((pixel) => pixel + 150))
      const online = stream === undefined ? {} : { [`${name} online`]: subset(brighter, [0]) }
      return {
        outcome: { name, aim: 'led the model astray', count: 3, of: 4 },
        sets: { [name]: brighter, ...online },
      }
    }),
}

const plan = (...args: string[]) => evaluatePlan(parseArgs({ args, options: EVALUATE_OPTIONS, allowPositionals: true }))

function recorder(json = false): Io & { lines: string[] } {
  const lines: string[] = []
  const { signal } = new AbortController()
  return { lines, json, signal, out: (line) => lines.push(line), note: () => {}, onProgress: () => {} }
}

test('from folders to tables, JSON and a report', async () => {
  const report = join(folder, 'report.html')
  const sets = [
    '--clean',
    join(folder, 'clean'),
    '--ood',
    `bright=${join(folder, 'other')}`,
    '--outliers',
    '--attack',
    'pgd',
  ]
  const io = recorder()
  const evaluation = await evaluateFiles(plan(...sets, '--shift', '--report', report, '--alpha', '0.1'), model, io)
  assert.deepEqual(
    evaluation.sets.map(({ name, kind, rows }) => [name, kind, rows[0].detected[0].share]),
    [
      ['bright', 'ood', 1],
      ['uniform noise', 'ood', evaluation.sets[1].rows[0].detected[0].share],
      ['inverted', 'ood', 1],
      ['rotated 90°', 'ood', 0],
      ['pgd', 'attack', 1],
    ],
  )
  assert.equal(evaluation.shifts.length, 10)
  assert.match(io.lines[0], /^clean inputs, false alarms in %/)
  const page = await readFile(report, 'utf8')
  assert.match(page, /<h1>lamps<\/h1>/)
  assert.match(page, /led the model astray<\/td><td class="n">3 of 4</)
  assert.match(io.lines[0], /^pgd +led the model astray +3 of 4 +75\.0$/m)
  assert.match(page, /data:image\/png/)
  const json = recorder(true)
  const same = await evaluateFiles(plan(...sets, '--stream', '1'), model, json)
  assert.deepEqual(JSON.parse(json.lines[0]), same)
  assert.deepEqual([same.sets[5].name, same.sets[5].count], ['pgd online', 1])
  const { low, high, ...attack } = same.attacks[0]
  assert.deepEqual(attack, { name: 'pgd', aim: 'led the model astray', count: 3, of: 4, share: 0.75 })
  assert.ok(low < 0.75 && high > 0.75)
  assert.deepEqual(same.alphas, [0.05, 0.01])
})

test('mistakes in the call are told before anything is opened', async () => {
  for (const [args, message] of [
    [[], /expected --clean/],
    [['--clean', 'a', '--alpha', '0.05,2'], /--alpha expected numbers between 0 and 1, got "0\.05,2"/],
    [['--clean', 'a', '--attack', 'pgd,,cw'], /--attack expected words/],
    [['--clean', 'a', '--limit', '0'], /--limit expected an integer from 1 on, got "0"/],
    [['--clean', 'a', '--seed', 'x'], /--seed expected an integer/],
    [['--clean', 'a', '--ood', 'b'], /--ood expected name=value/],
    [['--clean', 'a', '--stream', '5'], /--stream expected an --attack/],
    [['--clean', 'a', '--epsilon', '0.1'], /--epsilon expected an --attack/],
    [['--clean', 'a', '--attack', 'pgd', '--epsilon', '0'], /--epsilon expected a number above 0, got "0"/],
    [['--clean', 'a', '--attack', 'pgd', '--stream', 'all'], /--stream expected an integer from 1 on, got "all"/],
    [['--clean', 'a', '--attack', 'magic'], /--attack expected some of fgsm, .*adaptive, got "magic"/],
    [['--clean', 'a', '--target', 'tpu'], /--target expected node, wasm, webgpu, got "tpu"/],
    [['--clean', 'a', '--preprocess', 'range=1'], /--preprocess: .*got "range=1"/],
  ] as const) {
    assert.throws(() => plan(...args), { name: 'Error', message })
    assert.throws(() => plan(...args), UsageError)
  }
  const nowhere = plan('--clean', join(folder, 'clean'), '--report', join(folder, 'no', 'r.html'))
  await assert.rejects(evaluateFiles(nowhere, model, recorder()), { code: 'IO' })
})

test('every option has its line of help', () => {
  const names = EVALUATE_HELP.map((line) => /^--(\S+)/.exec(line)?.[1])
  assert.deepEqual(names, Object.keys(EVALUATE_OPTIONS))
})
