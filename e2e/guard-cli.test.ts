/** The guard on the command line, on real digits: packed, inspected, run, verified, compared and evaluated. */

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Result, runHardpack } from './command-line.ts'
import { readDigits } from './models/digits.ts'
import { npy } from './npy.ts'

const MNIST = fileURLToPath(new URL('../../e2e/models/mnist-cnn.onnx', import.meta.url))

let folder = ''

const hardpack = (...args: string[]): Promise<Result> => runHardpack(folder, args)

async function said(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await hardpack(...args)
  assert.equal(status, 0, stderr)
  return stdout
}

const json = async (...args: string[]) => JSON.parse(await said(...args, '--json'))

const digits = (count: number, from: number) => npy([count, 1, 28, 28], readDigits(count, from).images)

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
  await Promise.all([
    writeFile(join(folder, 'clean.npy'), digits(800, 0)),
    writeFile(join(folder, 'held.npy'), digits(100, 5000)),
    writeFile(join(folder, 'three.npy'), digits(3, 7001)),
    writeFile(join(folder, 'few.npy'), digits(40, 0)),
    writeFile(
      join(folder, 'noise.npy'),
      npy(
        [1, 1, 28, 28],
        Float32Array.from({ length: 784 }, (_, i) => ((i * 7919) % 97) / 97),
      ),
    ),
  ])
  await said('pack', MNIST, '-o', 'plain.hpk', '--effort', 'fast')
  await said('pack', MNIST, '-o', 'guarded.hpk', '--effort', 'fast', '--calibrate', 'clean.npy', '--room', '2')
})
after(() => rm(folder, { recursive: true, force: true }))

test('run prints what the guard says, and --json holds it', async () => {
  const three = await said('run', 'guarded.hpk', '--input', 'image=three.npy')
  const line =
    /^verdict \d: (accept|flag|reject), p \d\.\d+ \(α 0\.05\); (mahalanobis|max-softmax) \S+, threshold \S+$/gm
  assert.equal(three.match(line)?.length, 3, three)
  const { verdict, verdicts, outputs } = await json('run', 'guarded.hpk', '--input', 'image=noise.npy')
  assert.equal(verdict.action, 'reject')
  assert.deepEqual(verdicts, [verdict])
  assert.equal(verdict.reasons.length, 2)
  const plain = await json('run', 'plain.hpk', '--input', 'image=noise.npy')
  assert.deepEqual([plain.outputs, plain.verdict], [outputs, undefined])
})

test('inspect: what the guard is made of; each weight once', async () => {
  const plain = await json('inspect', 'plain.hpk')
  const it = await json('inspect', 'guarded.hpk')
  assert.equal(plain.guard, null)
  assert.deepEqual(it.tensors, plain.tensors)
  assert.deepEqual(it.weights, plain.weights)
  const { detectors, tiers, calibrations, policy, room, tensors } = it.guard
  assert.deepEqual(
    detectors.map(({ name, tier }: { name: string; tier: number }) => [name, tier]),
    [
      ['max-softmax', 0],
      ['mahalanobis', 0],
    ],
  )
  assert.deepEqual(tiers, [{ graph: 'guarded', low: 0, high: 1 }])
  assert.deepEqual(
    calibrations.flatMap(({ targets }: { targets: string[] }) => targets),
    ['node', 'wasm'],
  )
  assert.equal(calibrations[0].samples, 200)
  assert.deepEqual([policy.flag, policy.reject, policy.withhold, room], [0.05, 0.01, 'indeterminate', 2])
  const names = new Set(it.tensors.map(({ name }: { name: string }) => name))
  assert.ok(tensors.every(({ name }: { name: string }) => !names.has(name)))
  const text = await said('inspect', 'guarded.hpk')
  assert.match(text, /^detector mahalanobis: variant concat, .*rank \d+/m)
  assert.match(text, /^calibrated on .*: p-values from 200 clean samples$/m)
  assert.match(text, /^policy: flag 0\.05, reject 0\.01, combined by simes, outputs withheld from: indeterminate$/m)
  assert.match(text, /^room for classes: 2$/m)
  assert.doesNotMatch(text, /repeat/)
})

