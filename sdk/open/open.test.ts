import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { fake } from '../../targets/fake.ts'
import { formatKey, generateKeyPair } from '../container/keys.ts'
import type { GoldenEntry, Manifest } from '../container/manifest.ts'
import { storedChunk } from '../container/packages.fixture.ts'
import { writePackage } from '../container/write.ts'
import { bytesSource, concat, HardpackError, sha256 } from '../core/index.ts'
import { open } from '../node.ts'
import { makeGraph, makeModel, makeNode, makeTensor, makeValue, writeModel } from '../onnx/index.ts'
import type { PackageInput } from './open.ts'
import { parity } from './parity.ts'

const x = { name: 'x', dtype: 'float32', shape: ['n'] } as const
const y = { ...x, name: 'y' } as const
const { secretKey, publicKey } = await generateKeyPair()
const unsigned = { trust: 'unsigned' } as const

/** A target that negates, as the golden case below wants it. */
const negating = (faults = {}) =>
  fake({
    inputs: [x],
    outputs: [y],
    compute: (feeds) => ({ y: { ...feeds.x, data: (feeds.x.data as Float32Array).map((v) => -v) } }),
    faults,
  })

const negation = writeModel(
  makeModel(
    makeGraph('g', {
      nodes: [makeNode('Neg', ['x'], ['y'])],
      inputs: [makeValue('x', 'float32', ['n'])],
      outputs: [makeValue('y', 'float32', ['n'])],
    }),
  ),
)

/** y = -x, with the golden case x = [1, 2]; what `change` makes of its golden cases. */
async function packageOf(
  change: (golden: GoldenEntry) => readonly GoldenEntry[] = (golden) => [golden],
  skeleton: Uint8Array = negation,
) {
  const samples = new Uint8Array(Float64Array.of(-1, -2).buffer)
  const input = new Uint8Array(Float32Array.of(1, 2).buffer)
  // In front, where its alignment lets it be read in place.
  const chunks = [await storedChunk(concat([samples, input])), await storedChunk(skeleton)]
  const golden = change({
    graph: 0,
    inputs: [{ ...x, shape: [2], source: { ranges: [{ chunk: 0, start: 16, length: 8 }] } }],
    outputs: [{ ...y, shape: [2], samples: 2, ranges: [{ chunk: 0, start: 0, length: 16 }], tolerance: 0 }],
  })
  const used = golden.some(({ outputs }) => outputs.length > 0)
  const whole = { chunk: 1, start: 0, length: skeleton.length }
  const manifest: Omit<Manifest, 'chunks'> = {
    name: 'negate',
    release: 1,
    generator: '',
    critical: [],
    license: '',
    graphs: [
      {
        name: 'main',
        skeleton: used ? [whole] : [{ chunk: 0, start: 0, length: 24 }, whole],
        tensors: [],
        inputs: [x],
        outputs: [y],
        byteLength: skeleton.length + (used ? 0 : 24),
        digest: await sha256(skeleton),
      },
    ],
    golden,
  }
  return writePackage(manifest, chunks, { secretKeys: [secretKey] })
}

const bytes = await packageOf()

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
})
after(() => rm(folder, { recursive: true, force: true }))

