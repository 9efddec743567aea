import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { nodeWorkers } from '../../compress/pool/node.ts'
import { DecoderPool } from '../../compress/pool/pool.ts'
import { node } from '../../targets/node.ts'
import { generateKeyPair } from '../container/keys.ts'
import { readPackage } from '../container/read.ts'
import { type Bytes, bytesOf, bytesSource, equal, HardpackError, rng, type Source, type Tensor } from '../core/index.ts'
import { open } from '../node.ts'
import { makeGraph, makeModel, makeNode, makeTensor, makeValue, writeModel } from '../onnx/index.ts'
import { pairTensors } from '../pack/base.ts'
import { inspect } from '../pack/inspect.ts'
import { pack } from '../pack/pack.ts'
import { unpack, verify } from '../pack/verify.ts'
import { decodeChunks, mainGraph, onnxFile } from './load.ts'
import { parity } from './parity.ts'

const unsigned = { trust: 'unsigned' } as const

function noise(shape: readonly [number, number], seed: number): Float32Array {
  const random = rng(seed)
  return Float32Array.from({ length: shape[0] * shape[1] }, () => random.uniform() - 0.5)
}

/** y = (x · u) · v; `v` is about 1.5 MB, so it takes more than one chunk. */
function model(u: Float32Array, v: Float32Array, names = ['u', 'v']): Bytes {
  const tensor = (data: Float32Array, shape: readonly number[]): Tensor => ({ dtype: 'float32', shape, data })
  const graph = makeGraph('g', {
    inputs: [makeValue('x', 'float32', [1, 16])],
    outputs: [makeValue('y', 'float32', [1, 1200])],
    initializers: [makeTensor(names[0], tensor(u, [16, 320])), makeTensor(names[1], tensor(v, [320, 1200]))],
    nodes: [makeNode('MatMul', ['x', names[0]], ['h']), makeNode('MatMul', ['h', names[1]], ['y'])],
  })
  return writeModel(makeModel(graph))
}

/** Every fourth weight a little larger: what training goes on with, but for one row that repeats another. */
function tuned(weights: Float32Array, columns: number): Float32Array {
  const next = weights.map((value, i) => (i % 4 === 0 ? Math.fround(value * (1 + 2 ** -10)) : value))
  next.copyWithin(7 * columns, 3 * columns, 4 * columns)
  return next
}

const [u, v] = [noise([16, 320], 1), noise([320, 1200], 2)]
const oldModel = model(u, v)
const newModel = model(noise([16, 320], 3), tuned(v, 1200))
const { publicKey, secretKey } = await generateKeyPair()
const oldPackage = (await pack(oldModel, { name: 'm', release: 4 })).bytes
const oldSigned = (await pack(oldModel, { name: 'm', release: 4, secretKeys: [secretKey] })).bytes
const alone = (await pack(newModel, { name: 'm', release: 5 })).bytes
const based = (await pack(newModel, { name: 'm', release: 5, base: bytesSource(oldPackage), secretKeys: [secretKey] }))
  .bytes
const base = bytesSource(oldPackage)

/** A source that must not be read. */
const untouched: Source = { byteLength: 1, read: () => assert.fail('the base was read') }

test('weights near those of a base are packed as differences, and the same file comes back', async () => {
  assert.ok(based.length < 0.6 * alone.length, `${based.length} of ${alone.length} bytes`)
  assert.ok(equal(await unpack(bytesSource(based), { ...unsigned, base }), newModel))
  await verify(bytesSource(based), { trustedKeys: [publicKey], base })
  const { manifest } = await readPackage(bytesSource(based), unsigned)
  const itsBase = await readPackage(base, unsigned)
  assert.deepEqual(manifest.base, { digest: itsBase.manifestDigest, name: 'm', release: 4 })
  assert.deepEqual(
    manifest.chunks.map((chunk) => chunk.base.length > 0).sort(),
    [false, true, true],
    'the graph does without',
  )
})

