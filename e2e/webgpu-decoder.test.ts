/** The decoder on a GPU gives the bytes, or the errors, that the decoder in TypeScript gives: in Chromium, on whatever adapter it has. */

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'
import fc from 'fast-check'
import type { Browser } from 'playwright-core'
import { CODECS, typescriptDecoder } from '../compress/decode.ts'
import { baseBytes } from '../compress/vectors/samples.ts'
import { VECTORS } from '../compress/vectors/vectors.ts'
import type { Sample } from '../compress/weights/chunk.fixture.ts'
import { DELTA16 } from '../compress/weights/elements.ts'
import { ofManyBlocks, sampleOf, wishes } from '../compress/weights/sample.fixture.ts'
import { findChromium, launchChromium, type OpenPage, openPage } from '../sdk/cli/chromium.ts'
import { type Served, STRICT_CSP, serve } from '../sdk/cli/static-server.ts'
import { HardpackError, sha256, toHex } from '../sdk/core/index.ts'
import { BUNDLE } from './bundle.ts'
import type { ChunkCase } from './pages/webgpu-decoder.ts'

const chromium = findChromium()
const SAMPLES = 60
/** Samples that are damaged, in three ways each. */
const DAMAGED = 40
const SEED = 20250611

let skip: string | undefined = 'reason' in chromium ? chromium.reason : undefined
let root = ''
let browser: Browser | undefined
let served: Served | undefined
let page: OpenPage

before(async () => {
  if ('reason' in chromium) return
  root = await mkdtemp(join(tmpdir(), 'hardpack-'))
  const entry = fileURLToPath(new URL('./pages/webgpu-decoder.js', import.meta.url))
  await esbuild.build({ ...BUNDLE, entryPoints: [entry], outfile: join(root, 'page.js') })
  await writeFile(join(root, 'index.html'), '<!doctype html><script type="module" src="page.js"></script>')
  served = await serve({ root, csp: STRICT_CSP })
  browser = await launchChromium(chromium.path)
  page = await openPage(browser, served.url)
  if (!(await page.call<boolean>('e2e.hasAdapter()'))) skip = 'this Chromium has no WebGPU adapter'
})

after(async () => {
  await browser?.close()
  await served?.close()
  if (root) await rm(root, { recursive: true })
})

/** A chunk, and the base that it is given. */
interface Given {
  readonly codec: number
  readonly rawLength: number
  readonly bytes: Uint8Array
  readonly base: Uint8Array | undefined
}

const givenOf = ({ bytes, raw, base }: Sample): Given => ({
  codec: CODECS.weights,
  rawLength: raw.length,
  bytes,
  base,
})

/** What the decoder in TypeScript says: SHA-256 of the decoded bytes, or the code of the error. */
async function expectedOf({ codec, rawLength, bytes, base }: Given): Promise<string> {
  const out = new Uint8Array(rawLength)
  try {
    await typescript.decode(codec, bytes, out, base)
  } catch (error) {
    assert.ok(error instanceof HardpackError, String(error))
    return error.code
  }
  return toHex(await sha256(out))
}
const typescript = typescriptDecoder()

async function publish(name: string, given: readonly Given[]): Promise<string> {
  const cases = given.map(({ codec, rawLength, bytes, base }): ChunkCase => {
    const text = (own: Uint8Array): string => Buffer.from(own).toString('base64')
    return { codec, rawLength, bytes: text(bytes), ...(base && { base: text(base) }) }
  })
  await writeFile(join(root, name), JSON.stringify(cases))
  return JSON.stringify(name)
}

/** Decodes all at once on the GPU; each has to end as in TypeScript. */
async function assertSame(name: string, given: readonly Given[]): Promise<string[]> {
  const expected: string[] = []
  for (const own of given) expected.push(await expectedOf(own))
  const outcomes = await page.call<string[]>(`e2e.outcomes(${await publish(name, given)})`)
  assert.deepEqual(outcomes, expected)
  return outcomes
}

/** Half of them without differences, which no GPU decodes. */
const samples = fc
  .sample(wishes, { numRuns: SAMPLES, seed: SEED })
  .map((own, i) => sampleOf(i, i % 2 ? own : own.map((wish) => ({ ...wish, stream: wish.stream % DELTA16 }))))

/** The chunk with one bit turned around, anywhere in `bytes` from `from` on. */
function damaged(own: Given, random: number, from = 0): Given {
  const bytes = own.bytes.slice()
  bytes[from + (random % (bytes.length - from))] ^= 1 << (random % 7)
  return { ...own, bytes }
}

test('chunks of any segments', { timeout: 120_000 }, async (t) => {
  if (skip) return t.skip(skip)
  const outcomes = await assertSame('any.json', samples.map(givenOf))
  for (const [i, { raw }] of samples.entries()) assert.equal(outcomes[i], toHex(await sha256(raw)))
  assert.deepEqual(served?.violations, [])
})

test('segments of many blocks', { timeout: 120_000 }, async (t) => {
  if (skip) return t.skip(skip)
  await assertSame(
    'blocks.json',
    ofManyBlocks.map((own, i) => givenOf(sampleOf(i, own))),
  )
})

test('the golden vectors', { timeout: 60_000 }, async (t) => {
  if (skip) return t.skip(skip)
  const given = VECTORS.map(({ codec, rawLength, base64, hasBase }): Given => {
    return { codec, rawLength, bytes: Buffer.from(base64, 'base64'), base: hasBase ? baseBytes(rawLength) : undefined }
  })
  assert.deepEqual(
    await assertSame('vectors.json', given),
    VECTORS.map(({ sha256 }) => sha256),
  )
})

test('damaged chunks, in the header and after it', { timeout: 120_000 }, async (t) => {
  if (skip) return t.skip(skip)
  const given = samples.slice(0, DAMAGED).flatMap((sample, i) => {
    const own = givenOf(sample)
    const end = sample.bytes.length - sample.parts[1].length
    return [damaged(own, 7919 * i), damaged(own, 104_729 * i, end), { ...own, base: undefined }]
  })
  const outcomes = await assertSame('damaged.json', given)
  assert.ok(outcomes.filter((outcome) => outcome === 'CHUNK_CORRUPT').length > DAMAGED)
})

test('chunks of other codecs', { timeout: 60_000 }, async (t) => {
  if (skip) return t.skip(skip)
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i)
  const raw = { codec: CODECS.raw, rawLength: 1000, bytes, base: undefined }
  await assertSame('codecs.json', [raw, { ...raw, rawLength: 999 }, { ...raw, codec: 9 }])
})

test('a lost device, and one that takes no shader', { timeout: 60_000 }, async (t) => {
  if (skip) return t.skip(skip)
  const given = samples.filter(({ header }) => header.segments.every(({ method }) => method < 6)).map(givenOf)
  const outcomes = await page.call<string[]>(`e2e.lostDevice(${await publish('lost.json', given)})`)
  assert.deepEqual([...new Set(outcomes)], ['DEVICE_LOST'])
  assert.equal(outcomes.length, given.length + 1)
  assert.equal(await page.call('e2e.refusal()'), 'TARGET_UNAVAILABLE')
})
