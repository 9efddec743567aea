import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Workers } from '../../compress/pool/pool.ts'
import { smallContents } from '../container/packages.fixture.ts'
import { withDecoder } from './decoder.ts'

const MIB = 1024 * 1024
const { manifest: rest } = await smallContents()

/** A manifest with this many chunks of 4 MiB; nothing but their number and lengths matters here. */
const manifestOf = (chunks: number) => {
  const digest = new Uint8Array(32)
  const chunk = { codec: 0, encodedLength: 1, rawLength: 4 * MIB, encodedDigest: digest, rawDigest: digest, base: [] }
  return { ...rest, chunks: Array.from({ length: chunks }, () => chunk) }
}

/** Workers that do nothing, on a machine with this many processors. */
function idle(cores: number): Workers & { started: number; ended: number } {
  const workers = {
    started: 0,
    ended: 0,
    cores: () => cores,
    start() {
      workers.started++
      return { postMessage() {}, terminate: () => void workers.ended++ }
    },
  }
  return workers
}

async function threads(chunks: number, cores: number, decodeThreads?: number): Promise<number> {
  const workers = idle(cores)
  await withDecoder(manifestOf(chunks), { decodeThreads }, workers, async (decoder) => {
    assert.equal(decoder.threads ?? 0, workers.started)
    assert.equal(workers.ended, 0)
  })
  assert.equal(workers.ended, workers.started)
  return workers.started
}

test('a thread for each 160 MiB, at most four, and fewer than there are processors', async () => {
  const PER_THREAD = 160 / 4
  assert.deepEqual(
    await Promise.all(
      [1, 2 * PER_THREAD - 1, 2 * PER_THREAD, 3 * PER_THREAD, 16 * PER_THREAD].map((n) => threads(n, 16)),
    ),
    [0, 0, 2, 3, 4],
  )
  assert.deepEqual(await Promise.all([1, 2, 3, 4, 5].map((cores) => threads(16 * PER_THREAD, cores))), [0, 0, 2, 3, 4])
})

test('decodeThreads says how many, as far as there are chunks; 0 and 1 are this thread', async () => {
  assert.deepEqual(await Promise.all([0, 1, 2, 3, 8].map((n) => threads(3, 1, n))), [0, 0, 2, 3, 3])
  assert.equal(await threads(500, 1, 1e9), 64)
  for (const decodeThreads of [-1, 1.5, Number.NaN, '2' as never]) {
    const call = withDecoder(manifestOf(1), { decodeThreads }, idle(4), async () => {})
    await assert.rejects(call, { code: 'INVALID_ARGUMENT', message: /decodeThreads expected a whole number/ })
  }
})

test('without a way to start threads there are none', async () => {
  assert.equal(await withDecoder(manifestOf(500), {}, undefined, async ({ name }) => name), 'wasm')
})

test('threads end with an error as well', async () => {
  const workers = idle(4)
  const call = withDecoder(manifestOf(500), {}, workers, () => Promise.reject(new Error('no')))
  await assert.rejects(call, /^Error: no$/)
  assert.deepEqual([workers.started, workers.ended], [3, 3])
})

test('no thread keeps Node alive: after success, a corrupt chunk, an abort, or while a source does not answer', async () => {
  const script = `
    import { readPackage } from './container/read.js'
    import { bytesSource } from './core/index.js'
    import { packageOf, weightsChunk } from './open/chunks.fixture.js'
    import { withDecoder } from './open/decoder.js'
    import { decodeChunks } from './open/load.js'
    import { nodeWorkers } from '../compress/pool/node.js'

    const { chunk } = await weightsChunk(16, 1)
    const signal = AbortSignal.abort()
    const openIn = async (source, chunks, options) => {
      const whole = bytesSource(await packageOf(chunks))
      const opened = await readPackage(whole, { trust: 'unsigned' })
      const { byteLength } = whole
      return withDecoder(opened.manifest, { decodeThreads: 2 }, nodeWorkers, (decoder) =>
        decodeChunks(source ?? whole, opened, decoder, options),
      )
    }
    const outcome = (call) => call.then(() => 'decoded', ({ code }) => code)
    console.log(await outcome(openIn(undefined, [chunk, chunk])))
    console.log(await outcome(openIn(undefined, [chunk, { ...chunk, bytes: chunk.bytes.subarray(0, 9) }])))
    console.log(await outcome(openIn(undefined, [chunk, chunk], { signal })))
    void openIn({ byteLength: 1e6, read: () => new Promise(() => {}) }, [chunk, chunk])
  `
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    timeout: 60_000, // It is killed then, and the test fails.
  })
  assert.deepEqual(stdout.trim().split('\n'), ['decoded', 'CHUNK_CORRUPT', 'ABORTED'])
})
