/**
 * The command line as a user or a script meets it: exit status, what goes to stdout and what to stderr, the fields of
 * `--json`, keys, damaged files, and one sentence for each kind of bad input.
 */

import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { crc32c, viewOf } from '../sdk/core/index.ts'
import {
  type GraphParts,
  type ModelOptions,
  makeGraph,
  makeModel,
  makeNode,
  makeTensor,
  makeValue,
  writeExternalData,
  writeModel,
} from '../sdk/onnx/index.ts'
import { type Result, runHardpack } from './command-line.ts'
import { readDigits } from './models/digits.ts'

const MNIST = fileURLToPath(new URL('../../e2e/models/mnist-cnn.onnx', import.meta.url))

let folder = ''

/** Runs `hardpack` in the folder of this test. */
const hardpack = (...args: string[]): Promise<Result> => runHardpack(folder, args)

/** Runs a command that must succeed, with `--json`: its one object. */
async function json(...args: string[]) {
  const { status, stdout, stderr } = await hardpack(...args, '--json')
  assert.equal(status, 0, stderr)
  assert.match(stdout, /^\{.*\}\n$/, 'one line of JSON')
  return JSON.parse(stdout)
}

/** Runs a command that must be refused: in one sentence, on stderr only, and without another file. */
async function refused(expected: RegExp, ...args: string[]): Promise<void> {
  const before = await listing()
  const { status, stdout, stderr } = await hardpack(...args)
  assert.equal(status, 1, stderr)
  assert.equal(stdout, '')
  const last = stderr.trim().split('\n').at(-1) ?? ''
  assert.match(last, expected)
  assert.match(last, new RegExp(`^hardpack ${args[0]}: .+\\.$`))
  assert.doesNotMatch(stderr, /unexpected|\n\s+at |undefined|onnxruntime_src/)
  assert.deepEqual(await listing(), before)
}

const listing = async (): Promise<string[]> => (await readdir(folder, { recursive: true })).sort()
const read = (name: string): Promise<Buffer> => readFile(join(folder, name))
const write = (name: string, contents: Uint8Array | string): Promise<void> => writeFile(join(folder, name), contents)

/** y = f(x, w) with `w` of 2 KiB, and whatever a test wants otherwise. */
function smallModel(operator = 'MatMul', options?: ModelOptions, parts?: Partial<GraphParts>): Uint8Array {
  const w = Float32Array.from({ length: 512 }, (_, i) => Math.sin(i))
  const graph = makeGraph('small', {
    nodes: [makeNode(operator, ['x', 'w'], ['y'])],
    inputs: [makeValue('x', 'float32', [1, 8])],
    outputs: [makeValue('y', 'float32', [1, 64])],
    initializers: [makeTensor('w', { dtype: 'float32', shape: [8, 64], data: w })],
    ...parts,
  })
  return writeModel(makeModel(graph, options))
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
  await write('small.onnx', smallModel())
  const made = await Promise.all([
    hardpack('keygen', '-o', 'release'),
    hardpack('keygen', '-o', 'other'),
    hardpack('pack', 'small.onnx', '-o', 'unsigned.hpk'),
  ])
  made.push(await hardpack('pack', 'small.onnx', '-o', 'signed.hpk', '--key', 'release.secret'))
  for (const { status, stderr } of made) assert.equal(status, 0, stderr)
})

after(() => rm(folder, { recursive: true, force: true }))

