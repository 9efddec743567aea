import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aimOf, judge } from './gauge.ts'

const gauge = { remain: 0.5, budget: () => ({ kind: 'flops', remain: 0.5 }) as const, reached: () => 0 }

test('an exact budget is met by definition', () => {
  for (const reached of [0.1, 0.5, 0.9]) assert.equal(judge(gauge, reached), 'met')
})

test('bytes may not be above, and latency a little', () => {
  const bytes = { ...gauge, tolerance: { above: 0, below: 0.02 } }
  assert.deepEqual(
    [0.501, 0.5, 0.49, 0.47].map((reached) => judge(bytes, reached)),
    ['above', 'met', 'met', 'below'],
  )
  const latency = { ...gauge, tolerance: { above: 0.02, below: 0.05 } }
  assert.deepEqual(
    [0.53, 0.515, 0.46, 0.44].map((reached) => judge(latency, reached)),
    ['above', 'met', 'met', 'below'],
  )
  assert.deepEqual([aimOf(gauge), aimOf(bytes), aimOf(latency)], [0.5, 0.49, 0.485])
})
