import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  bytesOf,
  bytesSource,
  concat,
  crc32c,
  equal,
  fromBfloat16,
  fromFloat16,
  fromHex,
  philox,
  rng,
  sha256,
  tensorOf,
  toBfloat16,
  toFloat16,
  toHex,
} from './index.ts'

test('CRC-32C gives the published vectors (RFC 3720, appendix B.4)', () => {
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa)
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43)
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e)
  assert.equal(crc32c(new TextEncoder().encode('123456789')), 0xe3069283)
})

test('SHA-256 agrees with OpenSSL', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
      assert.equal(toHex(await sha256(bytes)), createHash('sha256').update(bytes).digest('hex'))
    }),
    { numRuns: 30 },
  )
})

test('Philox 4×32-10 gives the known answers of Random123', () => {
  const hex = (words: number[]) => words.map((w) => w.toString(16).padStart(8, '0')).join(' ')
  assert.equal(hex(philox([0, 0, 0, 0], [0, 0])), '6627e8d5 e169c58d bc57ac4c 9b00dbd8')
  const ones = 0xffffffff
  assert.equal(hex(philox([ones, ones, ones, ones], [ones, ones])), '408f276d 41c83b0e a20bc7c6 6d5451fd')
  assert.equal(
    hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0])),
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  )
})

test('two streams of a seed differ, and a seed repeats itself', () => {
  const take = (seed: number, stream: number) => {
    const r = rng(seed, stream)
    return Array.from({ length: 9 }, () => r.u32())
  }
  assert.deepEqual(take(1, 0), take(1, 0))
  assert.notDeepEqual(take(1, 0), take(1, 1))
  assert.notDeepEqual(take(1, 0), take(2, 0))
})

test('every float16 and bfloat16 pattern survives the way to float32 and back', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const half = fromFloat16(bits)
    if (Number.isNaN(half)) assert.equal(toFloat16(half) & 0x7fff, 0x7e00)
    else assert.equal(toFloat16(half), bits, `float16 ${bits}`)
    const brain = fromBfloat16(bits)
    if (Number.isNaN(brain)) assert.equal(toBfloat16(brain) & 0x7fff, 0x7fc0)
    else assert.equal(toBfloat16(brain), bits, `bfloat16 ${bits}`)
  }
})

test('float16 and bfloat16 round to the nearest neighbour, ties to even', () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, min: -60000, max: 60000 }), (value) => {
      for (const [to, from] of [
        [toFloat16, fromFloat16],
        [toBfloat16, fromBfloat16],
      ] as const) {
        const bits = to(value)
        const error = Math.abs(from(bits) - value)
        for (const neighbour of [bits - 1, bits + 1]) {
          if ((neighbour ^ bits) & 0x8000 || neighbour < 0) continue
          const other = Math.abs(from(neighbour) - value)
          assert.ok(error < other || (error === other && bits % 2 === 0))
        }
      }
    }),
  )
})

test('hex round-trips, and what is not hex is refused', () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => equal(fromHex(toHex(bytes)) as Uint8Array, bytes)))
  assert.equal(fromHex('0'), undefined)
  assert.equal(fromHex('zz'), undefined)
})

test('a tensor is a view over its bytes, and a wrong length is refused', () => {
  const bytes = concat([Uint8Array.of(0, 0, 128, 63), Uint8Array.of(0, 0, 0, 64)])
  const tensor = tensorOf('float32', [2], bytes)
  assert.deepEqual([...tensor.data], [1, 2])
  assert.equal(bytesOf(tensor).buffer, bytes.buffer)
  assert.deepEqual([...tensorOf('float32', [1], concat([Uint8Array.of(9), bytes]).subarray(1, 5)).data], [1])
  const buffer = Buffer.concat([Buffer.of(9), bytes]).subarray(1, 5)
  assert.deepEqual([...tensorOf('float32', [1], buffer).data], [1])
  assert.throws(() => tensorOf('float32', [3], bytes), { code: 'INVALID_ARGUMENT' })
})

test('a source refuses a read outside its bytes', async () => {
  const source = bytesSource(new Uint8Array(4))
  assert.equal((await source.read(1, 3)).length, 2)
  await assert.rejects(source.read(2, 5), { code: 'INVALID_FORMAT' })
  await assert.rejects(source.read(-1, 2), { code: 'INVALID_FORMAT' })
})