test('a package opens from bytes, a Blob, a source, a path, a file URL and over http', async () => {
  const path = join(folder, 'a model.hpk')
  await writeFile(path, bytes)
  const server = createServer((_, response) => response.end(bytes))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const http = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.hpk`
    const url = pathToFileURL(path)
    const inputs = [
      bytes,
      bytes.buffer,
      new Blob([bytes]),
      bytesSource(bytes),
      path,
      url,
      url.href,
      http,
      new URL(http),
    ]
    for (const input of inputs) {
      const target = negating()
      const model = await open(input, { targets: [target], ...unsigned })
      const { outputs } = await model.run({ x: Float32Array.of(3) })
      assert.deepEqual(outputs.y, { dtype: 'float32', shape: [1], data: Float32Array.of(-3) })
      await model.close()
      assert.equal(target.counts.open, 0)
    }
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('chunks are decoded in as many threads as are asked for, and the report says so', async () => {
  for (const [decodeThreads, decoder] of [
    [undefined, /^wasm$/],
    [1, /^wasm$/],
    [2, /^wasm, [12] threads?$/],
  ] as const) {
    const model = await open(bytes, { targets: [negating()], ...unsigned, decodeThreads })
    assert.match(model.report().decoder, decoder)
    await model.close()
  }
  await assert.rejects(open(bytes, { targets: [negating()], ...unsigned, decodeThreads: -1 }), {
    code: 'INVALID_ARGUMENT',
  })
})

test('a package that is refused is not downloaded to its end', { timeout: 30_000 }, async () => {
  let closed: Promise<unknown> | undefined
  const server = createServer((_, response) => {
    closed = once(response, 'close')
    response.writeHead(200, { 'content-length': bytes.length })
    response.write(bytes.subarray(0, -1))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.hpk`
    const trustedKeys = [(await generateKeyPair()).publicKey]
    await assert.rejects(open(url, { targets: [negating()], trustedKeys }), { code: 'BAD_SIGNATURE' })
    await closed
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('what is no package and no list of targets is INVALID_ARGUMENT, before anything is read', async () => {
  const targets = [negating()]
  for (const input of [undefined, null, 5, {}, new Int8Array(64)]) {
    await assert.rejects(open(input as PackageInput, { targets, ...unsigned }), { code: 'INVALID_ARGUMENT' })
  }
  for (const options of [undefined, {}, { targets: negating() }]) {
    await assert.rejects(open(bytes, options as never), { code: 'INVALID_ARGUMENT', message: /options\.targets/ })
  }
})

test('a trusted key is 32 bytes, hexadecimal digits, or what keygen printed', async () => {
  const line = formatKey('public', publicKey)
  for (const key of [publicKey, line.split(':')[1], line, `${line}\n`]) {
    const model = await open(bytes, { targets: [negating()], trustedKeys: [key] })
    assert.equal(model.report().signers.length, 1)
    await model.close()
  }
  for (const key of ['', 'abc', `${line}0`, formatKey('secret', secretKey), new Uint8Array(31), 7 as never]) {
    await assert.rejects(open(bytes, { targets: [negating()], trustedKeys: [key] }), { code: 'INVALID_ARGUMENT' })
  }
})

test('aborted at any moment: ABORTED or an open model, no unhandled rejection and no session left', async () => {
  const unhandled: unknown[] = []
  const listener = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', listener)
  const outcomes = new Set<string>()
  for (let ticks = 0; ticks < 200; ticks += 3) {
    const abort = new AbortController()
    const target = negating()
    const opening = open(bytes, { targets: [target], ...unsigned, signal: abort.signal })
    const outcome = opening.then(
      async (model) => {
        await model.close()
        return 'opened'
      },
      (error: HardpackError) => error.code,
    )
    for (let i = 0; i < ticks; i++) await (i % 20 === 19 ? new Promise(setImmediate) : undefined)
    abort.abort()
    outcomes.add(await outcome)
    assert.equal(target.counts.open, 0)
  }
  await new Promise(setImmediate)
  process.off('unhandledRejection', listener)
  assert.ok(outcomes.has('ABORTED'))
  assert.deepEqual(
    [...outcomes].filter((outcome) => !['ABORTED', 'opened'].includes(outcome)),
    [],
  )
  assert.deepEqual(unhandled, [])
})

test('an error in onProgress is the error of open, and leaves no rejection and no session behind', async () => {
  const unhandled: unknown[] = []
  const listener = (error: unknown) => unhandled.push(error)
  process.on('unhandledRejection', listener)
  for (let fatal = 0; fatal < 4; fatal++) {
    let calls = 0
    const target = negating()
    const onProgress = () => {
      if (calls++ === fatal) throw new Error('mine')
    }
    await assert.rejects(open(bytes, { targets: [target], ...unsigned, onProgress }), { message: 'mine' })
    assert.equal(target.counts.open, 0)
  }
  await new Promise(setImmediate)
  process.off('unhandledRejection', listener)
  assert.deepEqual(unhandled, [])
})

test('a package whose self-test compares nothing is refused', async () => {
  const without = [
    await packageOf(() => []),
    await packageOf((golden) => [{ ...golden, inputs: [], outputs: [] }]),
    await packageOf((golden) => [golden, { ...golden, outputs: [] }]),
  ]
  for (const file of without) {
    await assert.rejects(open(file, { targets: [negating()], ...unsigned }), {
      code: 'INVALID_FORMAT',
      message: /golden cases with outputs/,
    })
    await assert.rejects(parity(bytesSource(file), [negating()], unsigned), { code: 'INVALID_FORMAT' })
  }
})

test('a graph that names a file is refused before a runtime sees it', async () => {
  const graph = makeGraph('g', {
    nodes: [makeNode('Add', ['x', 'w'], ['y'])],
    inputs: [makeValue('x', 'float32', ['n'])],
    outputs: [makeValue('y', 'float32', ['n'])],
    initializers: [makeTensor('w', { dtype: 'float32', shape: [2], data: new Float32Array(2) })],
  })
  for (const location of ['secret.txt', 'hardpack-weights']) {
    Object.assign(graph.initializer[0], {
      rawData: new Uint8Array(),
      dataLocation: 1,
      externalData: [{ key: 'location', value: location }],
    })
    const target = negating()
    const file = await packageOf(undefined, writeModel(makeModel(graph)))
    await assert.rejects(open(file, { targets: [target], ...unsigned }), { code: 'INVALID_FORMAT', message: /file/ })
    assert.equal(target.counts.create, 0)
  }
})

test('an opened model keeps no view of the decoded package', async () => {
  const model = await open(bytes, { targets: [negating()], ...unsigned })
  const { data } = model.exampleInputs().x
  assert.equal(data.buffer.byteLength, data.byteLength)
  await model.close()
})

test('a session that cannot be closed does not stop the next target', async () => {
  const target = negating({ run: 'wrong' })
  const stuck = {
    ...target,
    async create(...call: Parameters<typeof target.create>) {
      const session = await target.create(...call)
      return { ...session, run: session.run, close: () => Promise.reject(new Error('stuck')) }
    },
  }
  const model = await open(bytes, { targets: [stuck, negating()], ...unsigned })
  assert.deepEqual(
    model.report().attempts.map(({ outcome }) => outcome),
    ['wrong-answer', 'wrong-answer', 'wrong-answer', 'wrong-answer', 'accepted'],
  )
  await model.close()
})

test('parity closes its session when a timed run fails or is aborted', async () => {
  const abort = new AbortController()
  const failing = negating({
    run: ({ index }: { index: number }) => (index > 3 ? new HardpackError('TARGET_FAILED', 'Lost.') : undefined),
  })
  const [row] = await parity(bytesSource(bytes), [failing], unsigned)
  assert.deepEqual([row.available, row.withinTolerance, row.reason], [true, false, 'Lost.'])
  assert.equal(failing.counts.open, 0)
  const aborting = negating({
    run({ index }: { index: number }) {
      if (index > 3) abort.abort()
      return undefined
    },
  })
  await assert.rejects(parity(bytesSource(bytes), [aborting], { ...unsigned, signal: abort.signal }), {
    code: 'ABORTED',
  })
  assert.equal(aborting.counts.open, 0)
})

test('run refuses what is no tensor with the name of the input', async () => {
  const model = await open(bytes, { targets: [negating()], ...unsigned })
  for (const value of [undefined, null, 5, 'text', [1, 2], Object.create(null), Float64Array.of(1)]) {
    await assert.rejects(model.run({ x: value as never }), { code: 'INVALID_INPUT', message: /"x"/ })
  }
  await assert.rejects(model.run({ z: Float32Array.of(1) }), { code: 'INVALID_INPUT', message: /"z"/ })
  await assert.rejects(model.run(undefined as never), { code: 'INVALID_INPUT' })
  await model.close()
})
