import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { byteLength, concat, type DType, elementCount, HardpackError, rng } from '../sdk/core/index.ts'
import {
  CODECS,
  type Decoder,
  describeChunk,
  encodeBytes,
  encodeWeights,
  typescriptDecoder,
  type WeightTensor,
  wasmDecoder,
} from './index.ts'
import { nodeWorkers } from './pool/node.ts'
import { DecoderPool } from './pool/pool.ts'

const pool = new DecoderPool(nodeWorkers, 2)
after(() => pool.close())
const decoders: readonly Decoder[] = [typescriptDecoder(), await wasmDecoder(), pool]

const DTYPES = [
  ...([
    'float32',
    'bfloat16',
    'float16',
    'float64',
    'float8e4m3fn',
    'float8e4m3fnuz',
    'float8e5m2',
    'float8e5m2fnuz',
  ] as const),
  ...(['int4', 'uint4', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'bool'] as const),
] satisfies readonly DType[]

/** Bit patterns that a codec of floats likes to lose. */
const SPECIAL: Partial<Record<DType, readonly number[]>> = {
  float32: [
    0, 0x80000000, 1, 0x807fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffffffff, 0x7f7fffff, 0x00800000,
  ],
  bfloat16: [0, 0x8000, 1, 0x807f, 0x7f80, 0xff80, 0x7fc0, 0x7f81, 0xffff, 0x7f7f, 0x0080],
  float16: [0, 0x8000, 1, 0x83ff, 0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xffff, 0x7bff, 0x0400],
}

/** Gaussian-like weights with a scale for each row, and special values where `rare` says. */
function weights(dtype: DType, shape: readonly number[], seed: number, rare = 0): WeightTensor {
  const count = elementCount(shape)
  const random = rng(seed)
  const bytes = new Uint8Array(byteLength(dtype, count))
  const width = count === 0 ? 1 : bytes.length / count
  if (width < 1) return { dtype, shape, bytes: bytes.map(() => random.below(16) + 16 * random.below(4)) }
  const view = new DataView(bytes.buffer)
  const special = SPECIAL[dtype]
  for (let i = 0; i < count; i++) {
    const scale = 1 / (1 + (Math.floor(i / (shape.at(-1) || 1)) % 7))
    const value = scale * (random.uniform() + random.uniform() + random.uniform() + random.uniform() - 2)
    if (special && random.uniform() < rare) {
      const bits = special[random.below(special.length)]
      if (width === 4) view.setUint32(4 * i, bits, true)
      else view.setUint16(2 * i, bits, true)
    } else if (dtype === 'float32') view.setFloat32(4 * i, value, true)
    else if (dtype === 'bfloat16') {
      const one = new Float32Array([value])
      view.setUint16(2 * i, new Uint32Array(one.buffer)[0] >>> 16, true)
    } else if (dtype === 'float16') view.setUint16(2 * i, (value < 0 ? 0x8000 : 0) | random.below(0x3c00), true)
    else if (width === 1) bytes[i] = Math.round(40 * value)
    else bytes[width * i] = random.below(4)
  }
  return { dtype, shape, bytes }
}

function decodeAll(
  decoder: Decoder,
  chunks: readonly { codec: number; rawLength: number; bytes: Uint8Array }[],
): Promise<Uint8Array[]> {
  return Promise.all(
    chunks.map(async (chunk) => {
      const out = new Uint8Array(chunk.rawLength)
      await decoder.decode(chunk.codec, chunk.bytes, out)
      return out
    }),
  )
}

async function roundTrip(tensors: readonly WeightTensor[]): Promise<Awaited<ReturnType<typeof encodeWeights>>> {
  const encoded = await encodeWeights(tensors)
  for (const decoder of decoders) {
    const raw = await decodeAll(decoder, encoded.chunks)
    tensors.forEach((tensor, i) => {
      const parts = encoded.tensors[i].ranges.map(({ chunk, start, length }) =>
        raw[chunk].subarray(start, start + length),
      )
      assert.ok(
        Buffer.compare(concat(parts), tensor.bytes) === 0,
        `${decoder.name}: ${tensor.dtype}[${tensor.shape}] differs`,
      )
    })
  }
  for (const { codec, bytes, rawLength } of encoded.chunks) {
    assert.ok(rawLength <= 1 << 22 && bytes.length <= rawLength)
    const segments = describeChunk(codec, bytes, rawLength)
    assert.equal(
      segments.reduce((sum, segment) => sum + segment.packedBytes, 0),
      bytes.length,
    )
    let end = 0
    for (const { start, length } of segments) {
      assert.equal(start, end)
      end += length
    }
    assert.equal(end, rawLength)
  }
  return encoded
}

