/** Where fuzzing begins: real encodings, made by the encoders, which are not instrumented. */

import { deflateRawSync } from 'node:zlib'
import { deflate, mix } from '../../../compress/bytes/encode.ts'
import { bitWriter } from '../../../compress/coder/bit-writer.ts'
import { encodeBlock } from '../../../compress/coder/rans-encode.ts'
import { CODECS, type EncodedChunk, encodeBytes, encodeWeights } from '../../../compress/index.ts'
import { samples } from '../../../compress/vectors/samples.ts'
import { frequenciesOf } from '../../../compress/weights/quantise.ts'
import { concat, rng } from '../../../sdk/core/index.ts'
import { varint } from '../mutate.ts'
import { ALPHABET, ARITHMETIC, codeBits, INFLATE, MIX, RANS, ransPlaces, TABLES } from './coder.ts'
import { decisionsOf, packDecisions } from './decisions.ts'
import { inputReader } from './input.ts'
import { FREQUENCIES, HEADER } from './tables.ts'

const TEXT = new TextEncoder().encode('one two three two one '.repeat(8))

async function chunks(): Promise<EncodedChunk[]> {
  const all: EncodedChunk[] = []
  for (const tensors of Object.values(samples())) all.push(...(await encodeWeights(tensors)).chunks)
  all.push(...(await encodeBytes(TEXT)))
  all.push({ codec: CODECS.deflate, rawLength: TEXT.length, bytes: new Uint8Array(deflateRawSync(TEXT)) })
  all.push({ codec: CODECS.raw, rawLength: TEXT.length, bytes: TEXT })
  return all
}

export async function chunkSeeds(): Promise<Uint8Array[]> {
  return (await chunks()).map(({ codec, rawLength, bytes }) => concat([Uint8Array.of(codec), varint(rawLength), bytes]))
}

export async function tableSeeds(): Promise<Uint8Array[]> {
  const seeds: Uint8Array[] = []
  for (const symbols of [1, 2, 7, 256]) {
    const frequencies = frequenciesOf(Float64Array.from({ length: symbols }, (_, i) => 1 + (i % 5)))
    seeds.push(concat([Uint8Array.of(FREQUENCIES), new Uint8Array(frequencies.buffer)]))
  }
  for (const { codec, rawLength, bytes } of await chunks()) {
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

export async function coderSeeds(): Promise<Uint8Array[]> {
  const texts = [new Uint8Array(0), Uint8Array.of(65), TEXT]
  const random = rng(1)
  const noise = Uint8Array.from({ length: 300 }, () => random.below(64))
  const deflated = [...texts, noise].flatMap((text) =>
    [{ level: 0 }, { level: 9 }, { level: 9, strategy: 4 }].map((options) => ({
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
