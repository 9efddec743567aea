import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HardpackError } from '../sdk/core/index.ts'
import { garbage } from './contract-models.ts'
import { type FakeTarget, type Faults, fake } from './fake.ts'

const info = [{ name: 'x', dtype: 'float32', shape: [2] }] as const
const x = { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) } as const
const twice = (faults: Faults = {}): FakeTarget =>
  fake({
    inputs: info,
    outputs: [{ name: 'y', dtype: 'float32', shape: [2] }],
    compute: ({ x }) => ({ y: { ...x!, data: (x!.data as Float32Array).map((value) => value * 2) } }),
    faults,
  })
const failure = new HardpackError('TARGET_FAILED', 'as told')

test('without faults it computes, checks its feeds and closes', async () => {
  const target = twice()
  assert.deepEqual(await target.probe(), { available: true })
  const session = await target.create(garbage)
  assert.deepEqual((await session.run({ x })).y!.data, Float32Array.of(2, 4))
  await assert.rejects(session.run({}), { code: 'INVALID_INPUT' })
  await session.close()
  await session.close()
  await assert.rejects(session.run({ x }), { code: 'CLOSED' })
  assert.deepEqual(target.counts, { probe: 1, create: 1, run: 1, open: 0 })
})

test('wrong numbers differ in every element, and end when the fault is taken away', async () => {
  const target = twice({ run: 'wrong' })
  const session = await target.create(garbage)
  assert.deepEqual((await session.run({ x })).y!.data, Float32Array.of(5, 9))
  target.faults.run = undefined
  assert.deepEqual((await session.run({ x })).y!.data, Float32Array.of(2, 4))
})

test('faults by call: one optimization level wrong, the second run failing', async () => {
  const target = twice({
    run: ({ optimization, index }) => (index === 1 ? failure : optimization === 'all' ? 'wrong' : undefined),
  })
  const wrong = await target.create(garbage)
  assert.deepEqual((await wrong.run({ x })).y!.data, Float32Array.of(5, 9))
  await assert.rejects(wrong.run({ x }), failure)
  const right = await target.create(garbage, { optimization: 'disabled' })
  assert.deepEqual((await right.run({ x })).y!.data, Float32Array.of(2, 4))
})

test('an absent device has its reason, and refuses to create', async () => {
  const target = twice({ probe: 'no adapter' })
  assert.deepEqual(await target.probe(), { available: false, reason: 'no adapter' })
  await assert.rejects(target.create(garbage), { code: 'TARGET_UNAVAILABLE', message: /no adapter/ })
  const broken = twice({ create: failure })
  await assert.rejects(broken.create(garbage), failure)
})

test('what hangs ends with its signal, and a hanging run with close', async () => {
  const signal = (): AbortSignal => AbortSignal.timeout(1)
  const target = twice({ probe: 'hang' })
  const hung = setInterval(() => undefined, 1000)
  try {
    await assert.rejects(target.probe({ signal: signal() }), { code: 'ABORTED' })
    target.faults.probe = undefined
    target.faults.create = 'hang'
    await assert.rejects(target.create(garbage, { signal: signal() }), { code: 'ABORTED' })
    target.faults.create = undefined
    target.faults.run = 'hang'
    const session = await target.create(garbage)
    await assert.rejects(session.run({ x }, { signal: signal() }), { code: 'ABORTED' })
    const waiting = assert.rejects(session.run({ x }), { code: 'CLOSED' })
    await session.close()
    await waiting
  } finally {
    clearInterval(hung)
  }
})
