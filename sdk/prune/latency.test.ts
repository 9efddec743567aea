import assert from 'node:assert/strict'
import { test } from 'node:test'
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

/** A model is as many milliseconds as its first byte; the machine becomes slower and slower. */
function slowing(closed: number[]): Target {
  let load = 1
  return {
    name: 'slowing',
    probe: async () => ({ available: true }),
    create: async ({ model }) => ({
      inputs: [],
      outputs: [],
      run: async () => {
        const end = performance.now() + model[0] * load
        load += 0.01
        while (performance.now() < end);
        return {}
      },
      close: async () => void closed.push(model[0]),
    }),
  }
}

test('ratios of neighbours do not care that the machine slows down', async () => {
  const closed: number[] = []
  const [first, second] = await measureLatency([Uint8Array.of(4), Uint8Array.of(2)], {}, slowing(closed), {
    rounds: 20,
  })
  assert.equal(first.ratio, 1)
  assert.ok(first.milliseconds > 4)
  assert.ok(Math.abs(second.ratio - 0.5) < 0.06, `${second.ratio}`)
  assert.ok(second.spread[0] <= second.ratio && second.ratio <= second.spread[1])
  assert.deepEqual(closed, [4, 2])
})

test('a fast model runs often, but not for ever', async () => {
  const seen: Progress[] = []
  await measureLatency([Uint8Array.of(0), Uint8Array.of(0)], {}, slowing([]), {
    onProgress: (progress) => seen.push(progress),
  })
  assert.equal(seen[0].total, 120 + 3)
})