test('each chunk of a base that is needed is read once, the others never', async () => {
  const starts: number[] = []
  const recording: Source = {
    byteLength: oldPackage.length,
    read(start, end) {
      starts.push(start)
      return base.read(start, end)
    },
  }
  await unpack(bytesSource(based), { ...unsigned, base: recording })
  const { chunkOffsets } = await readPackage(base, unsigned)
  assert.deepEqual(starts.slice(2).sort(), chunkOffsets.slice(1).sort())
})

test('the base is named by its content: signed anew it is the same', async () => {
  assert.ok(!equal(oldSigned, oldPackage))
  assert.ok(equal(await unpack(bytesSource(based), { ...unsigned, base: bytesSource(oldSigned) }), newModel))
})

test('open takes a base as bytes, path, address or function, and gives the answers of the model itself', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
  const path = join(folder, 'old.hpk')
  await writeFile(path, oldPackage)
  try {
    const session = await node().create({ model: newModel }, { optimization: 'all' })
    const x = noise([1, 16], 9)
    const expected = await session.run({ x: { dtype: 'float32', shape: [1, 16], data: x } })
    await session.close()
    for (const given of [oldPackage, path, pathToFileURL(path), new Blob([oldPackage]), () => path, async () => base]) {
      const opened = await open(based, { targets: [node()], trustedKeys: [publicKey], base: given })
      const { outputs } = await opened.run({ x })
      assert.ok(equal(bytesOf(outputs.y), bytesOf(expected.y)))
      await opened.close()
    }
    const [row] = await parity(bytesSource(based), [node()], { ...unsigned, base })
    assert.equal(row.withinTolerance, true)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('threads decode differences to a base as this thread does', async () => {
  const pool = new DecoderPool(nodeWorkers, 2)
  try {
    const source = bytesSource(based)
    const opened = await readPackage(source, unsigned)
    const arena = await decodeChunks(source, opened, pool, { base: () => base })
    assert.ok(equal(onnxFile(arena, mainGraph(opened.manifest)), newModel))
    assert.match(pool.name, /^wasm, [12] threads?$/)
  } finally {
    pool.close()
  }
})

test('without its base, or with another, a package is refused before a chunk of either is read', async () => {
  const head = (file: Uint8Array): Source => {
    let reads = 0
    const source = bytesSource(file)
    return { ...source, read: (...range) => (++reads > 2 ? assert.fail('a chunk was read') : source.read(...range)) }
  }
  const calls = [
    (given?: Source) => unpack(bytesSource(based), { ...unsigned, base: given }),
    (given?: Source) => open(based, { targets: [node()], ...unsigned, base: given }),
    (given?: Source) => parity(bytesSource(based), [node()], { ...unsigned, base: given }),
  ]
  const later = (await pack(oldModel, { name: 'm', release: 6 })).bytes
  for (const call of calls) {
    await assert.rejects(call(), { code: 'BASE_REQUIRED', message: /its base "m" release 4 .*Give that package/ })
    for (const other of [alone, later, based]) {
      await assert.rejects(call(head(other)), { code: 'BASE_MISMATCH', message: /manifest with SHA-256/ })
    }
    await assert.rejects(call(bytesSource(oldPackage.subarray(0, 200))), { code: 'INVALID_FORMAT' })
  }
  await assert.rejects(inspect(bytesSource(based), { ...unsigned, base: bytesSource(later) }), {
    code: 'BASE_MISMATCH',
  })
  await assert.rejects(open(based, { targets: [node()], ...unsigned, base: 5 as never }), {
    code: 'INVALID_ARGUMENT',
    message: /^The base of open/,
  })
})

test('a damaged base is CHUNK_CORRUPT, wherever the damage is', async () => {
  const { chunkOffsets } = await readPackage(base, unsigned)
  for (const offset of chunkOffsets.slice(1)) {
    const damaged = oldPackage.slice()
    damaged[offset + 100] ^= 1
    const call = unpack(bytesSource(based), { ...unsigned, base: bytesSource(damaged) })
    await assert.rejects(call, { code: 'CHUNK_CORRUPT' })
  }
})

test('a package that needs no base does not look at one', async () => {
  assert.ok(equal(await unpack(bytesSource(alone), { ...unsigned, base: untouched }), newModel))
  const opened = await open(alone, {
    targets: [node()],
    ...unsigned,
    base: () => assert.fail('the base was asked for'),
  })
  await opened.close()
})

test('packed against a base that shares nothing, a package is the one that it is without', async () => {
  const other = (await pack(model(noise([16, 320], 11), noise([320, 1200], 12)), { name: 'm' })).bytes
  const { bytes } = await pack(newModel, { name: 'm', release: 5, base: bytesSource(other) })
  assert.ok(equal(bytes, alone))
})

test('a weight that is as it was costs next to nothing, whatever became of the others', async () => {
  const head = model(tuned(u, 320), v)
  const { bytes } = await pack(head, { name: 'm', base })
  assert.ok(equal(await unpack(bytesSource(bytes), { ...unsigned, base }), head))
  const { tensors } = await inspect(bytesSource(bytes), { ...unsigned, base })
  assert.equal(tensors[1].circuit, 'Δ')
  assert.ok(tensors[1].packedBytes < tensors[1].rawBytes / 1000, `${tensors[1].packedBytes} bytes`)
})

test('a base stands alone', async () => {
  const call = pack(oldModel, { name: 'm', base: bytesSource(based) })
  await assert.rejects(call, { code: 'INVALID_ARGUMENT', message: /needs "m" release 4\. Pack against that one/ })
})

test('inspect names the base, and the tensors that are differences', async () => {
  const { base: named, tensors, format } = await inspect(bytesSource(based), { ...unsigned, base })
  assert.deepEqual([named?.name, named?.release, format], ['m', 4, 'hpk 1.1'])
  assert.deepEqual(
    tensors.map(({ name, circuit }) => [name, circuit]),
    [
      ['u', 'A'],
      ['v', 'Δ+repeat'],
    ],
  )
  assert.equal((await inspect(bytesSource(alone), unsigned)).base, null)
})

test('a signal stops the reading of a base', async () => {
  const abort = new AbortController()
  const aborting: Source = {
    byteLength: oldPackage.length,
    async read(start, end) {
      if (start > 64 * 1024) abort.abort()
      return base.read(start, end)
    },
  }
  const call = unpack(bytesSource(based), { ...unsigned, base: aborting, signal: abort.signal })
  await assert.rejects(call, (error) => error instanceof HardpackError && error.code === 'ABORTED')
})

test('weights are paired by type, shape and name, and what is left by type, shape and order; each once', () => {
  const weight = (name: string, shape: readonly number[], dtype: 'float32' | 'int8' = 'float32') => ({
    name,
    dtype,
    shape,
  })
  const old = [weight('a', [2, 3]), weight('b', [2, 3]), weight('c', [3]), weight('d', [2, 3]), weight('e', [4])]
  const pairs = pairTensors(
    [
      weight('x', [2, 3]),
      weight('b', [2, 3]),
      weight('c', [3], 'int8'),
      weight('c', [4]),
      weight('y', [2, 3]),
      weight('z', [2, 3]),
      weight('b', [2, 3]),
    ],
    old,
  )
  assert.deepEqual(
    pairs.map((pair) => pair?.name),
    ['a', 'b', undefined, 'e', 'd', undefined, undefined],
  )
})

test('weights whose names have changed are found by their shapes', async () => {
  const renamed = model(u, tuned(v, 1200), ['layer.0', 'layer.1'])
  const { bytes } = await pack(renamed, { name: 'm', base })
  assert.ok(bytes.length < 0.6 * alone.length)
  assert.ok(equal(await unpack(bytesSource(bytes), { ...unsigned, base }), renamed))
})
