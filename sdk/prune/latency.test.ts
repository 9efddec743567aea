import assert from 'node:assert/strict'
import { type Mock, test } from 'node:test'
import type { Target } from '../../targets/types.ts'
import { HardpackError, type Progress } from '../core/index.ts'
import { interleaved, measureLatency } from './latency.ts'

test('tasks run in turns, forwards and backwards, and the warm-up is not counted', async () => {
  const order: string[] = []
  const task = (name: string) => async () => order.push(name)
  const seen: Progress[] = []
  const times = await interleaved([task('a'), task('b'), task('c')], {
    rounds: 4,
    warmUp: 1,
    onProgress: (progress) => seen.push(progress),
  })
  assert.equal(order.join(''), 'cbaabccbaabccba')
  assert.deepEqual(
    times.map((own) => own.length),
    [4, 4, 4],
  )
  assert.deepEqual(seen[0], { stage: 'measure latency', done: 0, total: 5 })
  assert.deepEqual(seen[seen.length - 1], { stage: 'measure latency', done: 5, total: 5 })
})

test('a signal ends the measurement', async () => {
  const abort = new AbortController()
  const task = async () => abort.abort()
  await assert.rejects(
    interleaved([task], { rounds: 9, signal: abort.signal }),
    (error) => error instanceof HardpackError && error.code === 'ABORTED',
  )
})

/** A model takes as many milliseconds as its first byte says, on a clock of its own; the machine becomes slower and slower. */
function slowing(clock: Mock<() => number>, closed: number[] = []): Target {
  let load = 1
  let time = 0
  clock.mock.mockImplementation(() => time)
  return {
    name: 'slowing',
    probe: async () => ({ available: true }),
    create: async ({ model }) => ({
      inputs: [],
      outputs: [],
      run: async () => {
        time += model[0] * load
        load += 0.01
        return {}
      },
      close: async () => void closed.push(model[0]),
    }),
  }
}

test('ratios of neighbours do not care that the machine slows down', async ({ mock }) => {
  const closed: number[] = []
  const [first, second] = await measureLatency(
    [Uint8Array.of(4), Uint8Array.of(2)],
    {},
    slowing(mock.method(performance, 'now'), closed),
    {
      rounds: 20,
    },
  )
  assert.equal(first.ratio, 1)
  assert.ok(first.milliseconds > 4)
  assert.ok(Math.abs(second.ratio - 0.5) < 0.01, `${second.ratio}`)
  assert.ok(second.spread[0] <= second.ratio && second.ratio <= second.spread[1])
  assert.deepEqual(closed, [4, 2])
})

test('rounds follow the time that a model takes', async ({ mock }) => {
  const clock = mock.method(performance, 'now')
  for (const [milliseconds, rounds] of [
    [1, 400],
    [20, 66],
    [200, 12],
  ]) {
    const seen: Progress[] = []
    const models = [Uint8Array.of(milliseconds), Uint8Array.of(milliseconds)]
    await measureLatency(models, {}, slowing(clock), { onProgress: (progress) => seen.push(progress) })
    assert.ok(Math.abs(seen[0].total - 3 - rounds) <= 10, `${seen[0].total} rounds of ${milliseconds} ms`)
  }
})
