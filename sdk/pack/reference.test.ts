import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fake } from '../../targets/fake.ts'
import { HardpackError } from '../core/index.ts'
import { makeGraph, makeModel, makeNode, makeValue, readModel, writeModel } from '../onnx/index.ts'
import { pack } from './pack.ts'

const x = { name: 'x', dtype: 'float32', shape: [2] } as const
const y = { ...x, name: 'y' } as const
const model = writeModel(
  makeModel(
    makeGraph('g', {
      nodes: [makeNode('Identity', ['x'], ['y'])],
      inputs: [makeValue('x', 'float32', [2])],
      outputs: [makeValue('y', 'float32', [2])],
    }),
  ),
)

const identity = (faults = {}) => fake({ inputs: [x], outputs: [y], compute: (feeds) => ({ y: feeds.x }), faults })

test('a second runtime that is not installed is TARGET_UNAVAILABLE, one that refuses the model REFERENCE_MISMATCH', async () => {
  for (const [faults, code] of [
    [{ probe: 'it is not installed' }, 'TARGET_UNAVAILABLE'],
    [{ create: new HardpackError('UNSUPPORTED_MODEL', 'No such operator.') }, 'REFERENCE_MISMATCH'],
    [{ run: new HardpackError('TARGET_FAILED', 'No such kernel.') }, 'REFERENCE_MISMATCH'],
  ] as const) {
    const reference = identity()
    await assert.rejects(pack(model, { name: 'm', reference, second: identity(faults) }), { code })
    assert.equal(reference.counts.open, 0)
  }
})

test('an abort while inputs are tried is ABORTED, not a model that cannot be run', async () => {
  const abort = new AbortController()
  const reference = identity({
    run() {
      abort.abort()
      return undefined
    },
  })
  await assert.rejects(pack(model, { name: 'm', reference, second: identity(), signal: abort.signal }), {
    code: 'ABORTED',
  })
  assert.equal(reference.counts.open, 0)
})

test('options that a package cannot hold are refused before any work', async () => {
  for (const options of [
    { name: '' },
    { name: 'a\nb' },
    { name: 'é'.repeat(129) },
    { name: undefined as never },
    { name: 'm', license: '\u001b[2J' },
    { name: 'm', release: -1 },
    { name: 'm', release: 1.5 },
  ]) {
    const reference = identity()
    await assert.rejects(pack(model, { ...options, reference, second: identity() }), { code: 'INVALID_ARGUMENT' })
    assert.equal(reference.counts.create, 0)
  }
})

test('a model without an output is refused as such', async () => {
  const silent = readModel(model)
  if (silent.graph) silent.graph.output = []
  await assert.rejects(pack(writeModel(silent), { name: 'm', reference: identity(), second: identity() }), {
    code: 'UNSUPPORTED_MODEL',
    message: /expected an output, got none/,
  })
})
