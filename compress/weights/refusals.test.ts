import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rng } from '../../sdk/core/index.ts'
import { CODECS, typescriptDecoder, wasmDecoder } from '../decode.ts'
import { chunkOf, drawChunk, type Plan, type Sample } from './chunk.fixture.ts'
import { BYTE, DELTA16, DELTA32, ELEMENTS, INDEX } from './elements.ts'
import type { Segment } from './header.ts'
import { wishes as anyWishes, planOf, sampleOf, segmentOf, type Wish } from './sample.fixture.ts'

const decoders = [typescriptDecoder(), await wasmDecoder()]

/** A chunk of one segment of bytes, in one block, without planes. */
const bytesOnly: Wish[] = [{ stream: BYTE, sizes: [5, 9, 3] }]

function assertRefused(
  bytes: Uint8Array,
  { raw, base }: Sample,
  what: string,
  withBase: Uint8Array | null = base,
): void {
  for (const decoder of decoders) {
    assert.throws(
      () => decoder.decode(CODECS.weights, bytes, new Uint8Array(raw.length), withBase ?? undefined),
      { code: 'CHUNK_CORRUPT' },
      `${decoder.name}: ${what}`,
    )
  }
}

test('words too few or too many, and states out of place, are refused', () => {
  const sample = sampleOf(1, bytesOnly)
  const {
    header,
    parts: [, blocks],
  } = sample
  const stream = header.streams[BYTE]
  assert.ok(stream)
  const changed = (by: number, own: Uint8Array) =>
    chunkOf(
      { ...header, streams: header.streams.map((s, i) => (s && i === BYTE ? { ...s, words: [s.words[0] + by] } : s)) },
      own,
      sample.raw.length,
    ).bytes
  assert.deepEqual(changed(0, blocks), sample.bytes)
  assertRefused(changed(1, Uint8Array.of(...blocks, 0, 0)), sample, 'a word too many')
  assertRefused(changed(-1, blocks.subarray(0, -2)), sample, 'a word too few')
  assertRefused(sample.bytes.subarray(0, -1), sample, 'cut off')
  assertRefused(Uint8Array.of(...sample.bytes, 0), sample, 'a byte too many')

  // Element 0 only: all lanes but the first stay as they are.
  const single = sampleOf(1, [{ stream: BYTE, sizes: [1, 1, 1] }])
  const first = single.bytes.length - single.parts[1].length
  for (const lane of [0, 1, 31]) {
    for (const state of [0, 0xffff, 0x10001]) {
      const damaged = single.bytes.slice()
      new DataView(damaged.buffer).setUint32(first + 4 * lane, state, true)
      if (lane > 0 || state < 0x10000) assertRefused(damaged, single, `state ${state} in lane ${lane}`)
    }
  }
})

test('escapes too few or too many are refused', () => {
  for (const stream of [0, 1, 2, DELTA16, DELTA32]) {
    let seed = 0
    let sample = sampleOf(seed, [{ stream, sizes: [20, 10, 1] }])
    while (!sample.header.streams[stream]?.escapes.length) sample = sampleOf(++seed, [{ stream, sizes: [20, 10, 1] }])
    const {
      header,
      parts: [, blocks],
      raw,
    } = sample
    for (const by of [-1, 1]) {
      const streams = header.streams.map((s) => {
        if (!s) return s
        const escapes = new Uint32Array(s.escapes.length + by)
        escapes.set(s.escapes.subarray(0, escapes.length))
        return { ...s, escapes }
      })
      assertRefused(
        chunkOf({ ...header, streams }, blocks, raw.length).bytes,
        sample,
        `stream ${stream}: escapes ${by}`,
      )
    }
  }
})

test('an index beyond its palette is refused', () => {
  for (const stream of [BYTE, INDEX]) {
    const random = rng(5)
    const plan = planOf(random, stream)
    const segment = segmentOf(random, { stream, sizes: [40, 9, 1], palette: true }, plan)
    assert.ok(segment.palette)
    const palette = { ...segment.palette, values: segment.palette.values.subarray(0, 9) }
    const plans = Array.from({ length: 8 }, (_, i) => (i === stream ? plan : undefined))
    const sample = drawChunk(random, [{ ...segment, palette }], plans)
    assertRefused(sample.bytes, sample, `stream ${stream}`)
  }
})

test('differences without their base, or with one of another length, are refused', () => {
  for (const wish of [{ stream: DELTA16 }, { stream: DELTA32 }, { stream: BYTE, base: true }]) {
    const sample = sampleOf(2, [{ ...wish, sizes: [4, 5, 6] }])
    assertRefused(sample.bytes, sample, 'no base', null)
    assertRefused(sample.bytes, sample, 'a short base', sample.base.subarray(1))
  }
})

test('tables, classes and bins beyond the last table are refused where the header is written and read', () => {
  const refused = (wish: Wish, change: (segment: Segment, plan: Plan) => [Segment, Plan]) => {
    const random = rng(3)
    const plan = planOf(random, wish.stream)
    const [segment, changed] = change(segmentOf(random, wish, plan), plan)
    const plans = Array.from({ length: 8 }, (_, i) => (i === wish.stream ? changed : undefined))
    const words = [0]
    const streams = plans.map((own) => own && { ...own, escapes: new Uint32Array(0), words })
    const length = segment.count * ELEMENTS[wish.stream].bytes
    assert.throws(() => chunkOf({ segments: [segment], streams, pools: [0, 0] }, new Uint8Array(0), length), {
      code: 'CHUNK_CORRUPT',
    })
  }
  refused({ stream: BYTE, sizes: [1, 1, 2] }, (segment, plan) => [{ ...segment, first: 64 }, plan])
  refused({ stream: BYTE, sizes: [1, 1, 2] }, (segment, plan) => [
    { ...segment, first: 0, latents: [Uint8Array.of(3), Uint8Array.of(0), Uint8Array.of(0, 2)] },
    { ...plan, tables: plan.tables.slice(0, 5) },
  ])
  refused({ stream: 1, sizes: [1, 1, 2] }, (segment, plan) => [{ ...segment, first: 61 }, plan])
  refused({ stream: DELTA16, sizes: [1, 1, 2] }, (segment, plan) => [{ ...segment, first: 61 }, plan])
  refused({ stream: 1, sizes: [1, 2, 2], axis: 1 }, (segment, plan) => [
    segment,
    { ...plan, bins: Uint8Array.from({ length: 16 }, (_, i) => i), tables: plan.tables.slice(0, 63) },
  ])
})

test('both decoders give the same verdict, or the same bytes, on damaged blocks', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      anyWishes,
      fc.array(
        fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.integer({ min: 1, max: 255 })),
        {
          minLength: 1,
          maxLength: 3,
        },
      ),
      (seed, wishes, damage) => {
        const { bytes, parts, raw, base } = sampleOf(seed, wishes)
        for (const [where, by] of damage) bytes[bytes.length - 1 - Math.floor(where * parts[1].length)] ^= by
        const [ours, twin] = decoders.map((decoder) => {
          const out = new Uint8Array(raw.length)
          try {
            decoder.decode(CODECS.weights, bytes, out, base)
          } catch (error) {
            return (error as { code?: string }).code ?? error
          }
          return out
        })
        assert.deepEqual(twin, ours)
        if (typeof ours === 'string') assert.equal(ours, 'CHUNK_CORRUPT')
        else assert.ok(ours instanceof Uint8Array)
      },
    ),
    { numRuns: 50 },
  )
})
