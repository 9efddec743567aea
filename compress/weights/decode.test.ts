import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bitWriter } from '../coder/bit-writer.ts'
import { CODECS, typescriptDecoder, wasmDecoder } from '../decode.ts'
import { framed, type Sample } from './chunk.fixture.ts'
import { DELTA16, DELTA32, FLOAT16, FLOAT32 } from './elements.ts'
import { codeHeader, type Stream } from './header.ts'
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

function sampleWithEscapes(stream: number): Sample {
  for (let seed = 0; ; seed++) {
    const sample = sampleOf(seed, [{ stream, sizes: [20, 9, 3] }])
    if (sample.header.streams[stream]?.escapes.length) return sample
  }
}

test('an escape too few or too many is refused, by both decoders', () => {
  for (const stream of [FLOAT32, FLOAT16, DELTA16, DELTA32]) {
    const sample = sampleWithEscapes(stream)
    const { raw, base, header, parts } = sample
    const { escapes } = header.streams[stream] as Stream
    for (const other of [escapes.subarray(1), Uint32Array.of(0, ...escapes)]) {
      const streams = header.streams.map((own) => own && { ...own, escapes: other })
      const writer = bitWriter()
      codeHeader(writer, raw.length, { ...header, streams })
      const bytes = framed([writer.finish(), parts[1]])
      for (const decoder of decoders) {
        assert.throws(() => decoder.decode(CODECS.weights, bytes, new Uint8Array(raw.length), base), /escapes/)
      }
    }
  }
})
