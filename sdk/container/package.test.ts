import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Bytes, bytesSource, concat, crc32c, type Source, toHex, viewOf } from '../core/index.ts'
import { generateKeyPair } from './keys.ts'
import { encodeManifest } from './manifest-codec.ts'
import { arbitrarySpec, type Contents, contentsOf, fileAround, smallContents, withBase } from './packages.fixture.ts'
import { checkPadding, type ReadOptions, readChunk, readPackage, verifyRaw } from './read.ts'
import { writePackage } from './write.ts'

const unsigned = { trust: 'unsigned' } as const

async function smallFile(secretKeys: readonly Uint8Array[] = [], changes: Partial<Contents['manifest']> = {}) {
  const { manifest, chunks } = await smallContents()
  return writePackage({ ...manifest, ...changes }, chunks, { secretKeys })
}

const read = (file: Uint8Array, options?: ReadOptions) => readPackage(bytesSource(file), options)

test('what is written reads back, each chunk at its offset', async () => {
  await fc.assert(
    fc.asyncProperty(arbitrarySpec, async (spec) => {
      const { manifest, chunks } = await contentsOf(spec)
      const file = await writePackage(manifest, chunks)
      const source = bytesSource(file)
      const opened = await readPackage(source, { ...unsigned, criticalFeatures: manifest.critical })
      assert.deepEqual({ ...opened.manifest, chunks: [] }, { ...manifest, chunks: [] })
      for (const [index, { bytes }] of chunks.entries()) {
        assert.deepEqual(await readChunk(source, opened, index), bytes)
        await verifyRaw(opened, index, bytes)
      }
      await checkPadding(source, opened)
      const { sections, byteLength } = opened
      assert.equal(byteLength, file.length)
      assert.equal(
        Object.values(sections).reduce((a, b) => a + b),
        file.length,
      )
    }),
    { numRuns: 60 },
  )
})

test('the same contents and keys give the same bytes, which only a new version of the format may change', async () => {
  const secretKey = new Uint8Array(32).fill(1)
  const file = await smallFile([secretKey])
  assert.deepEqual(await smallFile([secretKey]), file)
  assert.equal(
    createHash('sha256').update(file).digest('hex'),
    'df67fcb28bf85b4092dd5d2c3aa2091c9b1ef8803d76572201c89b8b9274daa7',
  )
})

test('the header is laid out as format.md says', async () => {
  const { secretKey } = await generateKeyPair()
  const file = await smallFile([secretKey])
  const view = viewOf(file)
  const manifestLength = view.getUint32(24, true)
  assert.equal(toHex(file.subarray(0, 12)), '8948504b0d0a1a0a01000000')
  assert.equal(view.getBigUint64(16, true), BigInt(file.length))
  assert.equal(view.getUint32(28, true), 96)
  const manifest = file.subarray(64, 64 + manifestLength)
  assert.equal(toHex(file.subarray(32, 64)), createHash('sha256').update(manifest).digest('hex'))
  const withoutCrc = concat([file.subarray(0, 12), new Uint8Array(4), file.subarray(16, 64)])
  assert.equal(view.getUint32(12, true), crc32c(withoutCrc))
})

test('trust: who may open what', async () => {
  const [ours, theirs] = [await generateKeyPair(), await generateKeyPair()]
  const files = {
    none: await smallFile(),
    ours: await smallFile([ours.secretKey]),
    theirs: await smallFile([theirs.secretKey]),
    both: await smallFile([ours.secretKey, theirs.secretKey]),
  }
  const trustedKeys = [ours.publicKey]
  const cases: [keyof typeof files, ReadOptions, outcome: number | 'UNSIGNED' | 'BAD_SIGNATURE'][] = [
    ['none', {}, 'UNSIGNED'],
    ['none', { trustedKeys }, 'UNSIGNED'],
    ['none', { trust: 'signed', trustedKeys }, 'UNSIGNED'],
    ['none', { trust: 'unsigned' }, 0],
    ['none', { trust: 'unsigned', trustedKeys }, 0],
    ['ours', {}, 'BAD_SIGNATURE'],
    ['ours', { trustedKeys }, 1],
    ['ours', { trust: 'unsigned', trustedKeys }, 1],
    ['ours', { trust: 'unsigned' }, 1],
    ['theirs', { trustedKeys }, 'BAD_SIGNATURE'],
    ['theirs', { trust: 'unsigned', trustedKeys }, 'BAD_SIGNATURE'],
    ['theirs', { trustedKeys: [...trustedKeys, theirs.publicKey] }, 1],
    ['both', { trustedKeys }, 2],
  ]
  for (const [name, options, outcome] of cases) {
    const what = `${name} ${JSON.stringify(options)}`
    if (typeof outcome === 'string') await assert.rejects(read(files[name], options), { code: outcome }, what)
    else assert.equal((await read(files[name], options)).signers.length, outcome, what)
  }
  await assert.rejects(read(files.ours, { trustedKeys: [new Uint8Array(31)] }), { code: 'INVALID_ARGUMENT' })
})

