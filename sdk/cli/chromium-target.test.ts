import assert from 'node:assert/strict'
import { test } from 'node:test'
import { node } from '../../targets/node.ts'
import { HardpackError, type Tensor } from '../core/index.ts'
import { writeModel } from '../onnx/index.ts'
import { convModel } from '../onnx/sample-models.ts'
import { findChromium } from './chromium.ts'
import { chromiumTargets } from './chromium-target.ts'

const chromium = findChromium()
const skip = 'reason' in chromium ? chromium.reason : false

test('targets in Chromium give what node gives; errors come back with their code', { skip }, async (t) => {
  const { model, feeds } = convModel()
  const file = writeModel(model)
  const reference = await node().create({ model: file })
  const expected = await reference.run(feeds)
  await reference.close()
  const { targets, close } = await chromiumTargets(['wasm', 'webgpu'])
  try {
    for (const target of targets) {
      await t.test(target.name, async (part) => {
        const probe = await target.probe()
        if (!probe.available) return part.skip(probe.reason)
        const session = await target.create({ model: file }, { optimization: 'all' })
        assert.deepEqual(
          session.inputs.map(({ name }) => name),
          ['x'],
        )
        const { y } = await session.run(feeds)
        assert.deepEqual([y.dtype, y.shape], [expected.y.dtype, expected.y.shape])
        for (const [i, value] of y.data.entries()) {
          assert.ok(Math.abs(Number(value) - Number(expected.y.data[i])) < 1e-4, `${target.name} ${i}`)
        }
        const odd: Tensor = { dtype: 'float64', shape: feeds.x.shape, data: new Float64Array(feeds.x.data.length) }
        await assert.rejects(session.run({ x: odd }), { name: 'HardpackError', code: 'INVALID_INPUT' })
        await session.close()
        await session.close()
        await assert.rejects(session.run(feeds), { code: 'CLOSED' })
        await assert.rejects(target.create({ model: Uint8Array.of(1, 2, 3) }), (error: unknown) => {
          return error instanceof HardpackError && error.code === 'UNSUPPORTED_MODEL'
        })
        await assert.rejects(target.create({ model: file }, { signal: AbortSignal.abort() }), { code: 'ABORTED' })
      })
    }
  } finally {
    await close()
  }
})
