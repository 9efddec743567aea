import assert from 'node:assert/strict'
import { test } from 'node:test'
import { warningsOf } from './warnings.ts'

const good = { synthetic: false, samples: 512, isStopped: false }

test('nothing to warn of, and each thing to warn of in one sentence or two', () => {
  assert.deepEqual(warningsOf(good), [])
  const [synthetic] = warningsOf({ ...good, synthetic: true })
  assert.match(
    synthetic,
    /^Pruned on synthetic pictures, .* lost \d+\.\d points of accuracy on CIFAR-10 so, and \d\.\d on/,
  )
  assert.deepEqual(warningsOf({ ...good, samples: 40 }), ['Pruned on 40 samples; 128 and more fit wide layers better.'])
  assert.match(warningsOf({ ...good, isStopped: true })[0], /^Pruning stopped before the budget was met/)
})
