/** Attacks on our own format, each exhaustive or counted: the outcome is a typed error, never wrong bytes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesSource, concat, HardpackError, rng, type Source } from '../core/index.ts'
import { encodeHeader, HEADER_BYTES } from './header.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import type { Manifest } from './manifest.ts'
import { encodeManifest } from './manifest-codec.ts'
import { fileAround, smallContents, withBase, withGuard } from './packages.fixture.ts'
import { checkPadding, readChunk, readPackage, verifyRaw } from './read.ts'
import { validateManifest } from './validate.ts'
import { writePackage } from './write.ts'

/** Opens a file and reads all of it. Chunks of these files are stored as they are, so they are their own decoding. */
async function readWhole(source: Source): Promise<Manifest> {
  const opened = await readPackage(source, { trust: 'unsigned' })
  await checkPadding(source, opened)
  for (const index of opened.manifest.chunks.keys()) {
    await verifyRaw(opened, index, await readChunk(source, opened, index))
  }
  return opened.manifest
}

async function smallFile(secretKeys: readonly Uint8Array[] = [], hasBase = false, hasGuard = false) {
  const contents = hasGuard ? await withGuard(await smallContents()) : await smallContents()
  const { manifest, chunks } = hasBase ? withBase(contents, new Uint8Array(32).fill(9)) : contents
  return writePackage(manifest, chunks, { secretKeys })
}

/** Reads a file that must be refused, by an error that we throw on purpose; gives its code. */
async function refusal(file: Uint8Array, what: string): Promise<string> {
  try {
    await readWhole(bytesSource(file))
  } catch (error) {
    assert.ok(error instanceof HardpackError, `${what}: ${error}`)
    return error.code
  }
  return assert.fail(`${what} was accepted`)
}

for (const [kind, secretKeys, hasBase, hasGuard] of [
  ['an unsigned', [], false, false],
  ['a signed', [new Uint8Array(32).fill(5)], false, false],
  ['an unsigned, based', [], true, false],
  ['an unsigned, guarded', [], false, true],
] as const) {
  test(`every flipped bit of ${kind} file is refused`, async () => {
    const file = await smallFile(secretKeys, hasBase, hasGuard)
    await readWhole(bytesSource(file))
    for (let bit = 0; bit < file.length * 8; bit++) {
      file[bit >> 3] ^= 1 << (bit & 7)
      await refusal(file, `bit ${bit}`)
      file[bit >> 3] ^= 1 << (bit & 7)
    }
  })

  test(`every truncation of ${kind} file, and every appended byte, is refused`, async () => {
    const file = await smallFile(secretKeys, hasBase, hasGuard)
    for (let length = 0; length < file.length; length++) await refusal(file.subarray(0, length), `${length} bytes`)
    for (let byte = 0; byte < 256; byte++) await refusal(concat([file, Uint8Array.of(byte)]), `appended ${byte}`)
  })
}

async function smallManifest(hasBase = false, hasGuard = false) {
  const opened = await readPackage(bytesSource(await smallFile([], hasBase, hasGuard)), { trust: 'unsigned' })
  return { manifest: opened.manifest, bytes: encodeManifest(opened.manifest) }
}

test('a truncation whose header was made to fit is refused', async () => {
  const { bytes } = await smallManifest()
  const { length } = await fileAround(bytes)
  const lastChunk = 26
  for (let cut = 1; cut < lastChunk; cut++)
    await refusal(await fileAround(bytes, { fileLength: length - cut }), `cut by ${cut}`)
  for (let more = 1; more < 130; more++)
    await refusal(await fileAround(bytes, { fileLength: length + more }), `longer by ${more}`)
})

/** Reads a file that may be valid; then its manifest must be canonical and sound. Gives the outcome. */
async function outcome(manifest: Uint8Array, what: string): Promise<string> {
  try {
    const contents = await withGuard(await smallContents())
    const read = await readWhole(bytesSource(await fileAround(manifest, { minor: 2, contents })))
    assert.deepEqual(encodeManifest(read), manifest, what)
    validateManifest(read, DEFAULT_LIMITS)
    return 'accepted'
  } catch (error) {
    assert.ok(error instanceof HardpackError, `${what}: ${error}`)
    return error.code
  }
}

