import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concat, rng } from '../../sdk/core/index.ts'
import { describeChunk } from '../describe.ts'
import { CODECS } from '../types.ts'
import { drawChunk } from './chunk.fixture.ts'
import { costsOf } from './costs.ts'
import { BYTE, DELTA16 } from './elements.ts'
import { encodeWeights } from './encode.ts'
import type { Segment } from './header.ts'

/** All symbols alike, 8 bits each; and the first sixteen alike, 4 bits each. */
const TABLES = [
  new Uint16Array(256).fill(16),
  Uint16Array.from({ length: 256 }, (_, symbol) => (symbol < 16 ? 256 : 0)),
]

/** A segment of 64 × 64 elements that are all coded by one table. */
function segmentOf(method: number, first: number): Segment {
  const slope = method === DELTA16 ? { half: false, steps: 0, offset: 0 } : undefined
  const latents = [64, 64, 1].map((size) => new Uint8Array(size))
  return { method, count: 4096, latents, center: 0, first, slope }
}

function chunkOf(method: number) {
  // Tables of differences come in fours.
  const fours = method === DELTA16 ? 4 : 1
  const tables = TABLES.flatMap((table) => new Array<Uint16Array>(fours).fill(table))
  const plan = { tables, origins: [0, 0] as const, bins: new Uint8Array(16), lowBits: 0 }
  const plans = Array.from({ length: 8 }, (_, stream) => (stream === method ? plan : undefined))
  const segments = [segmentOf(method, 0), segmentOf(method, fours)]
  return drawChunk(rng(1), segments, plans)
}

const near = (value: number, expected: number): void =>
  assert.ok(Math.abs(value - expected) < 0.01 * expected + 128, `expected about ${expected}, got ${value}`)

test('segments that share a stream cost what their own symbols take', () => {
  const { bytes, raw } = chunkOf(BYTE)
  const [dear, cheap] = costsOf(bytes, raw.length).map(({ cost }) => cost)
  near(dear, 4096)
  near(cheap, 2048)
  assert.ok(Math.abs(dear + cheap - bytes.length) < 8, 'together they are the chunk')
})

test('a chunk with differences is measured with its base, and shared out by length without it', () => {
  const { bytes, raw, base } = chunkOf(DELTA16)
  const sizes = (given?: Uint8Array): number[] =>
    describeChunk(CODECS.weights, bytes, raw.length, given).map(({ packedBytes }) => packedBytes)
  const [dear, cheap] = sizes(base)
  assert.ok(dear > 1.5 * cheap)
  const [one, other] = sizes()
  assert.ok(Math.abs(one - other) < 8)
  assert.equal(one + other, bytes.length)
  assert.equal(dear + cheap, bytes.length)
})

test('costs add up to the chunk, whatever circuits and pools it has', async () => {
  const random = rng(2)
  const noise = Uint8Array.from({ length: 20_000 }, () => random.below(256))
  const text = new TextEncoder().encode('one two three four five six seven eight nine ten '.repeat(200))
  const floats = Float32Array.from({ length: 30_000 }, (_, i) => ((i % 5) + 1) * (random.uniform() - 0.5))
  const whole = Float64Array.from({ length: 2000 }, () => random.below(1000))
  const small = Int8Array.from({ length: 30_000 }, () => random.below(5))
  const { chunks } = await encodeWeights([
    { dtype: 'bool', shape: [noise.length], bytes: noise },
    { dtype: 'bool', shape: [text.length], bytes: text },
    { dtype: 'float64', shape: [whole.length], bytes: new Uint8Array(whole.buffer) },
    { dtype: 'float32', shape: [100, 300], bytes: new Uint8Array(floats.buffer) },
    { dtype: 'int8', shape: [100, 300], bytes: new Uint8Array(small.buffer) },
  ])
  assert.equal(chunks.length, 1)
  const [{ codec, bytes, rawLength }] = chunks
  assert.equal(codec, CODECS.weights)
  const costs = costsOf(bytes, rawLength)
  const total = costs.reduce((sum, { cost }) => sum + cost, 0)
  assert.ok(Math.abs(total - bytes.length) < 16, `${total} of ${bytes.length}`)
  near(costs[0].cost, noise.length)
  assert.ok(costs[1].cost < 300, `${costs[1].cost}: text that repeats deflates well`)
  assert.ok(costs[2].cost > 2000, `${costs[2].cost}: random numbers in the same pool do not`)
  near(costs[costs.length - 1].cost, (30_000 * Math.log2(5)) / 8)
  assert.equal(
    describeChunk(codec, bytes, rawLength).reduce((sum, { packedBytes }) => sum + packedBytes, 0),
    bytes.length,
  )
})

test('a damaged chunk is refused', () => {
  const { bytes, raw } = chunkOf(BYTE)
  for (const damaged of [bytes.subarray(0, bytes.length - 1), concat([bytes, Uint8Array.of(0)])]) {
    assert.throws(() => costsOf(damaged, raw.length), { code: 'CHUNK_CORRUPT' })
  }
})
