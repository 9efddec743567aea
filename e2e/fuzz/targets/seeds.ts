/** Where fuzzing begins: real encodings, made by the encoders, which are not instrumented. */

import { deflateRawSync } from 'node:zlib'
import { deflate, mix } from '../../../compress/bytes/encode.ts'
import { bitWriter } from '../../../compress/coder/bit-writer.ts'
import { encodeBlock } from '../../../compress/coder/rans-encode.ts'
import { CODECS } from '../../../compress/types.ts'
import { baseBytes, TEXT as NAMES } from '../../../compress/vectors/samples.ts'
import { VECTORS } from '../../../compress/vectors/vectors.ts'
import { BYTE, DELTA16, INDEX } from '../../../compress/weights/elements.ts'
import { frequenciesOf } from '../../../compress/weights/quantise.ts'
import { sampleOf, type Wish } from '../../../compress/weights/sample.fixture.ts'
import { concat, rng } from '../../../sdk/core/index.ts'
import { varint } from '../mutate.ts'
import { chunkInput } from './chunks.ts'
import { ALPHABET, ARITHMETIC, codeBits, INFLATE, MIX, RANS, ransPlaces, TABLES } from './coder.ts'
import { decisionsOf, packDecisions } from './decisions.ts'
import { inputReader } from './input.ts'
import { FREQUENCIES, HEADER } from './tables.ts'

const TEXT = new TextEncoder().encode('one two three two one '.repeat(8))

type Chunk = Parameters<typeof chunkInput>[0]

/** Small segments of every stream, with all that a header can say, drawn without an encoder. */
function drawnChunks(): Chunk[] {
  return Array.from({ length: 24 }, (_, seed) => {
    const stream = seed % 8
    const axis = stream <= BYTE ? seed % 3 : undefined
    const kind = seed >> 3
    const wish: Wish = {
      stream,
      sizes: [4 + 2 * kind, 5, 1 + kind],
      axis: kind === 0 ? undefined : axis,
      perLine: axis === 2,
      spread: kind === 2,
      palette: stream === INDEX || (stream === BYTE && kind === 0),
      dead: kind === 2,
    }
    const { bytes, raw, base } = sampleOf(seed, [wish])
    return { codec: CODECS.weights, rawLength: raw.length, bytes, base: stream >= DELTA16 ? base : undefined }
  })
}

/** The golden vectors, which the encoders made, and what they do not have. */
function chunks(): Chunk[] {
  const vectors = VECTORS.map(({ codec, rawLength, hasBase, base64 }) => ({
    codec,
    rawLength,
    bytes: new Uint8Array(Buffer.from(base64, 'base64')),
    base: hasBase ? baseBytes(rawLength) : undefined,
  }))
  return [...vectors, ...drawnChunks(), { codec: CODECS.raw, rawLength: TEXT.length, bytes: TEXT }]
}

export function chunkSeeds(): Uint8Array[] {
  return chunks().map(chunkInput)
}

export function tableSeeds(): Uint8Array[] {
  const seeds: Uint8Array[] = []
  for (const symbols of [1, 2, 7, 256]) {
    const frequencies = frequenciesOf(Float64Array.from({ length: symbols }, (_, i) => 1 + (i % 5)))
    seeds.push(concat([Uint8Array.of(FREQUENCIES), new Uint8Array(frequencies.buffer)]))
  }
  for (const { codec, rawLength, bytes } of chunks()) {
    if (codec !== CODECS.weights) continue
    const reader = inputReader(bytes)
    const decisions = decisionsOf(reader.bytes(reader.varint()), rawLength)
    seeds.push(concat([Uint8Array.of(HEADER), varint(rawLength), packDecisions(decisions)]))
  }
  return seeds
}

function arithmeticSeed(seed: number, count: number): Uint8Array {
  const random = rng(seed, 1)
  const writer = bitWriter()
  codeBits(
    writer,
    seed,
    count,
    Uint8Array.from({ length: count }, () => random.below(2)),
  )
  return concat([Uint8Array.of(ARITHMETIC, seed), varint(count), writer.finish()])
}

function ransSeed(seed: number, count: number): Uint8Array {
  const random = rng(seed)
  const counts = Array.from({ length: TABLES }, () => Array.from({ length: ALPHABET }, () => random.below(9)))
  const tables = counts.map((own) => frequenciesOf(Float64Array.from(own)))
  const step = random.below(256)
  const { choice, lanes } = ransPlaces(count, step)
  const symbols = Uint8Array.from(choice, (number) => {
    const table = tables[number]
    const possible = [...table.keys()].filter((symbol) => table[symbol] > 0)
    return possible[random.below(possible.length)]
  })
  const { bytes, words } = encodeBlock(symbols, choice, lanes, tables)
  return concat([Uint8Array.of(RANS), varint(count), varint(words), Uint8Array.from([...counts.flat(), step]), bytes])
}

export function coderSeeds(): Uint8Array[] {
  const texts = [new Uint8Array(0), Uint8Array.of(65), TEXT]
  const names = new TextEncoder().encode(NAMES)
  const random = rng(1)
  const noise = Uint8Array.from({ length: 300 }, () => random.below(64))
  const deflated = [...texts, names, noise].flatMap((text) =>
    [{ level: 0 }, ...[0, 2, 3, 4].map((strategy) => ({ level: 9, strategy }))].map((options) => ({
      text,
      bytes: new Uint8Array(deflateRawSync(text, options)),
    })),
  )
  return [
    ...[0, 1, 30, 500].map((count, seed) => arithmeticSeed(seed, count)),
    ...deflated.map(({ text, bytes }) => concat([Uint8Array.of(INFLATE), varint(text.length), bytes])),
    concat([Uint8Array.of(INFLATE), varint(TEXT.length), deflate(TEXT)]),
    ...texts.map((text) => concat([Uint8Array.of(MIX), varint(text.length), mix(text)])),
    ...[0, 1, 32, 40, 200].map((count, seed) => ransSeed(seed, count)),
  ]
}
