import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HardpackError } from '../sdk/core/index.ts'
import { SerialQueue } from './queue.ts'

const gate = (): { promise: Promise<void>; open: () => void } => {
  let open = (): void => undefined
  const promise = new Promise<void>((resolve) => {
    open = resolve
  })
  return { promise, open }
}

test('tasks run one at a time, in order, whatever they do', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ turns: fc.nat(3), fails: fc.boolean() }), { maxLength: 20 }),
      async (tasks) => {
        const queue = new SerialQueue()
        const started: number[] = []
        let running = 0
        const results = await Promise.allSettled(
          tasks.map(({ turns, fails }, i) =>
            queue.run(async () => {
              started.push(i)
              assert.equal(++running, 1)
              for (let turn = 0; turn < turns; turn++) await undefined
              running--
              if (fails) throw new Error(`task ${i}`)
              return i
            }),
          ),
        )
        assert.deepEqual(started, [...tasks.keys()])
        for (const [i, { fails }] of tasks.entries()) {
          const result = results[i]!
          assert.equal(result.status, fails ? 'rejected' : 'fulfilled')
          if (result.status === 'fulfilled') assert.equal(result.value, i)
        }
        assert.equal(queue.size, 0)
      },
    ),
    { numRuns: 50 },
  )
})

test('a task that throws before its first await is a rejection like any other', async () => {
  const queue = new SerialQueue()
  const failing = queue.run(() => {
    throw new Error('at once')
  })
  await assert.rejects(failing, /at once/)
  assert.equal(await queue.run(async () => 1), 1)
})

test('the bound counts the running call, and frees a place when one settles', async () => {
  const queue = new SerialQueue(2)
  const { promise, open } = gate()
  const calls = [queue.run(() => promise), queue.run(async () => undefined)]
  await assert.rejects(
    queue.run(async () => undefined),
    { code: 'BUSY', retryable: true },
  )
  open()
  await Promise.all(calls)
  assert.equal(await queue.run(async () => 'served'), 'served')
})

test('an aborted call that waits never starts; one that runs is answered and holds its place', async () => {
  const queue = new SerialQueue()
  const { promise, open } = gate()
  const controller = new AbortController()
  let started = 0
  const count = async (): Promise<void> => {
    started++
  }
  const running = queue.run(() => promise, controller.signal)
  const waiting = queue.run(count, controller.signal)
  const last = queue.run(count)
  controller.abort(new Error('why'))
  await assert.rejects(running, { code: 'ABORTED', cause: new Error('why') })
  await assert.rejects(waiting, { code: 'ABORTED' })
  assert.equal(started, 0)
  open()
  await last
  assert.equal(started, 1)
  await assert.rejects(queue.run(count, AbortSignal.abort()), { code: 'ABORTED' })
})

test('a signal that fires after its call has settled changes nothing', async () => {
  const queue = new SerialQueue()
  const controller = new AbortController()
  assert.equal(await queue.run(async () => 'first', controller.signal), 'first')
  controller.abort()
  assert.equal(await queue.run(async () => 'second'), 'second')
})

test('close rejects what waits, lets the running call end, and refuses the rest', async () => {
  const queue = new SerialQueue()
  const { promise, open } = gate()
  const error = new HardpackError('CLOSED', 'closed')
  const running = queue.run(async () => {
    await promise
    return 'ended'
  })
  const waiting = queue.run(async () => 'never')
  const closing = queue.close(error)
  await assert.rejects(waiting, error)
  await assert.rejects(
    queue.run(async () => 'never'),
    error,
  )
  open()
  await closing
  assert.equal(await running, 'ended')
  await queue.close(new HardpackError('CLOSED', 'again'))
})