test('a signed file whose signature is not valid never opens, not even without trust', async () => {
  const { secretKey } = await generateKeyPair()
  const file = await smallFile([secretKey])
  const { sections } = await read(file, unsigned)
  file[64 + sections.manifest + 95] ^= 1
  await assert.rejects(read(file, unsigned), { code: 'BAD_SIGNATURE' })
})

test('an older release is refused where the app has seen a newer one', async () => {
  const file = await smallFile()
  assert.equal((await read(file, { ...unsigned, minRelease: 3 })).manifest.release, 3)
  await assert.rejects(read(file, { ...unsigned, minRelease: 4 }), { code: 'ROLLBACK', message: /release 4 .* got 3/ })
})

/** The file with a change to its header, and a checksum that fits again. */
function resealed(file: Uint8Array, change: (view: DataView) => void): Bytes {
  const changed = new Uint8Array(file)
  const view = viewOf(changed)
  change(view)
  view.setUint32(12, 0, true)
  view.setUint32(12, crc32c(changed.subarray(0, 64)), true)
  return changed
}

test('a header that says another length, of the file or of its sections, is refused', async () => {
  const file = await smallFile()
  const manifestLength = viewOf(file).getUint32(24, true)
  const lengths: [what: string, change: (view: DataView) => void][] = [
    ['file too long', (view) => view.setBigUint64(16, BigInt(file.length + 1), true)],
    ['file too short', (view) => view.setBigUint64(16, BigInt(file.length - 1), true)],
    ['file beyond 2^53', (view) => view.setBigUint64(16, 2n ** 60n + BigInt(file.length), true)],
    ['manifest beyond the file', (view) => view.setUint32(24, file.length, true)],
    ['manifest too short', (view) => view.setUint32(24, manifestLength - 1, true)],
    ['no manifest', (view) => view.setUint32(24, 0, true)],
    ['signatures beyond the file', (view) => view.setUint32(28, 96 * 16, true)],
    ['a part of a signature', (view) => view.setUint32(28, 95, true)],
    ['a signature and a part', (view) => view.setUint32(28, 97, true)],
  ]
  for (const [what, change] of lengths) {
    await assert.rejects(read(resealed(file, change), unsigned), { code: 'INVALID_FORMAT' }, what)
  }
})

test('another major version is refused, and named', async () => {
  const file = await smallFile()
  for (const major of [0, 2, 65535]) {
    await assert.rejects(
      read(
        resealed(file, (view) => view.setUint16(8, major, true)),
        unsigned,
      ),
      {
        code: 'UNSUPPORTED_VERSION',
        message: new RegExp(`format ${major}\\.0`),
      },
    )
  }
})

test('a package with a base is of format 1.1, names the feature for readers that do not know it, and its identity is checked', async () => {
  const { manifest, chunks } = withBase(await smallContents(), new Uint8Array(32).fill(9))
  const file = await writePackage(manifest, chunks)
  assert.equal(toHex(file.subarray(8, 12)), '01000100')
  const opened = await read(file, unsigned)
  assert.deepEqual([opened.minor, opened.manifest.critical], [1, ['base']])
  const bytes = encodeManifest(opened.manifest)
  await assert.rejects(read(await fileAround(bytes), unsigned), {
    code: 'INVALID_FORMAT',
    message: /expected format 1\.1/,
  })

  const { manifestDigest } = opened
  await read(file, { ...unsigned, manifestDigest })
  const other = manifestDigest.with(0, manifestDigest[0] ^ 1)
  const damaged = await fileAround(Uint8Array.of(0xff), { minor: 1 })
  for (const wrong of [file, damaged]) {
    await assert.rejects(read(wrong, { ...unsigned, manifestDigest: other }), { code: 'BASE_MISMATCH' })
  }
})

test('a newer minor version opens, with fields that this reader does not know', async () => {
  const { manifest } = await read(await smallFile(), unsigned)
  const unknownField = Uint8Array.of(0x7a, 0x01, 0x00)
  const bytes = concat([encodeManifest(manifest), unknownField])
  assert.equal((await read(await fileAround(bytes, { minor: 7 }), unsigned)).manifest.name, 'digits')
  await assert.rejects(read(await fileAround(bytes), unsigned), { code: 'INVALID_FORMAT' })
})

