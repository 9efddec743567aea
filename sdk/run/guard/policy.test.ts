import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tighten, withholds } from './policy.ts'
import type { Action } from './verdict.ts'

const POLICY = { flag: 0.05, reject: 0.01, confidence: 0, combination: 'simes', withhold: 'reject' }

test('an app may tighten a policy', () => {
  assert.deepEqual(tighten(POLICY), POLICY)
  assert.deepEqual(tighten(POLICY, { flag: 0.1 }), { ...POLICY, flag: 0.1 })
  assert.deepEqual(tighten(POLICY, { reject: 0.2 }), { ...POLICY, flag: 0.2, reject: 0.2 })
  assert.deepEqual(tighten(POLICY, { withhold: 'flag' }), { ...POLICY, withhold: 'flag' })
})

test('an app may not loosen it', () => {
  for (const options of [
    { flag: 0.049 },
    { flag: 0 },
    { flag: 1 },
    { flag: Number.NaN },
    { flag: Number.POSITIVE_INFINITY },
    { flag: '0.1' as never },
    { reject: 0.009 },
    { reject: -1 },
    { reject: 1 },
    { withhold: 'indeterminate' },
    { withhold: 'never' },
    { withhold: 'sometimes' },
    { withhold: '' },
    { flag: 0.1, withhold: 'never' },
  ]) {
    assert.throws(() => tighten(POLICY, options), { code: 'INVALID_ARGUMENT' }, JSON.stringify(options))
  }
  assert.throws(() => tighten({ ...POLICY, withhold: 'never' }, { withhold: 'sometimes' }), {
    code: 'INVALID_ARGUMENT',
  })
})

test('each way of withholding withholds what the one before does, and more', () => {
  const actions: Action[] = ['accept', 'flag', 'reject', 'indeterminate']
  const table = ['never', 'indeterminate', 'reject', 'flag', 'unknown'].map((withhold) =>
    actions.map((action) => withholds({ ...POLICY, withhold }, action)),
  )
  assert.deepEqual(table, [
    [false, false, false, false],
    [false, false, false, true],
    [false, false, true, true],
    [false, true, true, true],
    [true, true, true, true],
  ])
})