test('verify, unpack and parity take a package with a guard', async () => {
  assert.equal((await json('verify', 'guarded.hpk')).valid, true)
  await said('unpack', 'guarded.hpk', '-o', 'again.onnx')
  assert.deepEqual(await readFile(join(folder, 'again.onnx')), await readFile(MNIST))
  const [row] = (await json('parity', 'guarded.hpk', '--targets', 'node')).targets
  assert.equal(row.withinTolerance, true)
})

test('guard evaluate: false alarms, outliers, attacks, changes and a report', async () => {
  const asked = ['--clean', 'held.npy', '--outliers', '--attack', 'pgd', '--attacked', '40', '--epsilon', '0.2']
  const evaluation = await json(
    'guard',
    'evaluate',
    'guarded.hpk',
    ...asked,
    '--stream',
    '5',
    '--shift',
    '--report',
    'r.html',
  )
  const [attack] = evaluation.attacks
  assert.deepEqual([attack.name, attack.aim, attack.of], ['pgd', 'led the model astray', 40])
  assert.ok(attack.count > 20, `PGD of 0.2 leads a plain network astray, got ${attack.count}`)
  const sets = new Map<string, { count: number; rows: { detected: { share: number }[] }[] }>(
    evaluation.sets.map((set: { name: string }) => [set.name, set]),
  )
  assert.equal(sets.get('pgd')?.count, attack.count)
  const online = [...sets.keys()].find((name) => /^pgd, \d of 40 frames online$/.test(name))
  assert.ok(online && (sets.get(online)?.count ?? 9) <= 5, [...sets.keys()].join())
  assert.equal(sets.get('uniform noise')?.rows[0].detected[0].share, 1)
  assert.ok(evaluation.clean.rows[0].alarms[0].share < 0.15)
  assert.equal(evaluation.shifts.length, 10)
  const page = await readFile(join(folder, 'r.html'), 'utf8')
  assert.match(page, new RegExp(`led the model astray</td><td class="n">${attack.count} of 40<`))
  const text = await said(
    'guard',
    'evaluate',
    'guarded.hpk',
    '--clean',
    'held.npy',
    '--limit',
    '30',
    '--target',
    'wasm',
  )
  assert.match(text, /^guard as a whole +30 /m)
})

test('mistakes are told in one sentence: of the call with 2, of the files with 1', async () => {
  const calls: [number, RegExp, ...string[]][] = [
    [2, /expected "evaluate" and one package, got "judge"/, 'guard', 'judge'],
    [1, /expected a package with a guard, got one without/, 'guard', 'evaluate', 'plain.hpk', '--clean', 'held.npy'],
    [1, /got "missing\.npy"/, 'guard', 'evaluate', 'guarded.hpk', '--clean', 'missing.npy'],
    [2, /--flag expected --calibrate/, 'pack', MNIST, '-o', 'n.hpk', '--flag', '0.1'],
    [
      2,
      /--flag expected a rate between 0 and 1, got "2"/,
      'pack',
      MNIST,
      '-o',
      'n.hpk',
      '--calibrate',
      'few.npy',
      '--flag',
      '2',
    ],
    [2, /--band expected two p-values/, 'pack', MNIST, '-o', 'n.hpk', '--calibrate', 'few.npy', '--band', '0.5'],
    [1, /at least 197 clean samples to calibrate on, got 20/, 'pack', MNIST, '-o', 'n.hpk', '--calibrate', 'few.npy'],
  ]
  for (const [expected, sentence, ...args] of calls) {
    const { status, stdout, stderr } = await hardpack(...args)
    assert.deepEqual([status, stdout], [expected, ''], `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, sentence)
    assert.doesNotMatch(stderr, /unexpected/)
  }
})