test('help is data; a wrong call is exit status 2, a sentence and the usage on stderr', async () => {
  const commands = ['pack', 'unlearn', 'inspect', 'verify', 'run', 'unpack', 'parity', 'keygen', 'doctor']
  const overview = await hardpack('--help')
  assert.deepEqual([overview.status, overview.stderr], [0, ''])
  for (const command of commands) {
    assert.match(overview.stdout, new RegExp(`^  ${command} `, 'm'))
    const { status, stdout, stderr } = await hardpack(command, '--help')
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, new RegExp(`^usage: hardpack ${command} .*--json`, 's'))
  }
  const wrong: [RegExp, ...string[]][] = [
    [/^hardpack: expected a command, got none\.\n\nusage: hardpack </],
    [/^hardpack: expected a command, got "frobnicate"\.\n\nusage: hardpack </, 'frobnicate'],
    [/^hardpack: expected a command, got "constructor"\./, 'constructor'],
    [/^hardpack pack: Unknown option '--frobnicate'\.\n\nusage: hardpack pack /, 'pack', 'small.onnx', '--frobnicate'],
    [/^hardpack pack: expected one ONNX file, got 0\.\n\nusage/, 'pack'],
    [/^hardpack verify: expected one package, got 2\./, 'verify', 'unsigned.hpk', 'signed.hpk'],
    [/^hardpack unpack: expected -o model\.onnx, got none\./, 'unpack', 'unsigned.hpk'],
    [/^hardpack pack: Option '-o, --output <value>' argument missing\./, 'pack', 'small.onnx', '-o'],
    [/^hardpack pack: --release expected a whole number, got "x"\./, 'pack', 'small.onnx', '--release', 'x'],
    [
      /^hardpack pack: --effort expected fast, default or best, got "turbo"\.\n\n/,
      'pack',
      'small.onnx',
      '--effort',
      'turbo',
    ],
    [/^hardpack run: --target expected node or wasm, got "tpu"\./, 'run', 'unsigned.hpk', '--target', 'tpu'],
    [/^hardpack parity: --targets expected some of node, wasm, webgpu, got "tpu"\./, 'parity', 'a', '--targets', 'tpu'],
  ]
  for (const [sentence, ...args] of wrong) {
    const { status, stdout, stderr } = await hardpack(...args)
    assert.deepEqual([status, stdout], [2, ''], args.join(' '))
    assert.match(stderr, sentence)
  }
})

test('--base: a package of differences takes its base everywhere, and says so where there is none', async () => {
  const w = Float32Array.from({ length: 512 }, (_, i) => Math.fround(Math.sin(i) * (i % 5 ? 1 : 1.001)))
  const next = { initializers: [makeTensor('w', { dtype: 'float32', shape: [8, 64], data: w })] }
  await write('next.onnx', smallModel('MatMul', undefined, next))
  const base = ['--base', 'unsigned.hpk']
  const packed = await json('pack', 'next.onnx', ...base, '--release', '2')
  assert.deepEqual([packed.base.name, packed.base.release], ['small', 1])
  const { stdout, stderr } = await hardpack('pack', 'small.onnx', '-o', 'alone.hpk')
  assert.match(stdout, /alone\.hpk/)
  assert.doesNotMatch(stderr, /base/)

  assert.equal((await json('verify', 'next.hpk', ...base)).valid, true)
  await json('unpack', 'next.hpk', '-o', 'again.onnx', '--base', 'signed.hpk')
  assert.deepEqual(await read('again.onnx'), await read('next.onnx'))
  assert.ok((await json('run', 'next.hpk', ...base)).outputs.y)
  assert.equal((await json('parity', 'next.hpk', '--targets', 'node', ...base)).targets[0].withinTolerance, true)
  assert.match((await hardpack('inspect', 'next.hpk')).stdout, /^base: small \(release 1\), manifest [0-9a-f]{64}$/m)

  const need = /expected its base "small" release 1 .*, got none\. Give that package as well/
  await refused(need, 'verify', 'next.hpk')
  await refused(need, 'run', 'next.hpk')
  await refused(need, 'unpack', 'next.hpk', '-o', 'never.onnx')
  await refused(need, 'parity', 'next.hpk', '--targets', 'node')
  for (const command of ['verify', 'run', 'inspect']) {
    await refused(/expected a manifest with SHA-256 /, command, 'next.hpk', '--base', 'next.hpk')
  }
  await refused(/expected a file that can be read, got "missing\.hpk"/, 'verify', 'next.hpk', '--base', 'missing.hpk')
  await refused(/stands alone, got one that needs "small"/, 'pack', 'small.onnx', '-o', 'c.hpk', '--base', 'next.hpk')
  await refused(/another file than the input/, 'pack', 'next.onnx', '-o', 'unsigned.hpk', ...base)
})

