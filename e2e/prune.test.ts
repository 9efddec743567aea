/** Pruning on the command line, on real digits: what comes out is checked by itself, run on every target, and judged by its labels. */

import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { findChromium } from '../sdk/cli/chromium.ts'
import { makeGraph, makeModel, makeNode, makeTensor, makeValue, readModel, writeModel } from '../sdk/onnx/index.ts'
import { node } from '../targets/node.ts'
import { type Result, runHardpack } from './command-line.ts'
import { readDigits } from './models/digits.ts'
import { npy } from './npy.ts'

const MNIST = fileURLToPath(new URL('../../e2e/models/mnist-cnn.onnx', import.meta.url))
const digits = (count: number, from: number) => npy([count, 1, 28, 28], readDigits(count, from).images)

let folder = ''
const at = (name: string): string => join(folder, name)
const hardpack = (...args: string[]): Promise<Result> => runHardpack(folder, args)

async function said(...args: string[]): Promise<Result> {
  const result = await hardpack(...args)
  assert.equal(result.status, 0, result.stderr)
  return result
}

const json = async (...args: string[]) => JSON.parse((await said(...args, '--json')).stdout)

/** A linear layer: its inputs are the model's, and its outputs too. */
function linear(inputs: readonly string[]): Uint8Array {
  const weight = makeTensor('w', { dtype: 'float32', shape: [4, 3], data: new Float32Array(12).fill(1) })
  const sum = inputs.slice(1).map((name, i) => makeNode('Add', [i === 0 ? inputs[0] : `s${i - 1}`, name], [`s${i}`]))
  const last = sum.length > 0 ? `s${sum.length - 1}` : inputs[0]
  return writeModel(
    makeModel(
      makeGraph('g', {
        nodes: [...sum, makeNode('MatMul', [last, 'w'], ['y'])],
        inputs: inputs.map((name) => makeValue(name, 'float32', ['n', 4])),
        outputs: [makeValue('y', 'float32', ['n', 3])],
        initializers: [weight],
      }),
    ),
  )
}

/** Two hidden units, neither of which can go unnoticed. */
function narrow(): Uint8Array {
  const weight = (name: string, shape: [number, number], values: number[]) =>
    makeTensor(name, { dtype: 'float32', shape, data: Float32Array.from(values) })
  return writeModel(
    makeModel(
      makeGraph('g', {
        nodes: [
          makeNode('MatMul', ['x', 'a'], ['h']),
          makeNode('Relu', ['h'], ['r']),
          makeNode('MatMul', ['r', 'b'], ['y']),
        ],
        inputs: [makeValue('x', 'float32', ['n', 4])],
        outputs: [makeValue('y', 'float32', ['n', 3])],
        initializers: [weight('a', [4, 2], [1, -1, -1, 1, 1, 1, -1, 1]), weight('b', [2, 3], [1, -1, 0.2, -1, 1, 0.2])],
      }),
    ),
  )
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
  await Promise.all([
    writeFile(at('digits.npy'), digits(300, 0)),
    writeFile(at('many.npy'), digits(800, 0)),
    writeFile(at('wide.npy'), npy([20, 1, 30, 30], new Float32Array(20 * 900))),
    writeFile(
      at('rows.npy'),
      npy(
        [20, 4],
        Float32Array.from({ length: 80 }, (_, i) => Math.sin(i)),
      ),
    ),
    writeFile(at('linear.onnx'), linear(['x'])),
    writeFile(at('two.onnx'), linear(['x', 'z'])),
    writeFile(at('narrow.onnx'), narrow()),
  ])
})
after(() => rm(folder, { recursive: true, force: true }))

test('a pruned model packs, verifies and answers alike on every target; the report is written', async () => {
  const asked = ['--prune', 'flops=0.5', '--prune-samples', 'digits.npy', '--report', 'pruned.html']
  const packed = await json('pack', MNIST, '-o', 'pruned.hpk', ...asked)
  const { prune } = packed
  assert.ok(prune.budget.reached <= 0.5 && prune.cost.after.macs <= prune.cost.before.macs / 2)
  assert.ok(prune.agreement.disagreement < 0.03, `${prune.agreement.disagreement}`)
  assert.equal(prune.bytes.onnx[1], packed.bytes.raw)
  assert.ok(prune.latency.after.milliseconds > 0)
  assert.deepEqual(JSON.parse(await readFile(at('pruned.json'), 'utf8')), prune)
  assert.match(await readFile(at('pruned.html'), 'utf8'), /<h1>mnist-cnn<\/h1>/)

  assert.equal((await json('verify', 'pruned.hpk')).valid, true)
  const targets = 'path' in findChromium() ? 'node,wasm,webgpu' : 'node'
  const { targets: rows } = await json('parity', 'pruned.hpk', '--targets', targets)
  for (const row of rows) assert.equal(row.withinTolerance, true, JSON.stringify(row))
  assert.equal(rows.length, targets.split(',').length)
})

