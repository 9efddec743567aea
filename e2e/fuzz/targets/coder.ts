/**
 * The coders below a chunk: arithmetic, inflate, mix, rANS. Each accepts exactly what its other side writes, so what is
 * accepted is encoded again and has to give the same bytes; inflate is held against zlib. An input is a kind, its numbers,
 * and encoded bytes.
 */

import assert from 'node:assert/strict'
import { inflateRawSync } from 'node:zlib'
import { inflate } from '../../../compress/bytes/inflate.ts'
import { codeMixed, unmix } from '../../../compress/bytes/mix.ts'
import { bitReader } from '../../../compress/coder/bit-reader.ts'
import { bitWriter } from '../../../compress/coder/bit-writer.ts'
import type { BitCoder } from '../../../compress/coder/bits.ts'
import { blockDecoder, buildTable, LANES, STATE_BYTES, TOTAL } from '../../../compress/coder/rans.ts'
import { encodeBlock } from '../../../compress/coder/rans-encode.ts'
import { frequenciesOf } from '../../../compress/weights/quantise.ts'
import { rng } from '../../../sdk/core/index.ts'
import type { FuzzTarget } from '../target.ts'
import { type InputReader, inputReader, unlessCorrupt } from './input.ts'

export const ARITHMETIC = 0
export const INFLATE = 1
export const MIX = 2
export const RANS = 3
const KINDS = 4

const MAX_BITS = 4096
const MAX_INFLATED = 1 << 16
const MAX_MIXED = 256
const MAX_SYMBOLS = 512
/** Symbols and tables of a rANS input. */
export const ALPHABET = 8
export const TABLES = 2

/** Codes `count` bits, each with a probability that follows from `seed`. */
export function codeBits(coder: BitCoder, seed: number, count: number, bits: Uint8Array): Uint8Array {
  const random = rng(seed)
  return Uint8Array.from({ length: count }, (_, i) => {
    const near = random.below(4)
    const probability =
      near === 0 ? 1 + random.below(16) : near === 1 ? 65535 - random.below(16) : 1 + random.below(65535)
    return coder.code(probability, bits[i] ?? 0)
  })
}

async function tryArithmetic(reader: InputReader): Promise<void> {
  const seed = reader.byte()
  const count = reader.varint() % (MAX_BITS + 1)
  const bytes = reader.bytes()
  const bits = await unlessCorrupt(() => {
    const coder = bitReader(bytes)
    const read = codeBits(coder, seed, count, new Uint8Array(0))
    coder.finish()
    return read
  })
  if (!bits) return
  const writer = bitWriter()
  codeBits(writer, seed, count, bits)
  assert.deepEqual([...writer.finish()], [...bytes])
}

/** What zlib makes of a stream that has to use all of `bytes`; `undefined` where it refuses. */
function zlibOf(bytes: Uint8Array, length: number): Uint8Array | undefined {
  try {
    const { buffer, engine } = inflateRawSync(bytes, { info: true, maxOutputLength: length + 1 }) as unknown as {
      buffer: Uint8Array
      engine: { bytesWritten: number }
    }
    return buffer.length === length && engine.bytesWritten === bytes.length ? buffer : undefined
  } catch {
    return undefined
  }
}

async function tryInflate(reader: InputReader): Promise<void> {
  const out = new Uint8Array(reader.varint() % (MAX_INFLATED + 1))
  const bytes = reader.bytes()
  const ours = await unlessCorrupt(() => {
    inflate(bytes, out)
    return out
  })
  const theirs = zlibOf(bytes, out.length)
  assert.equal(ours !== undefined, theirs !== undefined, `we ${ours ? 'accept' : 'refuse'} what zlib does not`)
  if (ours && theirs) assert.equal(Buffer.compare(ours, theirs), 0, 'zlib gives other bytes')
}

async function tryMix(reader: InputReader): Promise<void> {
  const out = new Uint8Array(reader.varint() % (MAX_MIXED + 1))
  const bytes = reader.bytes()
  const mixed = await unlessCorrupt(() => {
    unmix(bytes, out)
    return out
  })
  if (!mixed) return
  const writer = bitWriter()
  codeMixed(writer, mixed.slice())
  assert.deepEqual([...writer.finish()], [...bytes])
}

/** The table and the lane of each symbol. */
export function ransPlaces(count: number, step: number): { choice: Uint8Array; lanes: Uint8Array } {
  return {
    choice: Uint8Array.from({ length: count }, (_, i) => ((i * step) & 255) % TABLES),
    lanes: Uint8Array.from({ length: count }, (_, i) => i % LANES),
  }
}

async function tryRans(reader: InputReader): Promise<void> {
  const count = reader.varint() % (MAX_SYMBOLS + 1)
  const words = reader.varint() % (MAX_SYMBOLS + 1)
  const frequencies = Array.from({ length: TABLES }, () =>
    frequenciesOf(Float64Array.from({ length: ALPHABET }, () => reader.byte())),
  )
  const step = reader.byte()
  const tables = new Uint32Array(TABLES * TOTAL)
  for (const [i, own] of frequencies.entries()) buildTable(own, tables.subarray(i * TOTAL, (i + 1) * TOTAL))
  const input = new Uint8Array(STATE_BYTES + 2 * words)
  input.set(reader.bytes(input.length))
  const { choice, lanes } = ransPlaces(count, step)
  const decoder = blockDecoder(input, tables)
  decoder.begin(words)
  const symbols = Uint8Array.from(choice, (table, i) => decoder.symbol(lanes[i], table))
  if (!decoder.end()) return
  const again = encodeBlock(symbols, choice, lanes, frequencies)
  assert.equal(again.words, words)
  assert.deepEqual([...again.bytes], [...input])
}

export const target: FuzzTarget = {
  maxLength: 1 << 12,
  maxAllocated: 1 << 25,
  async run(input) {
    const reader = inputReader(input)
    const kind = reader.byte() % KINDS
    if (kind === ARITHMETIC) await tryArithmetic(reader)
    else if (kind === INFLATE) await tryInflate(reader)
    else if (kind === MIX) await tryMix(reader)
    else await tryRans(reader)
  },
}