test('keygen: the secret file is its owner’s alone, keys are never overwritten, and neither file is the other', async () => {
  const { publicKey, files } = await json('keygen', '-o', 'third')
  assert.deepEqual(files, { secret: 'third.secret', public: 'third.public' })
  if (process.platform !== 'win32') assert.equal((await stat(join(folder, 'third.secret'))).mode & 0o777, 0o600)
  assert.equal((await read('third.public')).toString(), `${publicKey}\n`)
  assert.match((await read('third.secret')).toString(), /^hardpack-secret-key:[0-9a-f]{64}\n$/)
  const secret = await read('third.secret')
  await refused(/keygen expected a new name, got "third\.secret".*Choose another name/, 'keygen', '-o', 'third')
  assert.deepEqual(await read('third.secret'), secret)
  await refused(/got a public key\. Sign with the secret key\./, 'pack', 'small.onnx', '--key', 'third.public')
  await refused(/got a secret key\. Give the public key/, 'verify', 'signed.hpk', '--key', 'third.secret')
})

test('pack: sizes are data, the rest is notes; without a key it says that the file is unsigned', async () => {
  const { status, stdout, stderr } = await hardpack('pack', 'small.onnx', '-o', 'again.hpk')
  assert.equal(status, 0)
  const line =
    /^again\.hpk: [\d,]+ → [\d,]+ bytes, \d\.\d\d×, \d\d\.\d\d bits a weight, encoded in \d+\.\d s, effort default\n$/
  assert.match(stdout, line)
  assert.match(stderr, /^Unsigned: .*--key/m)
  assert.match(stderr, /^reference outputs …$/m)
  const signed = await hardpack('pack', 'small.onnx', '-o', 'signed-again.hpk', '--key', 'release.secret')
  assert.doesNotMatch(signed.stderr, /Unsigned/)
  assert.deepEqual(await read('again.hpk'), await read('unsigned.hpk'), 'the same model gives the same bytes')
  assert.deepEqual(await read('signed-again.hpk'), await read('signed.hpk'), 'signed too')
  const record = await json('pack', 'small.onnx', '-o', 'json.hpk', '--effort', 'fast')
  assert.deepEqual([record.output, record.effort], ['json.hpk', 'fast'])
  assert.ok(record.encodeMs > 0)
  assert.equal(record.bytes.packed, (await read('json.hpk')).length)
  assert.ok(record.agreement.maxAbsDiff <= record.agreement.tolerance)
})

test('inspect --json', async () => {
  const { length } = await read('signed.hpk')
  const publicKey = (await read('release.public')).toString().trim().split(':')[1]
  const { format, name, bytes, tensors, weights, graphs, inputs, outputs, signature } = await json(
    'inspect',
    'signed.hpk',
  )
  assert.deepEqual([format, name], ['hpk 1.0', 'small'])
  assert.deepEqual([bytes.raw, bytes.packed], [(await read('small.onnx')).length, length])
  assert.equal(bytes.sections.container + bytes.sections.graphs + bytes.sections.weights, length)
  assert.equal(tensors.length, 1)
  const { circuit, packedBytes, bitsPerWeight, orderZeroBytes, brotliBytes, ...tensor } = tensors[0]
  assert.deepEqual(tensor, { name: 'w', dtype: 'float32', shape: [8, 64], elements: 512, rawBytes: 2048 })
  assert.ok(typeof circuit === 'string' && packedBytes > 0)
  assert.deepEqual([bitsPerWeight, packedBytes], [packedBytes / 64, bytes.sections.weights])
  assert.ok(orderZeroBytes > 1536 && orderZeroBytes < 2048 && brotliBytes > 1536)
  assert.deepEqual(weights, { elements: 512, rawBytes: 2048, packedBytes, bitsPerWeight, orderZeroBytes, brotliBytes })
  assert.deepEqual([graphs.length, graphs[0].name, graphs[0].tensors], [1, 'main', 1])
  assert.deepEqual(inputs, [{ name: 'x', dtype: 'float32', shape: [1, 8] }])
  assert.deepEqual(outputs, [{ name: 'y', dtype: 'float32', shape: [1, 64] }])
  assert.deepEqual(signature, { signed: true, verifiedKeys: [publicKey] })
  assert.deepEqual((await json('inspect', 'unsigned.hpk')).signature, { signed: false, verifiedKeys: [] })
})

