import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HardpackError, type Tensor } from '../core/index.ts'
import { tensorSamples } from '../pack/samples/index.ts'
import { heldSamples } from './samples.ts'

const input = { name: 'x', dtype: 'float32', shape: ['n', 2] } as const
const set = (count: number, width = 2) =>
  tensorSamples('numbers', {
    dtype: 'float32',
    shape: [count, width],
    data: Float32Array.from({ length: count * width }, (_, i) => i),
  })

test('samples are read once and given as often as wanted', async () => {
  let reads = 0
  const counted = {
    ...set(70),
    batch(rows: readonly number[]) {
      reads++
      return set(70).batch(rows)
    },
  }
  const held = await heldSamples(counted, input, { limit: 100, seed: 0 })
  assert.deepEqual([held.count, held.name, reads], [70, 'numbers', 4])
  assert.deepEqual([...(await held.batch([69, 0, 69])).data], [138, 139, 0, 1, 138, 139])
  assert.equal(reads, 4)
})

test('a limit draws at random, by the seed', async () => {
  const draw = async (seed: number): Promise<number[]> => {
    const held = await heldSamples(set(50), input, { limit: 10, seed })
    assert.equal(held.count, 10)
    return [...((await held.batch([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])).data as Float32Array)]
  }
  assert.deepEqual(await draw(1), await draw(1))
  assert.notDeepEqual(await draw(1), await draw(2))
})

test('what one call left out, the next gives', async () => {
  const rows = async (limit: number, skip: number): Promise<number[]> => {
    const held = await heldSamples(set(50), input, { limit, seed: 3, skip })
    const { data } = await held.batch(Array.from({ length: held.count }, (_, i) => i))
    return Array.from(data as Float32Array).filter((_, i) => i % 2 === 0)
  }
  const all = [...(await rows(10, 0)), ...(await rows(100, 10))]
  assert.deepEqual(
    all.sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, i) => 2 * i),
  )
})

test('another shape, type or mixed sizes are refused in one sentence with both; so are no samples', async () => {
  const refused = (own: Parameters<typeof heldSamples>[0], pattern: RegExp) =>
    assert.rejects(heldSamples(own, input, { limit: 100, seed: 0 }), (error) => {
      assert.ok(error instanceof HardpackError && error.code === 'INVALID_INPUT')
      assert.match(error.message, pattern)
      return true
    })
  await refused(set(4, 3), /^Samples of numbers expected float32\[n,2\] as input "x" takes, got float32\[4,3\]\./)
  const doubles = async (rows: readonly number[]): Promise<Tensor> => ({
    dtype: 'float64',
    shape: [rows.length, 2],
    data: new Float64Array(2 * rows.length),
  })
  await refused({ count: 2, batch: doubles }, /^Samples of this set expected .*, got float64\[2,2\]\./)
  await refused(set(0), /^Pruning expected samples, got none in numbers\./)
})