test('tensors of every type, rank 0 to 8, with special values, come back bit by bit from all decoders', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          dtype: fc.constantFrom(...DTYPES),
          shape: fc
            .array(fc.integer({ min: 0, max: 6 }), { maxLength: 8 })
            .filter((s) => s.reduce((p, d) => p * d, 1) < 20000),
          seed: fc.nat(),
          rare: fc.constantFrom(0, 0.01, 1),
        }),
        { minLength: 1, maxLength: 5 },
      ),
      async (specs) => {
        await roundTrip(specs.map(({ dtype, shape, seed, rare }) => weights(dtype, shape, seed, rare)))
      },
    ),
    { numRuns: 25 },
  )
})

test('every 16-bit pattern survives in a bfloat16 and in a float16 tensor of random bits', async () => {
  for (const dtype of ['bfloat16', 'float16'] as const) {
    const bytes = new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer)
    await roundTrip([weights(dtype, [64, 1024], 1), { dtype, shape: [256, 256], bytes }])
  }
})

test('circuits win on weights, and come close to the entropy of a Gaussian of known scale', async () => {
  const shape = [300, 400]
  const random = rng(5)
  const values = new Float32Array(120000)
  for (let i = 0; i < values.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()))
    const angle = 2 * Math.PI * random.uniform()
    const scale = 2 ** ((Math.floor(i / 400) % 9) - 4)
    values[i] = scale * radius * Math.cos(angle)
    values[i + 1] = scale * radius * Math.sin(angle)
  }
  const { chunks, tensors } = await roundTrip([{ dtype: 'float32', shape, bytes: new Uint8Array(values.buffer) }])
  assert.equal(tensors[0].circuit, 'A')
  const bits = (8 * chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0)) / values.length
  assert.ok(bits < 26.46 * 1.003, `${bits} bits a weight`)
})

test('a tensor over the chunk size is cut, tensors in order share chunks, empty tensors have no range', async () => {
  const { chunks, tensors } = await roundTrip([
    weights('float32', [16], 1),
    weights('float32', [700, 900], 2),
    weights('float32', [0, 4], 3),
    weights('int8', [64, 9], 4),
    weights('float16', [200003], 5),
  ])
  assert.ok(tensors[1].ranges.length > 1)
  assert.deepEqual(tensors[2].ranges, [])
  assert.ok(chunks.length < 5)
  const packed = tensors.reduce((sum, tensor) => sum + tensor.packedBytes, 0)
  const total = chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0)
  assert.ok(Math.abs(packed - total) <= tensors.length)
})

test('the same tensors give the same bytes, whatever lies around them in memory', async () => {
  const tensor = weights('float32', [50, 60], 9, 0.01)
  const moved = new Uint8Array(tensor.bytes.length + 3)
  moved.set(tensor.bytes, 3)
  const [a, b] = [await encodeWeights([tensor]), await encodeWeights([{ ...tensor, bytes: moved.subarray(3) }])]
  assert.deepEqual(a.chunks, b.chunks)
})

test('bytes of any kind come back, and text beats deflate', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), fc.nat(3), async (bytes, copies) => {
      const whole = concat(Array.from({ length: copies }, () => bytes))
      const chunks = await encodeBytes(whole)
      for (const decoder of decoders) assert.deepEqual(concat(await decodeAll(decoder, chunks)), whole)
    }),
    { numRuns: 30 },
  )
  const names = Array.from({ length: 300 }, (_, i) => `/layer${i >> 4}/conv${i & 15}/Conv_output_0`).join('\n')
  const text = new TextEncoder().encode(names)
  const [chunk] = await encodeBytes(text)
  assert.equal(chunk.codec, CODECS.mix)
  assert.ok(chunk.bytes.length < deflateRawSync(text, { level: 9 }).length)
  const large = weights('bool', [3 << 20], 1).bytes
  const chunks = await encodeBytes(large)
  assert.equal(chunks.length, 3)
  assert.deepEqual(concat(await decodeAll(decoders[0], chunks)), large)
})