test('inspect: the tensors are data, and the stages that took time are notes', async () => {
  const { status, stdout, stderr } = await hardpack('inspect', 'signed.hpk')
  assert.deepEqual([status, stderr], [0, 'inspect …\ndecode …\nbrotli -11 …\n'])
  assert.match(stdout, /^tensor .* over order-0 +over brotli$/m)
  assert.match(stdout, /^w +float32 +8×64 +\S+ +[\d,]+ +\d\d\.\d\d +-?\d+\.\d % +-?\d+\.\d %$/m)
  assert.match(stdout, /^all 1 /m)
})

test('inspect tries brotli on large weights only when it is told to', async () => {
  const width = 520
  const w = Float32Array.from({ length: width * width }, (_, i) => Math.sin(i))
  await write(
    'large.onnx',
    smallModel(
      'MatMul',
      {},
      {
        inputs: [makeValue('x', 'float32', [1, width])],
        outputs: [makeValue('y', 'float32', [1, width])],
        initializers: [makeTensor('w', { dtype: 'float32', shape: [width, width], data: w })],
      },
    ),
  )
  const { status, stderr: reason } = await hardpack('pack', 'large.onnx', '-o', 'large.hpk')
  assert.equal(status, 0, reason)
  const quick = await hardpack('inspect', 'large.hpk')
  assert.doesNotMatch(quick.stdout, /brotli/)
  assert.match(quick.stderr, /^The gain over brotli -11 takes about 3 s for this model: --peers measures it\.$/m)
  assert.equal((await json('inspect', 'large.hpk')).weights.brotliBytes, undefined)
  assert.ok((await json('inspect', 'large.hpk', '--peers')).weights.brotliBytes > 500_000)
})

test('verify: the right key, as a file or as text; a wrong key and a missing signature are refused', async () => {
  const publicKey = (await read('release.public')).toString().trim()
  for (const key of ['release.public', publicKey, publicKey.split(':')[1]]) {
    const { valid, verifiedKeys } = await json('verify', 'signed.hpk', '--key', key)
    assert.deepEqual([valid, verifiedKeys], [true, [publicKey.split(':')[1]]])
  }
  const { status, stdout, stderr } = await hardpack('verify', 'unsigned.hpk')
  assert.equal(status, 0)
  assert.match(stdout, /^unsigned\.hpk: valid, \d+ chunks decoded, not signed\n$/)
  assert.match(stderr, /No --key was given/)
  for (const command of [['verify'], ['run'], ['unpack', '-o', 'refused.onnx']]) {
    const [name, ...rest] = command
    await refused(/expected a signature by one of 1 trusted keys/, name, 'signed.hpk', ...rest, '--key', 'other.public')
    await refused(/expected a signature, got none/, name, 'unsigned.hpk', ...rest, '--key', 'release.public')
  }
  await refused(
    /--key expected a public key or a file with one, got "nobody"/,
    'verify',
    'signed.hpk',
    '--key',
    'nobody',
  )
  const { stdout: error } = await hardpack('verify', 'unsigned.hpk', '--key', 'release.public', '--json')
  assert.equal(JSON.parse(error).error.code, 'UNSIGNED')
})

