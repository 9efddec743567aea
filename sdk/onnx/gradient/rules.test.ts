import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CASES } from './cases.fixture.ts'
import { checkGradient } from './finite-differences.fixture.ts'
import { DIFFERENTIABLE } from './index.ts'

for (const { title, model, feeds, step } of CASES) {
  test(title, async () => {
    await checkGradient(model, feeds, { input: 'x', output: 'y', step })
  })
}

/** Where the gradient is not the derivative; see input-gradient.test.ts. */
const STRAIGHT_THROUGH = ['Ceil', 'DequantizeLinear', 'Floor', 'QuantizeLinear', 'Round']

test('every operator with a rule has a case', () => {
  const operators = new Set([...CASES.map(({ op }) => op), ...STRAIGHT_THROUGH])
  assert.deepEqual([...operators].sort(), DIFFERENTIABLE)
})
