import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contractSuite } from './contract.ts'
import { node } from './node.ts'
import type { Target } from './types.ts'
import { wasm } from './wasm-node.ts'

const targets: Record<string, Target> = { 'onnxruntime-node': node({ threads: 1 }), 'onnxruntime-web in Node': wasm() }

for (const [name, target] of Object.entries(targets)) {
  test(`${name} keeps the contract`, async (t) => {
    for (const { check, status, reason } of await contractSuite({ target })) {
      await t.test(check, (t) => (status === 'skip' ? t.skip(reason) : assert.equal(status, 'pass', reason)))
    }
  })
}
