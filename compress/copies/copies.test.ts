import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { byteLength, concat, type DType, equal, HardpackError, rng, viewOf } from '../../sdk/core/index.ts'
import { bitWriter } from '../coder/bit-writer.ts'
import { typescriptDecoder, wasmDecoder } from '../decode.ts'
import { CODECS, type Decoder, type WeightTensor } from '../types.ts'
import { encodeCopies, looksCopied } from './encode.ts'
import { parse } from './parse.ts'
import { codeFrame, type Frame, type Token, tokenCoder } from './tokens.ts'

const decoders = [typescriptDecoder(), await wasmDecoder()]

const raw = ({ bytes }: WeightTensor) => ({ codec: CODECS.raw, rawLength: bytes.length, bytes })

function decoded(decoder: Decoder, bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length)
  decoder.decode(CODECS.copies, bytes, out)
  return out
}

/** What a token says, done element by element: the statement that the decoder is held against. */
function expand(elements: readonly number[], tokens: readonly Token[], signBit: number): number[] {
  const out: number[] = []
  for (const token of tokens) {
    if ('literals' in token) out.push(...elements.slice(out.length, out.length + token.literals))
    else {
      const at = out.length
      for (let i = 0; i < token.length; i++) {
        const from = at - token.distance + (token.backwards ? -i : i)
        out.push((out[from] ^ (token.flipped ? signBit : 0)) >>> 0)
      }
    }
  }
  return out
}