test('pruned anew it is the same file, plain ONNX, and it still reads digits', async () => {
  const { stdout, stderr } = await said(
    'pack',
    MNIST,
    '-o',
    'pruned.onnx',
    '--prune',
    'flops=0.5',
    '--calibrate',
    'digits.npy',
  )
  assert.match(stdout, /^pruned\.onnx: 246,546 → [\d,]+ bytes of ONNX$/m)
  assert.match(stderr, /^Asked to keep 50 % of the MACs, and kept \d\d\.\d %\.$/m)
  await said('unpack', 'pruned.hpk', '-o', 'again.onnx')
  const file = await readFile(at('pruned.onnx'))
  assert.deepEqual(await readFile(at('again.onnx')), file)
  assert.deepEqual(
    readModel(file).graph.node.map(({ opType }) => opType),
    readModel(await readFile(MNIST)).graph.node.map(({ opType }) => opType),
  )
  const { images, labels } = readDigits(1000, 5000)
  const session = await node({ threads: 1 }).create({ model: file })
  const { logits } = await session.run({ image: { dtype: 'float32', shape: [1000, 1, 28, 28], data: images } })
  await session.close()
  const best = (row: number): number => {
    const values = Array.from(logits.data.subarray(10 * row, 10 * row + 10) as Float32Array)
    return values.indexOf(Math.max(...values))
  }
  const right = [...labels].filter((label, row) => best(row) === label).length
  assert.ok(right >= 950, `${right} of 1000 digits`)
})

test('with --calibrate the guard is of the pruned model', async () => {
  const asked = ['--prune', 'params=0.5', '--calibrate', 'many.npy', '--effort', 'fast']
  const { prune, guard } = await json('pack', MNIST, '-o', 'guarded.hpk', ...asked)
  assert.ok(prune.budget.reached <= 0.5)
  assert.equal(prune.samples, 400, 'those that the guard is fitted on')
  assert.equal(guard.calibrations[0].samples, 200)
  assert.equal((await json('verify', 'guarded.hpk')).valid, true)
})

test('a size in bytes is that of the package', async () => {
  const asked = ['--prune', 'bytes=100kB', '--prune-samples', 'digits.npy']
  const { prune } = await json('pack', MNIST, '-o', 'small.hpk', ...asked)
  const { size } = await stat(at('small.hpk'))
  assert.ok(size <= 100_000 && size > 80_000, `${size}`)
  assert.ok(Math.abs(prune.bytes.packed[1] - size) < 500, 'the report packs fast')
})

test('a share of the latency is measured; without samples there is a warning', async () => {
  const { status, stdout, stderr } = await hardpack(
    'pack',
    MNIST,
    '-o',
    'fast.onnx',
    '--prune',
    'latency=0.85',
    '--json',
  )
  assert.equal(status, 0, stderr)
  const { prune } = JSON.parse(stdout)
  assert.ok(prune.budget.reached <= 0.87 && prune.budget.reached === prune.latency.after.ratio)
  assert.match(stderr, /^Warning: Pruned on synthetic pictures, which is worse than on samples of your own/m)
})

test('what cannot be done is said in one sentence, and no file is written', async () => {
  const files = await readdir(folder)
  const samples = ['--prune-samples', 'digits.npy']
  const calls: [number, RegExp, ...string[]][] = [
    [
      1,
      /expected a budget that the model can meet, at least \d+\.\d % of it, got 0\.1 %\./,
      MNIST,
      '--prune',
      'flops=0.001',
      ...samples,
    ],
    [
      1,
      /expected less than the [\d,]+ bytes that the model is packed to unpruned, got 5,000,000 bytes\./,
      MNIST,
      '--prune',
      'bytes=5MB',
      ...samples,
    ],
    [
      1,
      /expected a model with channels that can go, got none/,
      'linear.onnx',
      '--prune',
      'flops=0.5',
      '--prune-samples',
      'rows.npy',
    ],
    [1, /expected a model with one input, got 2: x, z\./, 'two.onnx', '--prune', 'flops=0.5'],
    [
      1,
      /expected an input that takes pictures.* Give samples of your own, on the command line with --prune-samples\./,
      'linear.onnx',
      '--prune',
      'flops=0.5',
    ],
    [
      1,
      /"wide\.npy" expected samples for input "image" of float32\[batch,1,28,28\], got float32\[20,1,30,30\]\./,
      MNIST,
      '--prune',
      'flops=0.5',
      '--prune-samples',
      'wide.npy',
    ],
    [
      1,
      /expected to differ from the original on at most 0\.0 % of 20 samples, got more with the smallest saving\./,
      'narrow.onnx',
      '--prune',
      'flops=0.6',
      '--max-disagreement',
      '0',
      '--align',
      '1',
      '--prune-samples',
      'rows.npy',
    ],
    [2, /--prune: A budget expected flops, params, bytes or latency .*, got "flops=2"\./, MNIST, '--prune', 'flops=2'],
    [2, /--align expected --prune with a budget, got none\./, MNIST, '--align', '8'],
    [2, /--align expected a whole number from 1 to 64, got "0"\./, MNIST, '--prune', 'flops=0.5', '--align', '0'],
    [2, /--method expected default or paper, got "other"\./, MNIST, '--prune', 'flops=0.5', '--method', 'other'],
    [
      2,
      /--max-disagreement expected a share from 0 to 1, got "2"\./,
      MNIST,
      '--prune',
      'flops=0.5',
      '--max-disagreement',
      '2',
    ],
  ]
  for (const [expected, sentence, ...args] of calls) {
    const { status, stdout, stderr } = await hardpack('pack', ...args, '-o', 'never.hpk', '--report', 'never.html')
    assert.deepEqual([status, stdout], [expected, ''], `${args.join(' ')}: ${stderr}`)
    assert.match(stderr, sentence)
    assert.doesNotMatch(stderr, /unexpected/)
  }
  const plain = await hardpack('pack', MNIST, '-o', 'never.onnx', '--prune', 'flops=0.5', '--key', 'k')
  assert.match(plain.stderr, /--key expected a package to write, got -o with an ONNX file\./)
  assert.deepEqual(await readdir(folder), files)
})