test('unpack gives the same bytes; a flipped file is refused and nothing is written', async () => {
  const { output, byteLength } = await json('unpack', 'unsigned.hpk', '-o', 'back.onnx')
  assert.deepEqual([output, byteLength], ['back.onnx', (await read('small.onnx')).length])
  assert.deepEqual(await read('back.onnx'), await read('small.onnx'))
  const flipped = await read('unsigned.hpk')
  flipped[flipped.length - 1] ^= 1
  await write('flipped.hpk', flipped)
  for (const name of ['verify', 'run', 'parity']) await refused(/SHA-256/, name, 'flipped.hpk')
  await refused(
    /expected SHA-256 .*The file is damaged: get it again\.$/,
    'unpack',
    'flipped.hpk',
    '-o',
    'flipped.onnx',
  )
  const whole = await read('unsigned.hpk')
  await refused(/expected another file than the input/, 'unpack', 'unsigned.hpk', '-o', 'unsigned.hpk')
  assert.deepEqual(await read('unsigned.hpk'), whole)
})

test('a newer major version is named and refused', async () => {
  const newer = await read('unsigned.hpk')
  const header = viewOf(newer.subarray(0, 64))
  header.setUint16(8, 2, true)
  header.setUint32(12, 0, true)
  header.setUint32(12, crc32c(newer.subarray(0, 64)), true)
  await write('newer.hpk', newer)
  for (const name of ['inspect', 'verify', 'run'])
    await refused(/format 2\.0.*Install a hardpack that reads/, name, 'newer.hpk')
  const { stdout } = await hardpack('verify', 'newer.hpk', '--json')
  assert.equal(JSON.parse(stdout).error.code, 'UNSUPPORTED_VERSION')
})

test('run: a digit as .npy, .json or raw bytes; outputs are data', async () => {
  const { status, stderr } = await hardpack('pack', MNIST, '-o', 'digits.hpk')
  assert.equal(status, 0, stderr)
  const { images, labels } = readDigits(1)
  await write('digit.bin', new Uint8Array(images.buffer, images.byteOffset, images.byteLength))
  await write('digit.json', JSON.stringify([...images]))
  const answers = []
  for (const [file, target] of [
    ['digit.bin', 'node'],
    ['digit.json', 'node'],
    ['digit.bin', 'wasm'],
  ]) {
    const { outputs, ...rest } = await json('run', 'digits.hpk', '--input', `image=${file}`, '--target', target)
    assert.equal(rest.target, target)
    assert.ok(rest.selfTest.maxAbsDiff <= rest.selfTest.tolerance)
    const { dtype, shape, data } = outputs.logits
    assert.deepEqual([dtype, shape], ['float32', [1, 10]])
    assert.equal(data.indexOf(Math.max(...data)), labels[0])
    answers.push(data)
  }
  assert.deepEqual(answers[0], answers[1])
  const golden = await hardpack('run', 'digits.hpk')
  assert.match(golden.stdout, /^logits float32\[1,10\]: .+\n$/)
  assert.match(golden.stderr, /running the golden inputs/)
  await refused(/expected raw elements of float32/, 'run', 'digits.hpk', '--input', `image=${MNIST}`)
  await refused(/expected image, got an input "picture"/, 'run', 'digits.hpk', '--input', 'picture=digit.bin')
  await refused(/got "absent\.npy" \(ENOENT\)/, 'run', 'digits.hpk', '--input', 'image=absent.npy')
})

test('parity --json', async () => {
  const { targets } = await json('parity', 'unsigned.hpk', '--targets', 'node')
  assert.equal(targets.length, 1)
  const { target, available, maxAbsDiff, withinTolerance, latencyMs } = targets[0]
  assert.deepEqual([target, available, withinTolerance], ['node', true, true])
  assert.ok(maxAbsDiff >= 0 && latencyMs > 0)
})

