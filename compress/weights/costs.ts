/**
 * What each segment of a chunk of weights costs. Segments share streams, so the bytes do not say it; but a symbol of frequency f takes
 * log2(4096 / f) bits of its stream whatever its neighbours are. So the chunk is decoded once, and the tables and symbols of
 * every element are written down. In the same way the header is written again, to see what each part of it takes.
 */

import { deflate } from '../bytes/encode.ts'
import type { BitCoder } from '../coder/bits.ts'
import { typescriptKernel } from '../coder/kernel.ts'
import { type BlockDecoder, blockDecoder, STATE_BYTES, TOTAL } from '../coder/rans.ts'
import { decodeWeights } from './decode.ts'
import { ELEMENTS, planesLength } from './elements.ts'
import { codeHeader, DEFLATE, type Header, MIX, RAW, type Stream } from './header.ts'
import { layoutOf, type Placed, type Section } from './layout.ts'
import { blocksOf, countOf } from './tiles.ts'

/** Bits of a symbol by its frequency. */
const BITS = Float64Array.from({ length: TOTAL + 1 }, (_, frequency) => Math.log2(TOTAL / frequency))

/** The table and the symbol of every element of a chunk's streams, in the order in which they are decoded. */
interface Trace {
  readonly choice: Uint8Array
  readonly symbols: Uint8Array
}

function traceOf(sections: readonly Section[], bytes: Uint8Array, raw: Uint8Array, base?: Uint8Array): Trace {
  const count = sections.reduce((sum, section) => sum + (section.stream ? section.count : 0), 0)
  const choice = new Uint8Array(count)
  const symbols = new Uint8Array(count)
  let at = 0
  const kernel = typescriptKernel((input, tables): BlockDecoder => {
    const coder = blockDecoder(input, tables)
    return {
      ...coder,
      symbol(lane, table) {
        choice[at] = table
        symbols[at] = coder.symbol(lane, table)
        return symbols[at++]
      },
    }
  })
  decodeWeights(kernel, bytes, raw, base)
  return { choice, symbols }
}

/** Bits of a header: those of each segment, and those of the tables and escapes of each stream. */
interface HeaderBits {
  readonly segments: readonly number[]
  readonly streams: readonly number[]
}

/** A list that calls `look` whenever one of its items is looked up. */
function watched<T>(items: readonly T[], look: (index: number) => void): readonly T[] {
  return new Proxy(items, {
    get(target, key) {
      if (typeof key === 'string' && /^\d+$/.test(key)) look(Number(key))
      return Reflect.get(target, key)
    },
  })
}

/** Writing looks each segment and stream up before it writes it, so its bits are those until the next one is looked up. */
function headerBits(rawLength: number, header: Header): HeaderBits {
  const segments = header.segments.map(() => 0)
  const streams = header.streams.map(() => 0)
  let [list, index] = [segments, 0]
  const enter = (next: number[]) => (at: number) => {
    list = next
    index = at
  }
  const coder: BitCoder = {
    code(probability, bit) {
      list[index] += 16 - Math.log2(bit ? probability : 0x10000 - probability)
      return bit
    },
  }
  codeHeader(coder, rawLength, {
    ...header,
    segments: watched(header.segments, enter(segments)),
    streams: watched(header.streams, enter(streams)),
  })
  return { segments, streams }
}

/**
 * Adds the bytes of a stream to its segments: symbols by their frequency, tables in proportion to that, and states and planes by
 * elements.
 */
function chargeStream(
  costs: Map<Placed, number>,
  { placed }: Section,
  stream: Stream,
  tableBits: number,
  { choice, symbols }: Trace,
  start: number,
): number {
  const add = (segment: Placed, bits: number): void => {
    costs.set(segment, (costs.get(segment) ?? 0) + bits / 8)
  }
  const symbolBits = new Map<Placed, number>(placed.map((segment) => [segment, 0]))
  let at = start
  for (const [block, tiles] of blocksOf(placed).entries()) {
    const count = countOf(tiles)
    let rest = 8 * (STATE_BYTES + 2 * stream.words[block] + planesLength(stream.lowBits, count))
    for (const { of, count: own } of tiles) {
      let bits = 0
      for (const end = at + own; at < end; at++) bits += BITS[stream.tables[choice[at]][symbols[at]]]
      symbolBits.set(of, (symbolBits.get(of) ?? 0) + bits)
      rest -= bits
    }
    for (const { of, count: own } of tiles) add(of, (rest * own) / count)
  }
  const total = [...symbolBits.values()].reduce((sum, bits) => sum + bits, 0)
  for (const [segment, bits] of symbolBits) add(segment, bits + (total > 0 ? (tableBits * bits) / total : 0))
  return at
}

/** Adds the bytes of a pool to its segments: as they are, or by what each would deflate to alone. */
function chargePool(costs: Map<Placed, number>, { method, placed, bytes }: Section, raw: Uint8Array): void {
  const alone = placed.map(({ offset, length }) =>
    method === RAW || placed.length === 1 ? length : deflate(raw.subarray(offset, offset + length)).length,
  )
  const total = alone.reduce((sum, length) => sum + length, 0)
  for (const [i, segment] of placed.entries()) {
    costs.set(segment, (costs.get(segment) ?? 0) + (bytes.length * alone[i]) / total)
  }
}

/** Whether a chunk decodes only with a base. */
function needsBase(sections: readonly Section[]): boolean {
  return sections.some(({ placed }) => placed.some(({ segment }) => segment.slope || segment.fromBase))
}

/** Chunks with differences cannot be decoded alone: their streams are shared out by length. */
function chargeByLength(costs: Map<Placed, number>, { placed, bytes }: Section): void {
  const total = placed.reduce((sum, { length }) => sum + length, 0)
  for (const segment of placed) {
    costs.set(segment, (costs.get(segment) ?? 0) + (bytes.length * segment.length) / total)
  }
}

export interface SegmentCost extends Placed {
  /** Estimated bytes, with a fraction. */
  readonly cost: number
}

/**
 * The costs of the segments of a chunk, from first to last. Together they are within some bytes of the chunk's length.
 *
 * @param base what a chunk with differences was encoded against; without it, such a chunk's streams are shared out by length
 * @throws HardpackError `CHUNK_CORRUPT`.
 */
export function costsOf(bytes: Uint8Array, rawLength: number, base?: Uint8Array): SegmentCost[] {
  const sections = layoutOf(bytes, rawLength)
  const inOrder = sections.flatMap(({ placed }) => placed).sort((a, b) => a.offset - b.offset)
  const pools = [DEFLATE, MIX].map((method) => sections.find((section) => section.method === method)?.bytes.length ?? 0)
  const header = headerBits(rawLength, {
    segments: inOrder.map(({ segment }) => segment),
    streams: ELEMENTS.map((_, number) => sections.find(({ method }) => method === number)?.stream),
    pools: [pools[0], pools[1]],
  })
  const costs = new Map(inOrder.map((segment, i) => [segment, header.segments[i] / 8]))
  if (needsBase(sections) && !base) for (const section of sections) chargeByLength(costs, section)
  else {
    const raw = new Uint8Array(rawLength)
    const trace = traceOf(sections, bytes, raw, base)
    let at = 0
    for (const section of sections) {
      const { stream, method } = section
      if (stream) at = chargeStream(costs, section, stream, header.streams[method], trace, at)
      else chargePool(costs, section, raw)
    }
  }
  return [...costs].map(([segment, cost]) => ({ ...segment, cost }))
}
