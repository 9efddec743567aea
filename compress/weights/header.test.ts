/** Every limit of a header: one step over it, reader and writer refuse, which are the same function. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bitReader } from '../coder/bit-reader.ts'
import { bitWriter } from '../coder/bit-writer.ts'
import { BYTE, DELTA16, FLOAT32, INDEX } from './elements.ts'
import { codeHeader, type Header, MAX_PALETTE, MAX_PATTERN, MAX_SEGMENTS, MIX, RAW, type Segment } from './header.ts'
import { MAX_LAG, MAX_LAGS, MAX_LINE_SETS, MOST_SHIFT } from './lines.ts'
import { sampleOf, type Wish } from './sample.fixture.ts'

interface Sample {
  readonly header: Header
  readonly length: number
}

function sample(wish: Wish): Sample {
  const { header, raw } = sampleOf(1, [wish])
  return { header, length: raw.length }
}

const lined = sample({ stream: FLOAT32, sizes: [6, 5, 2], axis: 2, spread: true })
const indexed = sample({ stream: INDEX, sizes: [6, 5, 2] })
const differing = sample({ stream: DELTA16, sizes: [6, 5, 2] })
const bytes = sample({ stream: BYTE, sizes: [6, 5, 2] })

/** The header with another first segment. Values may be of types that a decoder never gives. */
function withSegment({ header, length }: Sample, change: (segment: Segment) => object): Sample {
  const [first] = header.segments
  return { header: { ...header, segments: [{ ...first, ...change(first) } as Segment] }, length }
}

const withLines = (change: object): Sample => withSegment(lined, ({ lines }) => ({ lines: { ...lines, ...change } }))

function withStream({ header, length }: Sample, number: number, change: object): Sample {
  const streams = header.streams.map((stream, i) => (stream && i === number ? { ...stream, ...change } : stream))
  return { header: { ...header, streams }, length }
}

const code = ({ header, length }: Sample): Header => codeHeader(bitWriter(), length, header)
const zeros = (...sizes: number[]): Uint8Array[] => sizes.map((size) => new Uint8Array(size))
const rawBytes = (count: number): Segment => ({ method: RAW, count, latents: [], center: 0, first: 0 })

const BROKEN: Readonly<Record<string, Sample>> = {
  'a known method': withSegment(bytes, () => ({ method: MIX + 1 })),
  'segments of 60 bytes in all': {
    ...bytes,
    length: 60 - 1 + 1,
    header: { ...bytes.header, segments: [rawBytes(61)] },
  },
  [`at most ${MAX_SEGMENTS} segments`]: {
    header: { ...bytes.header, segments: Array.from({ length: MAX_SEGMENTS + 1 }, () => rawBytes(1)) },
    length: MAX_SEGMENTS + 1,
  },
  [`a pattern of at most ${MAX_PATTERN}`]: {
    ...withSegment(bytes, () => ({ latents: zeros(1, MAX_PATTERN + 1, 1) })),
    length: MAX_PATTERN + 1,
  },
  [`a palette of at most ${MAX_PALETTE} values`]: withSegment(indexed, () => ({
    palette: { bytes: 2, values: Uint32Array.from({ length: MAX_PALETTE + 1 }, (_, i) => i) },
  })),
  'a value of 16 bits': withSegment(indexed, () => ({ palette: { bytes: 2, values: Uint32Array.of(2, 1) } })),
  'a slope up to 2': withSegment(differing, () => ({ slope: { half: false, steps: 3, offset: 0 } })),
  'an offset within 1023': withSegment(differing, () => ({ slope: { half: false, steps: 1, offset: 1024 } })),
  'an axis from 0 to 2': withLines({ axis: 3 }),
  [`at most ${MAX_LAGS} lags`]: withLines({ lags: Array.from({ length: MAX_LAGS + 1 }, () => 1) }),
  [`a lag up to ${MAX_LAG}`]: withLines({ lags: [MAX_LAG + 1] }),
  [`at most ${MAX_LINE_SETS} lines of their own`]: {
    ...withSegment(lined, ({ lines }) => ({
      latents: zeros(1, 1, MAX_LINE_SETS + 1),
      lines: { ...lines, perLine: true },
    })),
    length: 4 * (MAX_LINE_SETS + 1),
  },
  'a coefficient from -128 to 127': withLines({ lags: [1], mean: [128], spread: [] }),
  [`a shift within ${MOST_SHIFT}`]: withLines({ shifts: Int8Array.of(MOST_SHIFT + 1) }),
  'at most 64 tables': withStream(bytes, BYTE, {
    tables: Array.from({ length: 65 }, () => Uint16Array.of(4096, ...new Uint16Array(255))),
  }),
  'a table below': withSegment(bytes, () => ({ first: 64 })),
  'at most 8 low bits': withStream(differing, DELTA16, { lowBits: 9 }),
  'at most 60 escapes': withStream(lined, FLOAT32, { escapes: new Uint32Array(61) }),
  'at most 60 words': withStream(bytes, BYTE, { words: [61] }),
}

test('a header that breaks a limit is refused where it breaks it', () => {
  for (const [limit, broken] of Object.entries(BROKEN)) {
    const expected = limit.replace('an offset', 'a slope up to 2 and an offset')
    assert.throws(
      () => code(broken),
      ({ code: own, message }) => {
        assert.equal(own, 'CHUNK_CORRUPT')
        assert.ok(message.includes(expected), `${limit}: ${message}`)
        return true
      },
      limit,
    )
  }
})

test('headers within the limits come back', () => {
  for (const { header, length } of [lined, indexed, differing, bytes]) {
    const writer = bitWriter()
    codeHeader(writer, length, header)
    const reader = bitReader(writer.finish())
    const read = codeHeader(reader, length)
    reader.finish()
    assert.deepEqual(
      read.segments.map(({ latents, lines, palette }) => ({ latents, lines, palette })),
      header.segments.map(({ latents, lines, palette }) => ({ latents, lines, palette })),
    )
    assert.deepEqual(
      read.streams.map((stream) => stream?.words),
      header.streams.map((stream) => stream?.words),
    )
  }
})
