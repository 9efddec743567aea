import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ChunkEntry, ChunkRange, Manifest } from '../container/manifest.ts'
import { concat, rng } from '../core/index.ts'
import { arenaOf, bytesAt, memoryFor, settle } from './arena.ts'

/** A manifest of one graph whose skeleton and tensors have these ranges; only what an arena looks at is there. */
function manifestOf(
  chunks: readonly number[],
  lists: readonly (readonly ChunkRange[])[],
  golden: readonly ChunkRange[],
) {
  const [skeleton, ...tensors] = lists
  return {
    chunks: chunks.map((rawLength): Partial<ChunkEntry> => ({ rawLength })),
    graphs: [{ skeleton, tensors: tensors.map((ranges) => ({ ranges })) }],
    golden: [{ inputs: [{ source: { seed: 1, amplitude: 1 } }, { source: { ranges: golden } }], outputs: [] }],
  } as unknown as Manifest
}

function chunkBytes(chunks: readonly number[]): Uint8Array[] {
  const random = rng(1)
  return chunks.map((length) => Uint8Array.from({ length }, () => random.below(256)))
}

test('whatever the ranges, and in whatever order chunks come, tensors lie in one piece', () => {
  const range = fc.record({ chunk: fc.nat(4), start: fc.nat(29), length: fc.integer({ min: 1, max: 30 }) })
  const list = fc.array(range, { maxLength: 5 })
  fc.assert(
    fc.property(fc.array(list, { minLength: 1, maxLength: 8 }), list, fc.nat(), (drafts, goldenDraft, seed) => {
      const chunks = [30, 17, 30, 8, 30]
      const fit = (ranges: readonly ChunkRange[]) =>
        ranges.map(({ chunk, start, length }) => {
          const first = start % chunks[chunk]
          return { chunk, start: first, length: Math.min(length, chunks[chunk] - first) }
        })
      const inOrder = [
        { chunk: 0, start: 3, length: 27 },
        { chunk: 1, start: 0, length: 17 },
        { chunk: 2, start: 0, length: 1 },
      ]
      const lists = [...drafts.map(fit), inOrder]
      const golden = fit(goldenDraft)
      const arena = arenaOf(manifestOf(chunks, lists, golden))
      const raw = chunkBytes(chunks)
      const random = rng(seed)
      for (const chunk of [...chunks.keys()].sort(() => random.uniform() - 0.5)) {
        const memory = memoryFor(arena, chunk, chunks[chunk])
        memory.set(raw[chunk])
        settle(arena, chunk, memory)
      }
      const expected = (ranges: readonly ChunkRange[]) =>
        concat(ranges.map(({ chunk, start, length }) => raw[chunk].subarray(start, start + length)))
      for (const ranges of lists) {
        const bytes = bytesAt(arena, ranges)
        assert.deepEqual([...bytes], [...expected(ranges)])
        assert.equal(bytes.buffer, arena.bytes.buffer)
      }
      assert.deepEqual([...bytesAt(arena, golden)], [...expected(golden)])
    }),
    { numRuns: 500 },
  )
})

test('bytes that only a tensor in pieces needs lie once, and tensors with the same ranges share their place', () => {
  const chunks = [1000, 1000]
  const own = { chunk: 1, start: 100, length: 900 }
  const copy = { chunk: 0, start: 200, length: 80 }
  const inPieces = () => [{ ...own, length: 400 }, copy, { ...own, start: 500, length: 500 }]
  const skeleton = [{ chunk: 0, start: 0, length: 1000 }]
  const arena = arenaOf(
    manifestOf(chunks, [skeleton, [{ chunk: 1, start: 0, length: 100 }], inPieces(), inPieces()], []),
  )
  assert.equal(arena.bytes.length, 1000 + 104 + 980)
})

test('chunks whose bytes follow one another are decoded in place', () => {
  const chunks = [1001, 999, 500]
  const spanning = [
    { chunk: 0, start: 100, length: 901 },
    { chunk: 1, start: 0, length: 999 },
  ]
  const arena = arenaOf(
    manifestOf(chunks, [[{ chunk: 0, start: 0, length: 100 }], spanning], [{ chunk: 2, start: 0, length: 500 }]),
  )
  for (const [chunk, length] of chunks.entries()) {
    assert.equal(memoryFor(arena, chunk, length).buffer, arena.bytes.buffer)
  }
  assert.equal(memoryFor(arena, 2, 500).byteOffset % 8, 0)
})
