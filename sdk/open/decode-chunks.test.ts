import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bestDecoder } from '../../compress/decode.ts'
import { nodeWorkers } from '../../compress/pool/node.ts'
import { DecoderPool } from '../../compress/pool/pool.ts'
import type { Decoder } from '../../compress/types.ts'
import { type OpenedPackage, readPackage } from '../container/read.ts'
import { bytesSource, concat, type OnProgress, type Source } from '../core/index.ts'
import { packageOf, weightsChunk } from './chunks.fixture.ts'
import { decodeChunks } from './load.ts'

const COUNT = 12
const made = await Promise.all(Array.from({ length: COUNT }, (_, i) => weightsChunk(16 + i, i)))
const raw = concat(made.map(({ raw }) => raw))
const file = await packageOf(made.map(({ chunk }) => chunk))

/** A package, which chunk reads of it were begun in which order and with which signal, and what each read waits for. */
async function watched(
  bytes: Uint8Array,
  until: (chunk: number) => Promise<void> | undefined = () => undefined,
): Promise<{ source: Source; opened: OpenedPackage; begun: number[]; signals: (AbortSignal | undefined)[] }> {
  const inner = bytesSource(bytes)
  const opened = await readPackage(inner, { trust: 'unsigned' })
  const begun: number[] = []
  const signals: (AbortSignal | undefined)[] = []
  const source: Source = {
    byteLength: inner.byteLength,
    async read(start, end, signal) {
      const chunk = opened.chunkOffsets.indexOf(start)
      begun.push(chunk)
      signals.push(signal)
      await until(chunk)
      return inner.read(start, end)
    },
  }
  return { source, opened, begun, signals }
}

/** Runs `use` with each kind of decoder. */
async function withEach(use: (decoder: Decoder, lanes: number) => Promise<void>): Promise<void> {
  await use(await bestDecoder(), 2)
  const pool = new DecoderPool(nodeWorkers, 3)
  try {
    await use(pool, 4)
  } finally {
    pool.close()
  }
}

/** Something that others wait for. */
class Count {
  value = 0
  readonly #waiting: { least: number; resolve: () => void }[] = []

  set(value: number): void {
    this.value = value
    for (const { least, resolve } of this.#waiting) if (value >= least) resolve()
  }
  reaches(least: number): Promise<void> {
    if (this.value >= least) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ least, resolve }))
  }
}

test('a chunk is decoded while later ones are still on their way, and no more are on their way than lanes', async () => {
  await withEach(async (decoder, lanes) => {
    const decoded = new Count()
    // The last byte of a chunk comes only after every chunk before it was decoded.
    const { source, opened, begun } = await watched(file, (chunk) => {
      assert.ok(begun.length - decoded.value <= lanes, `${begun.length} begun, ${decoded.value} decoded`)
      return decoded.reaches(chunk)
    })
    const seen: number[] = []
    const onProgress: OnProgress = ({ stage, done, total }) => {
      assert.deepEqual([stage, total], ['decode', raw.length])
      seen.push(done)
      decoded.set(seen.length - 1)
    }
    const { bytes } = await decodeChunks(source, opened, decoder, { onProgress })
    assert.deepEqual(bytes, raw)
    assert.deepEqual(
      begun,
      made.map((_, i) => i),
    )
    const sums = made.map((_, i) => made.slice(0, i + 1).reduce((sum, { raw }) => sum + raw.length, 0))
    assert.deepEqual(seen, [0, ...sums])
  })
})

test('the next chunks are read while one is decoded', async () => {
  await withEach(async (decoder, lanes) => {
    const reads = new Count()
    const { source, opened, begun } = await watched(file, async () => reads.set(begun.length))
    let decodes = 0
    const waiting: Decoder = {
      name: 'waiting',
      threads: decoder.threads,
      async decode(...chunk) {
        await reads.reaches(Math.min(COUNT, lanes + decodes++))
        await decoder.decode(...chunk)
      },
    }
    const { bytes } = await decodeChunks(source, opened, waiting)
    assert.deepEqual(bytes, raw)
  })
})

test('chunks may arrive in any order', async () => {
  await withEach(async (decoder) => {
    // Every even chunk waits for the odd one after it to be asked for.
    const reads = new Count()
    const { source, opened } = await watched(file, (chunk) => {
      reads.set(chunk + 1)
      return chunk % 2 === 0 ? reads.reaches(Math.min(COUNT, chunk + 2)) : undefined
    })
    const { bytes } = await decodeChunks(source, opened, decoder)
    assert.deepEqual(bytes, raw)
  })
})

test('a chunk that does not decode, or to other bytes, ends it all: no further read, and what is read is cancelled', async () => {
  const [first, , third, ...rest] = made.map(({ chunk }) => chunk)
  const undecodable = { ...third, bytes: third.bytes.subarray(0, 100) }
  const another = { ...third, rawDigest: first.rawDigest }
  for (const [bad, message] of [
    [undecodable, /^The chunk expected/],
    [another, /^Chunk 2, decoded, expected SHA-256/],
  ] as const) {
    const bytes = await packageOf([first, first, bad, ...rest])
    await withEach(async (decoder, lanes) => {
      const { source, opened, begun, signals } = await watched(bytes, (chunk) =>
        chunk > 2 ? new Promise(() => {}) : undefined,
      )
      await assert.rejects(decodeChunks(source, opened, decoder), { code: 'CHUNK_CORRUPT', message })
      assert.ok(begun.length <= 2 + lanes, `${begun} with ${lanes} lanes`)
      assert.ok(signals.every((signal) => signal?.aborted))
    })
  }
})

test('an abort is ABORTED at once, with its reason, though the source does not answer', async () => {
  await withEach(async (decoder) => {
    const abort = new AbortController()
    const reason = new Error('the user went on')
    const { source, opened, signals } = await watched(file, (chunk) =>
      chunk > 4 ? new Promise(() => abort.abort(reason)) : undefined,
    )
    const call = decodeChunks(source, opened, decoder, { signal: abort.signal })
    await assert.rejects(call, { code: 'ABORTED', cause: reason })
    assert.ok(signals.every((signal) => signal?.aborted))
    const { begun, ...late } = await watched(file)
    await assert.rejects(decodeChunks(late.source, late.opened, decoder, { signal: abort.signal }), { code: 'ABORTED' })
    assert.deepEqual(begun, [])
  })
})
