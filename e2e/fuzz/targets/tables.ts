/** The table builder, and the reader of headers with its tables. An input is a kind, then frequencies or a header's decisions. */

import assert from 'node:assert/strict'
import { bitReader } from '../../../compress/coder/bit-reader.ts'
import { bitWriter } from '../../../compress/coder/bit-writer.ts'
import { buildTable, SYMBOLS, TOTAL } from '../../../compress/coder/rans.ts'
import { codeHeader } from '../../../compress/weights/header.ts'
import { concat, type Rng } from '../../../sdk/core/index.ts'
import type { FuzzTarget } from '../target.ts'
import { headerOf, unpackDecisions } from './decisions.ts'
import { type InputReader, inputReader, unlessCorrupt } from './input.ts'

export const FREQUENCIES = 0
export const HEADER = 1

const MAX_RAW = 1 << 22

/** A table has as many slots for a symbol as its frequency says, or is refused because they are not 2^12 in all. */
async function tryTable(reader: InputReader): Promise<void> {
  const bytes = reader.bytes(2 * SYMBOLS)
  const frequencies = Uint16Array.from({ length: bytes.length >> 1 }, (_, i) => bytes[2 * i] | (bytes[2 * i + 1] << 8))
  const entries = new Uint32Array(TOTAL)
  const built = await unlessCorrupt(() => {
    buildTable(frequencies, entries)
    return true
  })
  const sum = frequencies.reduce((total, frequency) => total + frequency, 0)
  assert.equal(built ?? false, sum === TOTAL, `frequencies that sum to ${sum}`)
  if (!built) return
  const slots = Array.from({ length: SYMBOLS }, () => 0)
  for (const entry of entries) slots[entry & 255]++
  assert.deepEqual(slots.slice(0, frequencies.length), [...frequencies])
}

/** A header is refused, or comes back when it is written and read again; and all of its tables can be built. */
async function tryHeader(reader: InputReader): Promise<void> {
  const rawLength = reader.varint() % (MAX_RAW + 1)
  const decisions = unpackDecisions(reader.bytes())
  const header = await unlessCorrupt(() => headerOf(decisions, rawLength))
  if (!header) return
  const entries = new Uint32Array(TOTAL)
  for (const stream of header.streams) for (const table of stream?.tables ?? []) buildTable(table, entries)
  const writer = bitWriter()
  codeHeader(writer, rawLength, header)
  const again = bitReader(writer.finish())
  assert.deepEqual(codeHeader(again, rawLength), header)
  again.finish()
}

/** Moves a part of one frequency to another, so that the sum stays. */
function moveFrequency(input: Uint8Array, random: Rng): Uint8Array | undefined {
  const symbols = (input.length - 1) >> 1
  if (symbols < 2) return undefined
  const moved = input.slice()
  const view = new DataView(moved.buffer)
  const from = 1 + 2 * random.below(symbols)
  const to = 1 + 2 * random.below(symbols)
  const part = random.below(1 + view.getUint16(from, true))
  view.setUint16(from, view.getUint16(from, true) - part, true)
  view.setUint16(to, view.getUint16(to, true) + part, true)
  return moved
}

/** Puts in a decision, or takes one out: those behind it move by one bit. */
function shiftDecisions(input: Uint8Array, random: Rng): Uint8Array {
  const start = Math.min(input.length, 2 + random.below(input.length))
  const decisions = [...unpackDecisions(input.subarray(start))]
  const at = random.below(8)
  if (random.below(2)) decisions.splice(at, 0, random.below(2))
  else decisions.splice(at, 1)
  const packed = new Uint8Array(Math.ceil(decisions.length / 8))
  for (const [i, bit] of decisions.entries()) packed[i >> 3] |= bit << (i & 7)
  return concat([input.subarray(0, start), packed])
}

export const target: FuzzTarget = {
  maxLength: 1 << 14,
  maxAllocated: 1 << 26,
  async run(input) {
    const reader = inputReader(input)
    if (reader.byte() % 2 === FREQUENCIES) await tryTable(reader)
    else await tryHeader(reader)
  },
  mutate: (input, random) =>
    input[0] % 2 === FREQUENCIES ? moveFrequency(input, random) : shiftDecisions(input, random),
}
