/** Every sample at every effort, and differences to a base of every kind: they come back from both decoders. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concat, type DType, rng } from '../sdk/core/index.ts'
import {
  EFFORTS,
  type EncodedChunk,
  type EncodeOptions,
  encodeWeights,
  typescriptDecoder,
  type WeightTensor,
  wasmDecoder,
} from './index.ts'
import { baseBytes, samples } from './vectors/samples.ts'

const decoders = [typescriptDecoder(), await wasmDecoder()]

/** The bytes that a chunk was encoded against. */
function baseOf({ base }: EncodedChunk, tensors: readonly WeightTensor[]): Uint8Array | undefined {
  return (
    base &&
    concat(
      base.map(({ tensor, start, length }) => (tensors[tensor].base as Uint8Array).subarray(start, start + length)),
    )
  )
}

async function circuitsOf(tensors: readonly WeightTensor[], options: EncodeOptions = {}): Promise<string[]> {
  const encoded = await encodeWeights(tensors, options)
  for (const decoder of decoders) {
    const raw: Uint8Array[] = []
    for (const chunk of encoded.chunks) {
      const out = new Uint8Array(chunk.rawLength)
      await decoder.decode(chunk.codec, chunk.bytes, out, baseOf(chunk, tensors))
      raw.push(out)
    }
    for (const [i, { bytes, dtype }] of tensors.entries()) {
      const parts = encoded.tensors[i].ranges.map(({ chunk, start, length }) =>
        raw[chunk].subarray(start, start + length),
      )
      assert.equal(Buffer.compare(concat(parts), bytes), 0, `${decoder.name}: ${dtype}`)
    }
  }
  return encoded.tensors.map(({ circuit }) => circuit)
}

test('every sample comes back, whatever the effort', async () => {
  for (const effort of EFFORTS) for (const tensors of Object.values(samples())) await circuitsOf(tensors, { effort })
})

/** A tensor that differs from its base in the last places: mostly by little, now and then by anything. */
function changed(dtype: DType, width: number, columns: number, most: number, rare: number): WeightTensor {
  const random = rng(most)
  const base = baseBytes(80 * columns * width)
  const bytes = base.slice()
  for (let i = 0; i < bytes.length; i += width) {
    bytes[i] += random.below(2 * most + 1) - most
    if (random.uniform() < rare) for (let place = 0; place < width; place++) bytes[i + place] = random.below(256)
  }
  return { dtype, shape: [80, columns], bytes, base }
}

test('differences pay for every type that has them, with a few elements that are far from the base', async () => {
  for (const [dtype, width] of [
    ['float32', 4],
    ['bfloat16', 2],
    ['float16', 2],
    ['int8', 1],
    ['uint8', 1],
  ] as const) {
    for (const most of [1, 20]) {
      if (width === 1 && most > 1) continue
      const [circuit] = await circuitsOf([changed(dtype, width, 60, most, 0.001)])
      assert.equal(circuit, 'Δ', `${dtype}, ${most}`)
    }
  }
})

test('a base that says nothing is not used, and one of zeros does no harm', async () => {
  const noise = changed('bfloat16', 2, 60, 1, 1)
  assert.notEqual((await circuitsOf([noise]))[0], 'Δ')
  const bytes = baseBytes(2 * 80 * 60)
  await circuitsOf([{ dtype: 'bfloat16', shape: [80, 60], bytes, base: new Uint8Array(bytes.length) }])
})

test('a chunk of differences is refused without its base, and with one of another length', async () => {
  const [chunk] = (await encodeWeights([changed('float32', 4, 60, 20, 0)])).chunks
  for (const base of [undefined, new Uint8Array(chunk.rawLength - 1)]) {
    for (const decoder of decoders) {
      assert.throws(() => decoder.decode(chunk.codec, chunk.bytes, new Uint8Array(chunk.rawLength), base), {
        code: 'CHUNK_CORRUPT',
      })
    }
  }
})
