/** Bytes that never change: when this turns red, files that exist no longer open. `e2e/vectors.test.ts` asks browsers as well. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { CODECS, describeChunk, typescriptDecoder, wasmDecoder } from './index.ts'
import { baseBytes } from './vectors/samples.ts'
import { VECTORS } from './vectors/vectors.ts'
import { isFloat, QUARTERS } from './weights/elements.ts'
import { DEFLATE, MIX, RAW } from './weights/header.ts'
import { layoutOf } from './weights/layout.ts'

const chunks = VECTORS.map((vector) => ({
  ...vector,
  bytes: new Uint8Array(Buffer.from(vector.base64, 'base64')),
  base: vector.hasBase ? baseBytes(vector.rawLength) : undefined,
}))

test('the bytes of the format decode to what they always did', async () => {
  for (const decoder of [typescriptDecoder(), await wasmDecoder()]) {
    for (const { name, codec, rawLength, sha256, bytes, base } of chunks) {
      const out = new Uint8Array(rawLength)
      await decoder.decode(codec, bytes, out, base)
      assert.equal(createHash('sha256').update(out).digest('hex'), sha256, `${decoder.name}, ${name}`)
    }
  }
})

test('the vectors have every circuit, codec and stream, several blocks, dead classes and escapes', () => {
  const circuits = chunks.flatMap(({ codec, bytes, rawLength, base }) => describeChunk(codec, bytes, rawLength, base))
  assert.deepEqual([...new Set(circuits.map(({ circuit }) => circuit))].sort(), [
    'A',
    'B',
    'Q',
    'copies',
    'deflate',
    'mix',
    'palette',
    'raw',
    'Δ',
  ])
  const weights = chunks.filter(({ codec }) => codec === CODECS.weights)
  const sections = weights.flatMap(({ bytes, rawLength }) => layoutOf(bytes, rawLength))
  const methods = new Set(sections.map(({ method }) => method))
  assert.deepEqual(
    [...methods].sort((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7, RAW, DEFLATE, MIX],
  )
  const streams = sections.flatMap(({ stream, method }) => (stream ? [{ ...stream, method }] : []))
  assert.ok(streams.some(({ words }) => words.length > 1))
  // Tables of floats come in fours, and that of the dead behind them.
  assert.ok(streams.some(({ method, tables }) => isFloat(method) && tables.length % QUARTERS === 1))
  assert.ok(streams.some(({ escapes }) => escapes.length > 0))
})
