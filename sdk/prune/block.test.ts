import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Target } from '../../targets/types.ts'
import { readModel } from '../onnx/index.ts'
import { blockOf } from './block.ts'

test('the block is where one more channel costs nothing', async ({ mock }) => {
  const clock = mock.method(performance, 'now')
  let time = 0
  clock.mock.mockImplementation(() => time)
  const inBlocksOf = (block: number): Target => ({
    name: 'blocks',
    probe: async () => ({ available: true }),
    create: async ({ model }) => ({
      inputs: [],
      outputs: [],
      run: async () => {
        const [{ dims }] = readModel(model).graph.initializer
        time += Math.ceil(Number(dims[0]) / block)
        return {}
      },
      close: async () => {},
    }),
  })
  for (const block of [8, 16]) assert.equal(await blockOf(inBlocksOf(block), {}), block)
})