/** Elements with repeats, mirror images and changed signs. */
const symmetric = fc
  .array(
    fc.record({
      start: fc.nat(),
      length: fc.integer({ min: 1, max: 90 }),
      kind: fc.constantFrom('new', 'again', 'mirrored'),
      flip: fc.boolean(),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((steps) => {
    const random = rng(steps.length)
    const out: number[] = []
    for (const { start, length, kind, flip } of steps) {
      for (let i = 0; i < length; i++) {
        const from = (start % (out.length + 1)) + (kind === 'mirrored' ? -i : i)
        const known = kind === 'new' ? undefined : out[from]
        out.push(known === undefined ? random.u32() : (known ^ (flip ? 0x80000000 : 0)) >>> 0)
      }
    }
    return out
  })

test('tokens say what the elements are, and repeats of either direction and sign become copies', () => {
  fc.assert(
    fc.property(symmetric, (elements) => {
      const magnitudes = new Map<number, number>()
      const ids = Int32Array.from(elements, (value) => {
        const magnitude = value & 0x7fffffff
        if (!magnitudes.has(magnitude)) magnitudes.set(magnitude, magnitudes.size)
        return magnitudes.get(magnitude) as number
      })
      const signs = Uint8Array.from(elements, (value) => value >>> 31)
      const tokens = parse({ ids, signs, gram: 1, literalBits: 32 })
      assert.deepEqual(expand(elements, tokens, 0x80000000), elements)
      const literals = tokens.reduce((sum, token) => sum + ('literals' in token ? token.literals : 0), 0)
      assert.equal(literals, magnitudes.size)
    }),
    { numRuns: 300 },
  )
})

test('the cheapest tokens of some elements', () => {
  const ofIds = (...ids: number[]) =>
    parse({ ids: Int32Array.from(ids), signs: new Uint8Array(ids.length), gram: 1, literalBits: 27 })
  const copy = { distance: 2, backwards: false, flipped: false, length: 2 }
  assert.deepEqual(ofIds(), [])
  assert.deepEqual(ofIds(5, 6, 5, 6), [{ literals: 2 }, copy])
  assert.deepEqual(ofIds(5, 6, 5, 6, 5, 6, 5), [{ literals: 2 }, { ...copy, length: 5 }])
  assert.deepEqual(ofIds(1, 2, 3, 3, 2, 1), [{ literals: 3 }, { ...copy, distance: 1, length: 3, backwards: true }])
})

test('tensors of every width come back from both decoders, row by row and column by column', () => {
  const dtypes: DType[] = ['float32', 'float16', 'bfloat16', 'float64', 'int64', 'int32', 'int8', 'bool']
  fc.assert(
    fc.property(symmetric, fc.constantFrom(...dtypes), fc.integer({ min: 1, max: 9 }), (elements, dtype, columns) => {
      const words = new Uint8Array(Uint32Array.from(elements).buffer)
      const unit = byteLength(dtype, 1)
      const rows = Math.floor(words.length / unit / columns)
      if (rows === 0) return
      const bytes = words.slice(0, rows * columns * unit)
      const chunk = encodeCopies({ dtype, shape: [rows, columns], bytes }, raw)
      assert.equal(chunk.rawLength, bytes.length)
      for (const decoder of decoders) assert.ok(equal(decoded(decoder, chunk.bytes, bytes.length), bytes))
    }),
    { numRuns: 200 },
  )
})

/** A windowed Fourier basis, cosines over sines, as in a short-time Fourier transform. */
function fourierBasis(size: number): WeightTensor {
  const rows = size / 2 + 1
  const values = new Float32Array(2 * rows * size)
  for (let k = 0; k < rows; k++) {
    for (let n = 0; n < size; n++) {
      const window = Math.fround(0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size))
      const angle = (2 * Math.PI * ((k * n) % size)) / size
      values[k * size + n] = window * Math.fround(Math.cos(angle))
      values[(rows + k) * size + n] = window * Math.fround(-Math.sin(angle))
    }
  }
  return { dtype: 'float32', shape: [2 * rows, 1, size], bytes: new Uint8Array(values.buffer) }
}

test('a Fourier basis is a few values and their symmetries', () => {
  const basis = fourierBasis(128)
  assert.ok(looksCopied(basis))
  const { bytes } = encodeCopies(basis, raw)
  assert.ok(4 * bytes.length < deflateRawSync(basis.bytes, { level: 9 }).length, `${bytes.length} bytes`)
  for (const decoder of decoders) assert.ok(equal(decoded(decoder, bytes, basis.bytes.length), basis.bytes))
})

test('noise does not look copied', () => {
  const random = rng(1)
  const bytes = new Uint8Array(Uint32Array.from({ length: 50000 }, () => random.u32()).buffer)
  assert.ok(!looksCopied({ dtype: 'float32', shape: [50000], bytes }))
  assert.ok(!looksCopied({ dtype: 'int8', shape: [200000], bytes }))
  assert.ok(!looksCopied({ dtype: 'int8', shape: [0], bytes: new Uint8Array() }))
})

/** A chunk of these tokens, written without a look at whether they make sense. */
function chunkOf(frame: Frame, tokens: readonly Token[], literals: Uint8Array, rawLength = 1 << 20): Uint8Array {
  const writer = bitWriter()
  codeFrame(writer, rawLength, frame)
  const coder = tokenCoder(writer)
  for (const token of tokens) coder.code(1 << 20, 1 << 20, token)
  const header = writer.finish()
  const length = new Uint8Array(4)
  viewOf(length).setUint32(0, header.length, true)
  return concat([length, header, literals])
}

test('tokens and frames that do not fit are refused', () => {
  const frame: Frame = { unit: 2, columns: 1, codec: CODECS.raw, literals: 4 }
  const fresh = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
  const copy = { length: 4, distance: 4, backwards: false, flipped: false }
  const good = chunkOf(frame, [{ literals: 4 }, copy], fresh)
  const cases: [string, Uint8Array, number][] = [
    ['a copy too long', chunkOf(frame, [{ literals: 4 }, { ...copy, length: 5 }], fresh), 16],
    ['a copy from before the beginning', chunkOf(frame, [{ literals: 4 }, { ...copy, distance: 5 }], fresh), 16],
    ['a copy that runs past the beginning', chunkOf(frame, [{ literals: 4 }, { ...copy, backwards: true }], fresh), 16],
    ['literals too many', chunkOf(frame, [{ literals: 5 }, { ...copy, length: 3 }], fresh), 16],
    ['literals left over', chunkOf(frame, [{ literals: 3 }, { ...copy, distance: 3, length: 5 }], fresh), 16],
    ['literals past the end', chunkOf(frame, [{ literals: 9 }], fresh), 16],
    ['more literals than elements', chunkOf({ ...frame, literals: 9 }, [{ literals: 9 }], new Uint8Array(18)), 16],
    ['half an element', good, 15],
    ['columns that do not divide', chunkOf({ ...frame, columns: 2 }, [{ literals: 4 }, copy], fresh), 18],
    ['a byte too many', concat([good, Uint8Array.of(0)]), 16],
    ['a byte missing', good.subarray(0, -1), 16],
    ['a header past the end', Uint8Array.of(200, 0, 0, 0, 1), 16],
    ['no header', Uint8Array.of(1, 0, 0), 16],
    ['nothing to copy', good, 0],
  ]
  for (const decoder of decoders) {
    assert.deepEqual([...decoded(decoder, good, 16)], [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8])
    for (const [what, bytes, length] of cases) {
      assert.throws(() => decoded(decoder, bytes, length), { code: 'CHUNK_CORRUPT' }, what)
    }
    assert.throws(() => decoded(decoder, good, 5 << 20), { code: 'CHUNK_CORRUPT', message: /at most/ })
  }
})

test('damaged chunks are CHUNK_CORRUPT or bytes, the same from both decoders', () => {
  const basis = fourierBasis(32)
  const { bytes } = encodeCopies(basis, raw)
  const outcome = (decoder: Decoder, damaged: Uint8Array): Uint8Array | undefined => {
    try {
      return decoded(decoder, damaged, basis.bytes.length)
    } catch (error) {
      if (error instanceof HardpackError && error.code === 'CHUNK_CORRUPT') return undefined
      throw error
    }
  }
  let refused = 0
  for (let bit = 0; bit < 8 * Math.min(bytes.length, 600); bit++) {
    const damaged = bytes.slice()
    damaged[bit >> 3] ^= 1 << (bit & 7)
    const [ours, twin] = decoders.map((decoder) => outcome(decoder, damaged))
    assert.deepEqual(ours, twin)
    if (ours === undefined) refused++
  }
  assert.ok(refused > 1000, `${refused}`)
})

test('a chunk decodes to the same bytes for ever', () => {
  // 1 -2 0.5 e | backwards, flipped | 3 | from 5 back | from 5 back, flipped | backwards; in seven rows of three columns.
  const chunk = 'CQAAAHRjtH6PxeF2ewAAgD8AAADAAAAAP19wiTAAAEBA'
  const e = Math.fround(1e-9)
  const expected = [1, 3, -e, -2, e, -0.5, 0.5, -e, 2, e, -0.5, -3, -e, 2, -e, -0.5, 3, e, 2, e, -3]
  for (const decoder of decoders) {
    const bytes = decoded(decoder, new Uint8Array(Buffer.from(chunk, 'base64')), 84)
    assert.deepEqual([...new Float32Array(bytes.buffer)], expected)
  }
})
