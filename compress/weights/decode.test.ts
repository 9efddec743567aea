import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CODECS, typescriptDecoder, wasmDecoder } from '../decode.ts'
import type { Sample } from './chunk.fixture.ts'
import { wishes as anyWishes, ofManyBlocks, sampleOf } from './sample.fixture.ts'

const decoders = [typescriptDecoder(), await wasmDecoder()]

function assertDecodes({ bytes, raw, base }: Sample, message?: string): void {
  for (const decoder of decoders) {
    const out = new Uint8Array(raw.length).fill(0xa5)
    decoder.decode(CODECS.weights, bytes, out, base)
    assert.deepEqual(out, raw, `${decoder.name} ${message ?? ''}`)
  }
}

test('chunks of any segments decode to what the description says', () => {
  fc.assert(
    fc.property(fc.nat(), anyWishes, (seed, wishes) => {
      assertDecodes(sampleOf(seed, wishes))
    }),
    { numRuns: 150 },
  )
})

test('segments of many blocks decode, with tiles that begin anywhere', () => {
  ofManyBlocks.forEach((wishes, i) => {
    assertDecodes(sampleOf(i, wishes), `case ${i}`)
  })
})
