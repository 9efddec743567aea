import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, mock, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { rng } from '../../sdk/core/index.ts'
import { CODECS, encodeWeights, wasmDecoder } from '../index.ts'
import type { EncodedChunk } from '../types.ts'
import { nodeWorkers } from './node.ts'
import { DecoderPool, type Workers } from './pool.ts'

const random = rng(1)
const raw = new Uint8Array(Float32Array.from({ length: 20_000 }, () => random.uniform() - random.uniform()).buffer)
const { chunks } = await encodeWeights([{ dtype: 'float32', shape: [100, 200], bytes: raw }])
const chunk = chunks[0] as EncodedChunk

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
})
after(() => rm(folder, { recursive: true, force: true }))

/** Threads of Node that run a script of the test's own. */
async function scripted(name: string, script: string): Promise<Workers> {
  const path = join(folder, name)
  await writeFile(path, `import { parentPort } from 'node:worker_threads'\n${script}\n`)
  return workersOf(pathToFileURL(path))
}

function workersOf(script: URL): Workers {
  return {
    cores: () => 2,
    start({ onAnswer, onLost }) {
      const worker = new Worker(script)
      worker.on('message', onAnswer)
      worker.on('error', onLost)
      worker.on('exit', onLost)
      return {
        postMessage: (job, transfer) => worker.postMessage(job, transfer),
        terminate: () => void worker.terminate(),
      }
    },
  }
}

/** Decodes the chunk `count` times at once, in a pool; gives the pool's name at the end. */
async function decodeIn(workers: Workers, count = 4): Promise<string> {
  const pool = new DecoderPool(workers, 2)
  try {
    const outs = Array.from({ length: count }, () => new Uint8Array(chunk.rawLength))
    await Promise.all(outs.map((out) => pool.decode(chunk.codec, chunk.bytes, out)))
    for (const out of outs) assert.deepEqual(out, raw)
    return pool.name
  } finally {
    pool.close()
  }
}

test('each worker has one chunk at a time, and several work at once', async () => {
  const busy = new Set<number>()
  let most = 0
  let started = 0
  const watched: Workers = {
    ...nodeWorkers,
    start({ onAnswer, onLost }) {
      const id = started++
      const worker = nodeWorkers.start({
        onLost,
        onAnswer(answer) {
          busy.delete(id)
          onAnswer(answer)
        },
      })
      return {
        postMessage(job, transfer) {
          assert.ok(!busy.has(id), 'a busy worker got a chunk')
          busy.add(id)
          most = Math.max(most, busy.size)
          worker.postMessage(job, transfer)
        },
        terminate: () => worker.terminate(),
      }
    },
  }
  // Until both have started, one alone may be busy: chunks come until both were.
  for (let round = 0; round < 50 && most < 2; round++) await decodeIn(watched, 8)
  assert.equal(most, 2)
})

test('where no worker starts, chunks are decoded in this thread', async () => {
  const refusing: Workers = {
    cores: () => 2,
    start() {
      throw new Error('worker-src')
    },
  }
  assert.equal(await decodeIn(refusing), 'wasm')
  assert.equal(await decodeIn(workersOf(pathToFileURL(join(folder, 'missing.mjs')))), 'wasm')
  assert.equal(await decodeIn(await scripted('throws.mjs', "throw new Error('no')")), 'wasm')
})

test('chunks of a worker that ends, or refuses them, are decoded in this thread', async () => {
  const ready = "parentPort.postMessage({ ready: 'wasm' })"
  const ends = await scripted('ends.mjs', `parentPort.on('message', () => process.exit()); ${ready}`)
  await decodeIn(ends)
  const refuse = '({ memory }) => parentPort.postMessage({ memory, decoded: false }, [memory])'
  await decodeIn(await scripted('refuses.mjs', `parentPort.on('message', ${refuse}); ${ready}`))
})

test('a script that never answers is given up', async () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    let ended = 0
    const silent: Workers = {
      cores: () => 2,
      start: () => ({ postMessage() {}, terminate: () => void ended++ }),
    }
    const decoded = decodeIn(silent)
    mock.timers.tick(10_000)
    assert.equal(await decoded, 'wasm')
    assert.equal(ended, 2)
  } finally {
    mock.timers.reset()
  }
})

test('a corrupt chunk is the same error as without a pool, and the pool goes on', async () => {
  const wasm = await wasmDecoder()
  const pool = new DecoderPool(nodeWorkers, 2)
  try {
    const out = new Uint8Array(chunk.rawLength)
    for (const [codec, bytes] of [
      [chunk.codec, chunk.bytes.subarray(0, 100)],
      [CODECS.raw, chunk.bytes],
      [99, chunk.bytes],
    ] as const) {
      const thrown: unknown = await (async () => wasm.decode(codec, bytes, out))().catch((error) => error)
      assert.ok(thrown instanceof Error)
      await assert.rejects(pool.decode(codec, bytes, out), { code: 'CHUNK_CORRUPT', message: thrown.message })
    }
    await pool.decode(chunk.codec, chunk.bytes, out)
    assert.deepEqual(out, raw)
  } finally {
    pool.close()
  }
})

test('a closed pool rejects what was under way, what waits and what comes', async () => {
  const pool = new DecoderPool(nodeWorkers, 1)
  const out = new Uint8Array(chunk.rawLength)
  const calls = [1, 2, 3].map(() => pool.decode(chunk.codec, chunk.bytes, out))
  pool.close()
  pool.close()
  for (const call of [...calls, pool.decode(chunk.codec, chunk.bytes, out)]) {
    await assert.rejects(call, { code: 'CLOSED' })
  }
})

test('bytes are left as they were, and may lie anywhere in memory', async () => {
  const pool = new DecoderPool(nodeWorkers, 1)
  try {
    const around = new Uint8Array(chunk.bytes.length + 20).fill(7)
    around.set(chunk.bytes, 3)
    const bytes = around.subarray(3, 3 + chunk.bytes.length)
    const memory = new Uint8Array(chunk.rawLength + 20).fill(9)
    await pool.decode(chunk.codec, bytes, memory.subarray(5, 5 + chunk.rawLength))
    assert.deepEqual(memory.subarray(5, 5 + chunk.rawLength), raw)
    assert.deepEqual([...memory.subarray(0, 5), ...memory.subarray(5 + raw.length)], new Array(20).fill(9))
    assert.deepEqual(bytes, chunk.bytes)
  } finally {
    pool.close()
  }
})
