import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { watchdog } from './watchdog.ts'
import { WorkerClient, type WorkerLike } from './worker-client.ts'

type Listener = (event: { data: unknown; message?: string }) => void

/** A worker that answers when the test says so. */
class ScriptedWorker implements WorkerLike {
  readonly posted: { id: number; request: { type: string; session: number } }[] = []
  terminated = 0
  readonly #listeners = new Map<string, Listener[]>()

  postMessage(message: unknown): void {
    this.posted.push(message as ScriptedWorker['posted'][number])
  }
  addEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener as Listener])
  }
  terminate(): void {
    this.terminated++
  }
  say(data: unknown): void {
    for (const listener of this.#listeners.get('message') ?? []) listener({ data })
  }
  fail(message: string): void {
    for (const listener of this.#listeners.get('error') ?? []) listener({ data: undefined, message })
  }
}

const start = (): { worker: ScriptedWorker; client: WorkerClient } => {
  const worker = new ScriptedWorker()
  return { worker, client: new WorkerClient('webgpu', worker) }
}
const run = (session: number) => ({ type: 'run', session, feeds: {}, wanted: [] }) as const
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await undefined
}

test('one request is under way at a time, and each gets its own answer', async () => {
  const { worker, client } = start()
  const calls = [client.call(run(1), [], 1000), client.call(run(2), [], 1000)]
  await turns()
  assert.deepEqual(
    worker.posted.map(({ request }) => request.session),
    [1],
  )
  worker.say({ type: 'answer', id: 99, value: { stray: 1 } })
  worker.say({ type: 'answer', id: worker.posted[0]!.id, value: { first: 1 } })
  await turns()
  assert.equal(worker.posted.length, 2)
  worker.say({ type: 'answer', id: worker.posted[1]!.id, value: { second: 2 } })
  assert.deepEqual(await Promise.all(calls), [{ first: 1 }, { second: 2 }])
})

test('a failure rejects its own call only, with code and hint; a fatal one ends the worker', async () => {
  const { worker, client } = start()
  const failure = { code: 'TARGET_FAILED', message: 'It failed.', hint: 'Do that.', fatal: false }
  const first = client.call(run(1), [], 1000)
  await turns()
  worker.say({ type: 'failure', id: 0, failure })
  await assert.rejects(first, { code: 'TARGET_FAILED', message: 'It failed. Do that.', hint: 'Do that.' })
  assert.equal(client.dead, undefined)
  const second = client.call(run(1), [], 1000)
  const third = client.call(run(1), [], 1000)
  await turns()
  worker.say({ type: 'failure', id: 1, failure: { ...failure, fatal: true } })
  await assert.rejects(second, { code: 'TARGET_FAILED' })
  await assert.rejects(third, { code: 'DEVICE_LOST' })
  assert.equal(worker.terminated, 1)
})

test('a lost device rejects the call under way, those that wait, and those to come', async () => {
  const { worker, client } = start()
  const calls = [client.call(run(1), [], 1000), client.call(run(2), [], 1000)]
  await turns()
  worker.say({ type: 'lost', reason: 'the driver was reset' })
  for (const call of calls) await assert.rejects(call, { code: 'DEVICE_LOST', message: /the driver was reset/ })
  await assert.rejects(client.call(run(3), [], 1000), { code: 'DEVICE_LOST' })
  worker.say({ type: 'answer', id: 0, value: {} })
  worker.say({ type: 'lost', reason: 'again' })
  assert.equal(worker.terminated, 1)
  assert.equal(worker.posted.length, 1)
})

test('a script that does not load makes the target unavailable; an error after that is a lost device', async () => {
  const early = start()
  const first = early.client.call(run(1), [], 1000)
  await turns()
  early.worker.fail('')
  await assert.rejects(first, { code: 'TARGET_UNAVAILABLE', message: /worker script to load/ })
  const late = start()
  late.worker.say({ type: 'ready' })
  const second = late.client.call(run(1), [], 1000)
  await turns()
  late.worker.fail('boom')
  await assert.rejects(second, { code: 'DEVICE_LOST', message: /boom/ })
})

test('no answer in time is TIMEOUT for that call, a lost device for the rest', async () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  const clock = mock.method(performance, 'now', () => time)
  let time = 0
  try {
    const { worker, client } = start()
    const calls = [client.call(run(1), [], 3000), client.call(run(2), [], 3000)]
    const outcomes = Promise.allSettled(calls)
    await turns()
    for (let second = 1; second <= 3; second++) {
      assert.equal(worker.terminated, 0)
      time = second * 1000
      mock.timers.tick(1000)
    }
    assert.equal(worker.terminated, 1)
    const codes = (await outcomes).map((outcome) => outcome.status === 'rejected' && outcome.reason.code)
    assert.deepEqual(codes, ['TIMEOUT', 'DEVICE_LOST'])
  } finally {
    clock.mock.restore()
    mock.timers.reset()
  }
})

test('the watchdog counts the time that it was awake, and stops when told', () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    let time = 0
    let expired = 0
    const tick = (elapsed: number): void => {
      time += elapsed
      mock.timers.tick(1000)
    }
    watchdog(
      5000,
      () => expired++,
      () => time,
    )
    tick(3_600_000)
    assert.equal(expired, 0, 'an hour in a frozen tab counts as two seconds')
    tick(1000)
    tick(1000)
    assert.equal(expired, 0)
    tick(1000)
    assert.equal(expired, 1)
    tick(1000)
    assert.equal(expired, 1)
    const stop = watchdog(
      1000,
      () => expired++,
      () => time,
    )
    stop()
    tick(2000)
    assert.equal(expired, 1)
  } finally {
    mock.timers.reset()
  }
})
