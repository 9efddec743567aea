import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HardpackError } from '../core/index.ts'
import { budgetText, parseBudget } from './budget.ts'

test('budgets: shares of four kinds, and sizes', () => {
  assert.deepEqual(parseBudget('flops=0.5'), { kind: 'flops', remain: 0.5 })
  assert.deepEqual(parseBudget('params=.25'), { kind: 'params', remain: 0.25 })
  assert.deepEqual(parseBudget('latency=0.6'), { kind: 'latency', remain: 0.6 })
  assert.deepEqual(parseBudget('bytes=0.5'), { kind: 'bytes', remain: 0.5 })
  assert.deepEqual(parseBudget('bytes=2MB'), { kind: 'bytes', size: 2_000_000 })
  assert.deepEqual(parseBudget('bytes=1.5kB'), { kind: 'bytes', size: 1500 })
  assert.deepEqual(parseBudget('bytes=700B'), { kind: 'bytes', size: 700 })
})

test('what is no budget is refused, with what it should look like', () => {
  const wrong = ['', 'flops', 'flops=', 'flops=0', 'flops=1', 'flops=1.2', 'flops=-0.5', 'flops=50%', 'macs=0.5']
  const sizes = ['flops=2MB', 'bytes=0', 'bytes=2', 'bytes=2GB', 'bytes=MB', 'bytes=0.5B', 'bytes=1e3B', 'latency=20ms']
  for (const text of [...wrong, ...sizes]) {
    assert.throws(
      () => parseBudget(text),
      (error) => {
        assert.ok(error instanceof HardpackError && error.code === 'INVALID_ARGUMENT', text)
        assert.match(error.message, /^A budget expected .*, got ".*"\. Write it like `flops=0\.5` or `bytes=2MB`\.$/)
        return true
      },
    )
  }
})

test('a budget in words', () => {
  assert.equal(budgetText({ kind: 'flops', remain: 0.5 }), '50 % of the MACs')
  assert.equal(budgetText({ kind: 'latency', remain: 1 / 3 }), '33.33 % of the latency')
  assert.equal(budgetText({ kind: 'bytes', size: 2_000_000 }), '2,000,000 bytes')
})