test('a critical feature that the reader does not know is refused, and named', async () => {
  const file = await smallFile([], { critical: ['delta', 'gamma'] })
  await assert.rejects(read(file, { ...unsigned, criticalFeatures: ['delta'] }), {
    code: 'UNSUPPORTED_VERSION',
    message: /"gamma"/,
  })
  await read(file, { ...unsigned, criticalFeatures: ['gamma', 'delta'] })
  const { manifest } = await read(await smallFile(), unsigned)
  const unprintable = encodeManifest({ ...manifest, critical: ['\u001b[2J'] })
  await assert.rejects(read(await fileAround(unprintable), unsigned), { code: 'INVALID_FORMAT' })
})

test('a file of another kind gets a sentence that says what to do', async () => {
  for (const file of [
    new Uint8Array(),
    new Uint8Array(63),
    new Uint8Array(64),
    new TextEncoder().encode('<html>'.repeat(20)),
  ]) {
    await assert.rejects(read(file, unsigned), { code: 'INVALID_FORMAT', hint: /\w/ })
  }
})

test('the writer refuses what a reader would refuse', async () => {
  const { manifest, chunks } = await smallContents()
  await assert.rejects(writePackage({ ...manifest, name: 'n'.repeat(257) }, chunks), { code: 'LIMIT_EXCEEDED' })
  await assert.rejects(writePackage(manifest, chunks.slice(1)), { code: 'INVALID_FORMAT' })
  await assert.rejects(writePackage(manifest, [...chunks, chunks[0]]), { code: 'INVALID_FORMAT' })
  await assert.rejects(writePackage(manifest, chunks, { secretKeys: [new Uint8Array(64)] }), {
    code: 'INVALID_ARGUMENT',
  })
  const [graph] = manifest.graphs
  const empty = { ...graph.tensors[0], name: 'n'.repeat(256), shape: [0], ranges: [], position: 12 }
  const graphs = [{ ...graph, tensors: [...graph.tensors, ...Array.from({ length: 4000 }, () => empty)] }]
  await assert.rejects(writePackage({ ...manifest, graphs }, chunks), {
    code: 'LIMIT_EXCEEDED',
    message: /manifest length/,
  })
  const secretKeys = Array.from({ length: 17 }, (_, i) => new Uint8Array(32).fill(i))
  await assert.rejects(writePackage(manifest, chunks, { secretKeys }), { code: 'LIMIT_EXCEEDED' })
})

test('a chunk that is not as the manifest says is refused before and after decode', async () => {
  const file = await smallFile()
  const opened = await read(file, unsigned)
  const changed = new Uint8Array(file)
  changed[opened.chunkOffsets[1]] ^= 1
  await assert.rejects(readChunk(bytesSource(changed), opened, 1), { code: 'CHUNK_CORRUPT', message: /Chunk 1/ })
  await assert.rejects(verifyRaw(opened, 1, new Uint8Array(26)), { code: 'CHUNK_CORRUPT' })
  await assert.rejects(readChunk(bytesSource(file), opened, 2), { code: 'INVALID_ARGUMENT' })
})

test('padding that is not zero is refused', async () => {
  const file = await smallFile()
  const opened = await read(file, unsigned)
  for (const offset of opened.chunkOffsets) {
    const changed = new Uint8Array(file)
    changed[offset - 1] = 1
    await assert.rejects(checkPadding(bytesSource(changed), opened), { code: 'INVALID_FORMAT' })
  }
})

test('a source that gives too little, and a signal, end a call', async () => {
  const file = await smallFile()
  const short: Source = { byteLength: file.length, read: async (start, end) => file.subarray(start, end - 1) }
  await assert.rejects(readPackage(short, unsigned), { code: 'IO' })
  const signal = AbortSignal.abort()
  await assert.rejects(read(file, { ...unsigned, signal }), { code: 'ABORTED' })
  const opened = await read(file, unsigned)
  await assert.rejects(readChunk(bytesSource(file), opened, 0, signal), { code: 'ABORTED' })
  await assert.rejects(checkPadding(bytesSource(file), opened, signal), { code: 'ABORTED' })
})

test('what was verified does not change with the memory of the source', async () => {
  const file = Buffer.from(await smallFile())
  const opened = await read(file, unsigned)
  const before = structuredClone(opened)
  const encoded = await readChunk(bytesSource(file), opened, 0)
  const first = encoded[0]
  file.fill(0)
  assert.deepEqual(structuredClone(opened), before)
  assert.equal(encoded[0], first)
})