test('2,000 mutations of the bytes of the manifest, under a header that fits, are refused or sound', async () => {
  const manifests = [await smallManifest(false, true), await smallManifest(true, true)]
  const random = rng(20_250_101)
  const outcomes = new Set<string>()
  for (let round = 0; round < 2000; round++) {
    const { bytes } = manifests[round % 2]
    const at = random.below(bytes.length)
    const to = at + 1 + random.below(Math.min(16, bytes.length - at))
    const byte = Uint8Array.of(random.below(256))
    const mutated = [
      () => concat([bytes.subarray(0, at), byte, bytes.subarray(at + 1)]),
      () => concat([bytes.subarray(0, at), Uint8Array.of(bytes[at] ^ (1 << random.below(8))), bytes.subarray(at + 1)]),
      () => concat([bytes.subarray(0, at), byte, bytes.subarray(at)]),
      () => concat([bytes.subarray(0, at), bytes.subarray(to)]),
      () => concat([bytes.subarray(0, to), bytes.subarray(at)]),
      () => concat([bytes.subarray(0, at), new Uint8Array(random.below(9)).fill(0xff), bytes.subarray(at)]),
      () => bytes.subarray(0, at),
    ][random.below(7)]()
    outcomes.add(await outcome(mutated, `round ${round}`))
  }
  assert.ok(outcomes.has('accepted') && outcomes.has('INVALID_FORMAT'), [...outcomes].join())
})

test('every number of the manifest, replaced by each hostile one, is refused or sound', async () => {
  const { manifest } = await smallManifest(true, true)
  const hostile = [0, 1, 2, 63, 64, 255, 2 ** 16, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52, 2 ** 53 - 1]
  const outcomes = new Map<string, number>()
  /** Visits each number below `node`, replaces it in place, and puts it back. */
  const visit = async (node: object, path: string): Promise<void> => {
    if (node instanceof Uint8Array) return
    for (const [key, value] of Object.entries(node)) {
      if (typeof value === 'object') await visit(value, `${path}.${key}`)
      if (typeof value !== 'number') continue
      for (const number of hostile) {
        Object.assign(node, { [key]: number })
        const result = await outcome(encodeManifest(manifest), `${path}.${key} = ${number}`)
        outcomes.set(result, (outcomes.get(result) ?? 0) + 1)
      }
      Object.assign(node, { [key]: value })
    }
  }
  await visit(manifest, 'manifest')
  assert.deepEqual([...outcomes.keys()].sort(), ['INVALID_FORMAT', 'LIMIT_EXCEEDED', 'accepted'])
  assert.deepEqual(await outcome(encodeManifest(manifest), 'the manifest itself'), 'accepted')
})

/** A source of any length that keeps what was asked of it. */
function recording(byteLength: number, bytes: Uint8Array): Source & { readonly asked: number[] } {
  const asked: number[] = []
  return {
    byteLength,
    asked,
    async read(start, end) {
      asked.push(end - start)
      return bytes.slice(start, end)
    },
  }
}

test('a header that promises too much is refused before anything of that size is read', async () => {
  const max = 0xffffffff
  const promises = [
    { manifestLength: max, signatureLength: 0 },
    { manifestLength: DEFAULT_LIMITS.manifestBytes + 1, signatureLength: 0 },
    { manifestLength: 100, signatureLength: max },
    { manifestLength: 100, signatureLength: 96 * 17 },
    { manifestLength: max, signatureLength: max },
  ]
  for (const promise of promises) {
    const fileLength = 2 ** 40
    const header = encodeHeader({ minor: 0, fileLength, manifestDigest: new Uint8Array(32), ...promise })
    const source = recording(fileLength, header)
    await assert.rejects(readPackage(source), { code: 'LIMIT_EXCEEDED' })
    assert.deepEqual(source.asked, [HEADER_BYTES])
  }
})

test('lengths beyond the file, and a file length beyond a number, are refused after the header', async () => {
  const header = { minor: 0, manifestDigest: new Uint8Array(32), signatureLength: 96, manifestLength: 1000 }
  const short = recording(1159, encodeHeader({ ...header, fileLength: 1159 }))
  await assert.rejects(readPackage(short), { code: 'INVALID_FORMAT' })
  const long = recording(2 ** 53 - 1, encodeHeader({ ...header, fileLength: 2 ** 63 }))
  await assert.rejects(readPackage(long), { code: 'INVALID_FORMAT' })
  assert.deepEqual([short.asked, long.asked], [[HEADER_BYTES], [HEADER_BYTES]])
})

test('reading a sound file asks for no byte twice and for none that it does not use', async () => {
  const file = await smallFile()
  const source = recording(file.length, file)
  await readWhole(source)
  assert.equal(
    source.asked.reduce((a, b) => a + b),
    file.length,
  )
})