test('a tensor whose bytes do not fit its shape is refused', async () => {
  const tensor = { dtype: 'float32', shape: [3], bytes: new Uint8Array(11) } as const
  await assert.rejects(encodeWeights([tensor]), { code: 'INVALID_ARGUMENT' })
})

test('an aborted signal stops both encoders', async () => {
  const signal = AbortSignal.abort()
  await assert.rejects(encodeWeights([weights('int8', [4], 1)], { signal }), { code: 'ABORTED' })
  await assert.rejects(encodeBytes(new Uint8Array(4), { signal }), { code: 'ABORTED' })
})

/** What a decoder makes of a chunk: its bytes, or `undefined` for CHUNK_CORRUPT; anything else fails the test. */
async function outcome(
  decoder: Decoder,
  codec: number,
  bytes: Uint8Array,
  rawLength: number,
): Promise<Uint8Array | undefined> {
  // A guard before and behind: a decoder that writes outside its output changes it.
  const guarded = new Uint8Array(rawLength + 64).fill(0xa5)
  try {
    await decoder.decode(codec, bytes, guarded.subarray(32, 32 + rawLength))
  } catch (error) {
    if (error instanceof HardpackError && error.code === 'CHUNK_CORRUPT') return undefined
    throw error
  } finally {
    assert.ok([...guarded.subarray(0, 32), ...guarded.subarray(32 + rawLength)].every((byte) => byte === 0xa5))
  }
  return guarded.slice(32, 32 + rawLength)
}

test('mutated, truncated and extended chunks give CHUNK_CORRUPT or bytes, the same from all decoders', async () => {
  const tensors = [
    weights('float32', [24, 30], 1, 0.02),
    weights('bfloat16', [20, 31], 2, 0.02),
    weights('float16', [20, 33], 3, 0.02),
    weights('int8', [40, 40], 4),
    weights('int64', [40], 5),
  ]
  const samples = [...(await encodeWeights(tensors)).chunks]
  for (const tensor of tensors) samples.push(...(await encodeWeights([tensor])).chunks)
  const text = new TextEncoder().encode('one two three two one '.repeat(20))
  samples.push(...(await encodeBytes(text)))
  samples.push({ codec: CODECS.deflate, rawLength: text.length, bytes: new Uint8Array(deflateRawSync(text)) })
  assert.ok(samples.some((sample) => sample.codec === CODECS.weights && sample.rawLength > 5000))

  let refused = 0
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...samples),
      fc.constantFrom('flip', 'truncate', 'extend', 'length', 'codec'),
      fc.nat(),
      fc.nat(),
      async (sample, kind, a, b) => {
        let { codec, rawLength } = sample
        let bytes = sample.bytes.slice()
        // Half of the flips hit the first bytes, where the header is.
        if (kind === 'flip') bytes[(a & 1 ? a >> 1 : (a >> 1) % 64) % bytes.length] ^= 1 << (b & 7)
        else if (kind === 'truncate') bytes = bytes.subarray(0, a % bytes.length)
        else if (kind === 'extend') bytes = concat([bytes, new Uint8Array(1 + (a % 40)).fill(b)])
        else if (kind === 'length') rawLength = a % (2 * rawLength)
        else codec = a % 5
        const [ours, ...twins] = await Promise.all(decoders.map((decoder) => outcome(decoder, codec, bytes, rawLength)))
        for (const twin of twins) assert.deepEqual(twin, ours)
        if (ours === undefined) refused++
        else if (kind === 'truncate' || kind === 'extend') assert.fail(`${kind} of codec ${codec} was not noticed`)
      },
    ),
    { numRuns: 1500 },
  )
  assert.ok(refused > 500)
})

test('random bytes are never decoded into anything but CHUNK_CORRUPT or bytes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 4 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(2000),
      async (codec, bytes, rawLength) => {
        const [ours, ...twins] = await Promise.all(decoders.map((decoder) => outcome(decoder, codec, bytes, rawLength)))
        for (const twin of twins) assert.deepEqual(twin, ours)
      },
    ),
    { numRuns: 500 },
  )
})
