import assert from 'node:assert/strict'
import { test } from 'node:test'
import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { inflate } from './inflate.ts'

const strategies = [constants.Z_DEFAULT_STRATEGY, constants.Z_HUFFMAN_ONLY, constants.Z_RLE, constants.Z_FIXED]

test('what zlib deflates, at any level and strategy, inflates to the same bytes', () => {
  const word = fc.uint8Array({ minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 60 }),
      fc.integer({ min: 0, max: 9 }),
      fc.constantFrom(...strategies),
      (words, level, strategy) => {
        const raw = Buffer.concat([...words, ...words.slice(0, 9), Buffer.alloc(words.length * 9)])
        const out = new Uint8Array(raw.length)
        inflate(deflateRawSync(raw, { level, strategy }), out)
        assert.ok(raw.equals(out))
      },
    ),
  )
})

test('distances up to 32 KiB and several blocks', () => {
  const raw = new Uint8Array(200000).map((_, i) => (i * i) >>> (i >> 14))
  const out = new Uint8Array(raw.length)
  inflate(deflateRawSync(raw, { level: 9, memLevel: 1 }), out)
  assert.deepEqual(out, raw)
})

test('every truncation, and an output one byte too short or too long, is refused', () => {
  const raw = Buffer.from('it was the best of times, it was the worst of times')
  const deflated = deflateRawSync(raw)
  for (let length = 0; length < deflated.length; length++) {
    assert.throws(() => inflate(deflated.subarray(0, length), new Uint8Array(raw.length)), { code: 'CHUNK_CORRUPT' })
  }
  for (const length of [0, raw.length - 1, raw.length + 1]) {
    assert.throws(() => inflate(deflated, new Uint8Array(length)), { code: 'CHUNK_CORRUPT' })
  }
  assert.throws(() => inflate(Buffer.concat([deflated, Buffer.alloc(1)]), new Uint8Array(raw.length)), {
    code: 'CHUNK_CORRUPT',
  })
})

test('a damaged stream is refused, or gives what zlib gives', () => {
  const raw = Buffer.from('a rose is a rose is a rose, and 0123456789 is not'.repeat(4))
  const deflated = deflateRawSync(raw)
  for (let bit = 0; bit < 8 * deflated.length; bit++) {
    const damaged = Buffer.from(deflated)
    damaged[bit >> 3] ^= 1 << (bit & 7)
    const out = new Uint8Array(raw.length)
    try {
      inflate(damaged, out)
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'CHUNK_CORRUPT')
      continue
    }
    assert.ok(inflateRawSync(damaged).equals(out), `bit ${bit}`)
  }
})
