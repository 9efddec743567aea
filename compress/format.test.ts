/** Bytes that never change: when this turns red, files that exist no longer open. `e2e/vectors.test.ts` asks browsers as well. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { CODECS, describeChunk, typescriptDecoder, wasmDecoder } from './index.ts'
import { VECTORS } from './vectors/vectors.ts'
import { layoutOf } from './weights/layout.ts'

const chunks = VECTORS.map((vector) => ({ ...vector, bytes: new Uint8Array(Buffer.from(vector.base64, 'base64')) }))

test('the bytes of the format decode to what they always did', async () => {
  for (const decoder of [typescriptDecoder(), await wasmDecoder()]) {
    for (const { name, codec, rawLength, sha256, bytes } of chunks) {
      const out = new Uint8Array(rawLength)
      await decoder.decode(codec, bytes, out)
      assert.equal(createHash('sha256').update(out).digest('hex'), sha256, `${decoder.name}, ${name}`)
    }
  }
})

test('the vectors have every circuit and codec, several blocks, dead classes and escapes', () => {
  const circuits = chunks.flatMap(({ codec, bytes, rawLength }) => describeChunk(codec, bytes, rawLength))
  assert.deepEqual([...new Set(circuits.map(({ circuit }) => circuit))].sort(), ['A', 'Q', 'deflate', 'mix', 'raw'])
  const weights = chunks.filter(({ codec }) => codec === CODECS.weights)
  const streams = weights.flatMap(({ bytes, rawLength }) =>
    layoutOf(bytes, rawLength).flatMap(({ method, stream }) => (stream ? [{ method, stream }] : [])),
  )
  assert.deepEqual([...new Set(streams.map(({ method }) => method))].sort(), [0, 1, 2, 3])
  assert.ok(streams.some(({ stream }) => stream.words.length > 1))
  assert.ok(streams.some(({ method, stream }) => method < 2 && stream.tables.length === 5))
  assert.ok(streams.some(({ stream }) => stream.escapes.length > 0))
})