test('what is no ONNX file is named for what it is', async () => {
  const onnx = await read('small.onnx')
  const files: [string, Uint8Array | string, RegExp][] = [
    ['page.onnx', '<!doctype html><html><body>404</body></html>', /got an HTML page\. Check the address/],
    ['picture.onnx', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), /got a PNG image\. Give an ONNX file\./],
    ['empty.onnx', '', /got an empty file\. Export the model again\./],
    ['cut.onnx', onnx.subarray(0, onnx.length - 100), /whose last \d+ bytes are missing\. Fetch or export it again/],
    ['package.onnx', await read('unsigned.hpk'), /got a hardpack package\. Unpack it first\./],
  ]
  for (const [name, contents, expected] of files) {
    await write(name, contents)
    await refused(expected, 'pack', name)
  }
  await refused(/got "absent\.onnx" \(ENOENT\)\. Check the path\./, 'pack', 'absent.onnx')
  for (const name of ['inspect', 'verify', 'run', 'parity']) {
    await refused(/to begin as a hardpack package, got something else\./, name, 'small.onnx')
  }
})

test('a model that the runtime cannot run is refused with its reason and what to do', async () => {
  await write('opset.onnx', smallModel('MatMul', { opsets: { '': 99 } }))
  await write('operator.onnx', smallModel('Frobnicate'))
  await write(
    'domain.onnx',
    smallModel(
      'MatMul',
      { opsets: { '': 17, 'com.example': 1 } },
      {
        nodes: [makeNode('Frobnicate', ['x', 'w'], ['y'], {}, { domain: 'com.example' })],
      },
    ),
  )
  await write('shapes.onnx', smallModel('MatMul', {}, { inputs: [makeValue('x', 'float32', [1, 9])] }))
  await refused(/Opset 99 .* till opset \d+\. Export the model again/, 'pack', 'opset.onnx')
  await refused(/No Op registered for Frobnicate .*Export the model again/, 'pack', 'operator.onnx')
  await refused(/com\.example:Frobnicate.*not a registered.*Export the model again/, 'pack', 'domain.onnx')
  await refused(/Incompatible dimensions.*Export the model again/, 'pack', 'shapes.onnx')
  const { stdout } = await hardpack('pack', 'opset.onnx', '--json')
  assert.equal(JSON.parse(stdout).error.code, 'UNSUPPORTED_MODEL')
})

test('external data is packed from beside the model; a missing file is named', async () => {
  await mkdir(join(folder, 'split'))
  await writeExternalData(smallModel(), join(folder, 'split', 'model.onnx'), { minBytes: 256 })
  assert.equal((await read('split/model.onnx.data')).length, 2048)
  const { tensors } = await json('pack', 'split/model.onnx', '-o', 'split.hpk')
  assert.equal(tensors[0].rawBytes, 2048)
  await rm(join(folder, 'split', 'model.onnx.data'))
  await refused(/"model\.onnx\.data", got no such file\. Put it beside the model\./, 'pack', 'split/model.onnx')
})

test('an output that cannot be written is refused before any work, and the input is never the output', async () => {
  await mkdir(join(folder, 'directory'))
  for (const path of ['absent/model.hpk', 'directory', 'small.onnx/model.hpk']) {
    const expected =
      /output expected a path that can be written, got ".+" \(.+\)\. Create its folder or choose another path\./
    await refused(expected, 'pack', 'small.onnx', '-o', path)
    await refused(expected, 'unpack', 'unsigned.hpk', '-o', path)
  }
  const { stderr } = await hardpack('pack', 'small.onnx', '-o', 'absent/model.hpk')
  assert.doesNotMatch(stderr, /reference outputs/)
  const model = await read('small.onnx')
  await refused(
    /expected another file than the input, got "\.\/small\.onnx"/,
    'pack',
    'small.onnx',
    '-o',
    './small.onnx',
  )
  assert.deepEqual(await read('small.onnx'), model)
})
