import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import type { Graph, Target } from '../types.ts'
import type { CreateRequest, Request } from './protocol.ts'
import { WorkerTarget } from './worker-target.ts'

/** What the scripted workers answer to `create`; `undefined` hangs. Set by each test. */
let onCreate: (request: CreateRequest) => 'answer' | 'refuse' | 'hang'
let workers: ScriptedWorker[] = []

/** Stands for the page's `Worker`. A run answers its own feeds. */
class ScriptedWorker extends EventTarget {
  readonly requests: Request[] = []
  terminated = false

  constructor() {
    super()
    workers.push(this)
  }

  async postMessage({ id, request }: { id: number; request: Request }, transfer: Transferable[]): Promise<void> {
    // As a real message would: what is transferred is gone for the sender.
    structuredClone(null, { transfer: transfer as ArrayBuffer[] })
    this.requests.push(request)
    await undefined
    const action = request.type === 'create' ? onCreate(request) : 'answer'
    if (action === 'hang') return
    const failure = { code: 'UNSUPPORTED_MODEL', message: 'no', hint: undefined, fatal: false }
    const value = request.type === 'create' ? { inputs: [], outputs: [] } : {}
    const data = action === 'answer' ? { type: 'answer', id, value } : { type: 'failure', id, failure }
    this.dispatchEvent(new MessageEvent('message', { data }))
  }

  terminate(): void {
    this.terminated = true
  }
}

beforeEach(() => {
  workers = []
  onCreate = () => 'answer'
  Object.assign(globalThis, { Worker: ScriptedWorker })
})
afterEach(() => {
  Reflect.deleteProperty(globalThis, 'Worker')
  mock.reset()
})

const assets = { worker: 'http://localhost/w.js', mjs: 'http://localhost/o.mjs', wasm: 'http://localhost/o.wasm' }
const graph: Graph = { model: Uint8Array.of(1, 2, 3), externalData: [{ path: 'w', data: Uint8Array.of(4) }] }
const start = (threads = 1, createTimeoutMs = 60_000): Target =>
  new WorkerTarget({
    provider: 'wasm',
    options: { assets, createTimeoutMs },
    threads,
    probe: async () => ({ available: true, device: 'test' }),
  })

const serveGlue = (headers: Record<string, string>): void => {
  mock.method(globalThis, 'fetch', async () => new Response(null, { headers }))
}
const COEP = { 'cross-origin-embedder-policy': 'require-corp' }

test('sessions share a worker, the last one takes it along, and the next starts another', async () => {
  const target = start()
  const [first, second] = await Promise.all([target.create(graph), target.create(graph)])
  assert.equal(workers.length, 1)
  await first.close()
  await first.close()
  assert.equal(workers[0]!.terminated, false)
  assert.deepEqual(
    workers[0]!.requests.map(({ type }) => type),
    ['create', 'create', 'release'],
  )
  await second.close()
  assert.equal(workers[0]!.terminated, true)
  await target.create(graph)
  assert.equal(workers.length, 2)
  assert.deepEqual([...graph.model], [1, 2, 3], 'the graph still belongs to the caller')
})

test('a refused graph leaves no worker behind, unless another session uses it', async () => {
  const target = start()
  onCreate = () => 'refuse'
  await assert.rejects(target.create(graph), { code: 'UNSUPPORTED_MODEL' })
  assert.equal(workers[0]!.terminated, true)
  onCreate = () => 'answer'
  const session = await target.create(graph)
  onCreate = () => 'refuse'
  await assert.rejects(target.create(graph), { code: 'UNSUPPORTED_MODEL' })
  assert.equal(workers.length, 2)
  assert.deepEqual(await session.run({}), {})
})

test('an abort while the graph loads is answered at once, and ends a worker that nobody else uses', async () => {
  const target = start()
  onCreate = () => 'hang'
  const controller = new AbortController()
  const creating = target.create(graph, { signal: controller.signal })
  setImmediate(() => controller.abort())
  await assert.rejects(creating, { code: 'ABORTED' })
  assert.equal(workers[0]!.terminated, true)
})

test('threads that hang are given up for one, and the probe says so', async () => {
  serveGlue(COEP)
  onCreate = ({ threads }) => (threads > 1 ? 'hang' : 'answer')
  const target = start(4, 5)
  assert.deepEqual(await target.probe(), { available: true, device: 'test, 4 threads' })
  const session = await target.create(graph)
  assert.deepEqual(await session.run({}), {})
  assert.deepEqual(
    workers.map(({ requests, terminated }) => [(requests[0] as CreateRequest).threads, terminated]),
    [
      [4, true],
      [1, false],
    ],
  )
  assert.match((await target.probe()).reason ?? '', /^one thread, since several did not start in time/)
})

test('one thread that hangs is TIMEOUT, without a second try', async () => {
  onCreate = () => 'hang'
  await assert.rejects(start(1, 5).create(graph), { code: 'TIMEOUT' })
  assert.equal(workers.length, 1)
})

test('threads are not even tried where the glue comes without COEP', async () => {
  serveGlue({})
  const target = start(4)
  await target.create(graph)
  assert.equal((workers[0]!.requests[0] as CreateRequest).threads, 1)
  assert.match((await target.probe()).reason ?? '', /without Cross-Origin-Embedder-Policy/)
})

test('closing a session whose worker was lost is no error, and leaves its successor alone', async () => {
  const target = start()
  const lost = await target.create(graph)
  workers[0]!.dispatchEvent(new MessageEvent('message', { data: { type: 'lost', reason: 'gone' } }))
  await assert.rejects(lost.run({}), { code: 'DEVICE_LOST' })
  const next = await target.create(graph)
  await lost.close()
  assert.equal(workers[1]!.terminated, false)
  assert.deepEqual(await next.run({}), {})
})
