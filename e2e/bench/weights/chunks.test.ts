/** Tensors come back out of an arena, also those that share bytes, and nothing else passes for them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CODECS, encodeWeights, typescriptDecoder, type WeightTensor } from '../../../compress/index.ts'
import { rng } from '../../../sdk/core/index.ts'
import { arenaOf, type ChunkDecoder, decodeInto, holds, laidOut } from './chunks.ts'

const bytesTensor = (bytes: Uint8Array): WeightTensor => ({ dtype: 'uint8', shape: [bytes.length], bytes })

test('real chunks decode into an arena that holds their tensors', async () => {
  const random = rng(1)
  const tensors = [300, 0, 5000].map((length): WeightTensor => {
    const values = Float32Array.from({ length }, () => random.uniform() - random.uniform())
    return { dtype: 'float32', shape: [length], bytes: new Uint8Array(values.buffer) }
  })
  const encoded = await encodeWeights(tensors)
  const arena = arenaOf(encoded)
  assert.equal(holds(arena, tensors), false)
  await decodeInto(arena, encoded, typescriptDecoder())
  assert.equal(holds(arena, tensors), true)
  arena.bytes[arena.bytes.length - 1] ^= 1
  assert.equal(holds(arena, tensors), false)
})

test('a range that is used again is copied, and a base lies where its chunk does', async () => {
  const raw = (bytes: Uint8Array) => ({ codec: CODECS.raw, rawLength: bytes.length, bytes })
  const whole = Uint8Array.of(1, 2, 3, 4, 5, 6)
  const encoded = {
    chunks: [raw(whole.subarray(0, 4)), raw(whole.subarray(4))],
    tensors: [
      {
        circuit: 'raw',
        packedBytes: 6,
        ranges: [
          { chunk: 0, start: 0, length: 4 },
          { chunk: 1, start: 0, length: 2 },
        ],
      },
      {
        circuit: 'raw',
        packedBytes: 0,
        ranges: [
          { chunk: 0, start: 1, length: 3 },
          { chunk: 1, start: 1, length: 1 },
        ],
      },
    ],
  }
  const tensors = [bytesTensor(whole), bytesTensor(Uint8Array.of(2, 3, 4, 6))]
  const arena = arenaOf(encoded)
  assert.equal(arena.bytes.length, 10)
  const bases: (Uint8Array | undefined)[] = []
  const decoder: ChunkDecoder = {
    name: 'later',
    async decode(codec, bytes, out, base) {
      bases.push(base?.slice())
      typescriptDecoder().decode(codec, bytes, out)
    },
  }
  const base = laidOut(arena, [Uint8Array.of(11, 12, 13, 14, 15, 16), Uint8Array.of(22, 23, 24, 26)])
  await decodeInto(arena, encoded, decoder, base)
  assert.equal(holds(arena, tensors), true)
  assert.deepEqual(bases, [Uint8Array.of(11, 12, 13, 14), Uint8Array.of(15, 16)])
})
