/**
 * Chunks of weights for tests, made without learning: given what a header may say, random symbols are drawn from its tables, and
 * what they decode to is worked out element by element, as the format's description puts it. It shares nothing with the
 * decoders but the header's writer and the cut into blocks; so it is their oracle.
 */

import { concat, type Rng } from '../../sdk/core/index.ts'
import { bitWriter } from '../coder/bit-writer.ts'
import { planeBytes, setPlaneElement } from '../coder/planes.ts'
import { encodeBlock } from '../coder/rans-encode.ts'
import { codeHeader, type Header, type Segment, type Stream } from './header.ts'
import type { Lines } from './lines.ts'
import { blocksOf, type Tile } from './tiles.ts'

/** A chunk, what it decodes to, and the base it needs. */
export interface Sample {
  readonly bytes: Uint8Array
  readonly raw: Uint8Array
  readonly base: Uint8Array
  /** What its header says. */
  readonly header: Header
  /** The coded header and what follows it. */
  readonly parts: readonly [Uint8Array, Uint8Array]
}

/** A stream before its elements are drawn. */
export type Plan = Omit<Stream, 'escapes' | 'words'>

interface Placed {
  readonly segment: Segment
  readonly offset: number
}

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value))
const signed = (value: number, width: number): number => Number(BigInt.asIntN(width, BigInt(value)))
const unsigned = (value: number, width: number): number => Number(BigInt.asUintN(width, BigInt(value)))

/** History of a float: 1024 at magnitude 88 of its class, four quarter octaves an octave. */
function historyOf(magnitude: number, quarter: number): number {
  if (magnitude < 2) return 0
  const octave = Math.floor(magnitude / 4) - 22 + 8
  const numerator = BigInt([32768, 27554, 23170, 19484][quarter] * (4 + (magnitude % 4)))
  const value = octave < 0 ? numerator >> BigInt(15 - octave) : (numerator << BigInt(octave)) >> 15n
  return Math.min(8191, Number(value))
}

/** Σ (h · c + 32) >> 6 over the lags that reach back, saturating. */
function prediction(lines: Lines, coefficients: Int8Array, at: (lag: number) => number, line: number): number {
  const own = lines.perLine ? coefficients.subarray(line * lines.lags.length) : coefficients
  return lines.lags.reduce((sum, lag, j) => {
    if (lag > line) return sum
    return clamp(sum + Math.floor((at(lag) * own[j] + 32) / 64), -32768, 32767)
  }, 0)
}

/** Elements of a stream as they are drawn. */
class Drawn {
  readonly escapes: number[] = []
  private readonly random: Rng
  private readonly plan: Plan

  constructor(random: Rng, plan: Plan) {
    this.random = random
    this.plan = plan
  }

  /** A symbol that the table knows. */
  symbol(table: number): number {
    let slot = this.random.below(4096)
    const frequencies = this.plan.tables[table]
    for (let symbol = 0; ; symbol++) {
      slot -= frequencies[symbol]
      if (slot < 0) return symbol
    }
  }

  escape(width: number): number {
    this.escapes.push(this.random.u32() % 2 ** width)
    return this.escapes[this.escapes.length - 1]
  }

  rest(): number {
    return this.random.below(2 ** this.plan.lowBits)
  }
}

const FLOATS = [
  { bytes: 4, top: 10, low: 21 },
  { bytes: 2, top: 10, low: 5 },
  { bytes: 2, top: 7, low: 8 },
]

/** Draws the elements of a tile in coded order. */
function drawTile(
  stream: number,
  plan: Plan,
  tile: Tile<Placed>,
  drawn: Drawn,
  raw: Uint8Array,
  base: Uint8Array,
): { symbols: number[]; choice: number[]; lanes: number[]; rests: number[] } {
  const symbols: number[] = []
  const choice: number[] = []
  const lanes: number[] = []
  const rests: number[] = []
  const { segment, offset } = tile.of
  const { latents, first, center, lines, palette, slope, fromBase } = segment
  const [a, b, d] = latents
  const history = new Map<string, number>()
  const last = plan.tables.length - 1

  const order: [number, number, number][] = []
  for (let r = 0; r < tile.rows; r++) {
    for (let c = 0; c < b.length; c++) for (let k = 0; k < d.length; k++) order.push([r, c, k])
  }
  const axis = lines ? lines.axis : -1
  if (lines) order.sort((x, y) => x[axis] - y[axis] || x[0] - y[0] || x[1] - y[1] || x[2] - y[2])

  let place = 0
  order.forEach((rck, i) => {
    const [r, c, k] = rck
    const line = lines ? rck[axis] : 0
    place = i > 0 && lines && order[i - 1][axis] !== line ? 0 : i === 0 ? 0 : place + 1
    const q = Math.min(255, a[tile.first + r] + b[c] + d[k])
    const before = (lag: number): number => {
      const key = rck.slice()
      key[axis] -= lag
      return history.get(key.join()) ?? 0
    }
    const mean = lines ? prediction(lines, lines.mean, before, line) : 0
    let shift = 0
    if (lines && line > 0 && lines.shifts.length > 0) {
      const spread = prediction(lines, lines.spread, (lag) => Math.abs(before(lag)), line)
      shift = lines.shifts[clamp(Math.floor(Math.max(0, spread) / 128), 0, 15)]
    }
    const index = ((tile.first + r) * b.length + c) * d.length + k
    const put = (value: number, bytes: number): void => {
      for (let byte = 0; byte < bytes; byte++) raw[offset + index * bytes + byte] = Math.floor(value / 256 ** byte)
    }
    const rest = drawn.rest()
    let table: number
    let symbol: number
    if (stream < 3) {
      const { bytes, top: topBits, low } = FLOATS[stream]
      const living = q < 128
      const moved = living ? clamp(q + shift, 0, 127) : q
      const step = clamp(Math.floor(Math.abs(mean) / 128), 0, 15)
      table = living ? first + (lines ? 4 * plan.bins[step] : 0) + (moved % 4) : last
      symbol = drawn.symbol(table)
      const flipped = living && lines && mean < 0 ? symbol ^ 1 : symbol
      const magnitude = Math.floor(flipped / 2)
      const whole = 4 * Math.floor(moved / 4)
      let top = 0
      if (magnitude === 1) top = drawn.escape(topBits)
      else if (magnitude > 1) top = unsigned(magnitude + whole + plan.origins[living ? 0 : 1], topBits)
      put(((flipped % 2) * 2 ** topBits + top) * 2 ** low + rest, bytes)
      if (living && magnitude > 1) {
        const size = historyOf(clamp(magnitude + whole - 4 * Math.floor(q / 4), 0, 127), q % 4)
        history.set(rck.join(), flipped % 2 ? -size : size)
      }
    } else if (stream === 3) {
      table = first + (lines ? clamp(q + shift, 0, last - first) : q)
      symbol = drawn.symbol(table)
      const p = lines ? clamp(Math.floor((mean + 16) / 32), -127, 127) : fromBase ? base[offset + index] : 0
      const byte = unsigned(symbol + center + p, 8)
      if (lines) history.set(rck.join(), 32 * signed(byte - center, 8))
      if (palette) put(palette.values[byte], palette.bytes)
      else put(byte, 1)
    } else if (stream === 4) {
      table = first + q
      symbol = drawn.symbol(table)
      const value = (symbol + center) % 16
      const at = offset + Math.floor(index / 2)
      raw[at] = index % 2 ? (raw[at] % 16) + 16 * value : 16 * Math.floor(raw[at] / 16) + value
    } else if (stream === 5) {
      table = first + q
      symbol = drawn.symbol(table)
      if (palette) put(palette.values[unsigned(symbol + center, 8) * 2 ** plan.lowBits + rest], palette.bytes)
    } else {
      if (!slope) throw new Error('A Δ segment has a slope.')
      const bytes = stream === 6 ? 2 : 4
      const width = 8 * bytes
      let was = 0
      for (let byte = 0; byte < bytes; byte++) was += base[offset + index * bytes + byte] * 256 ** byte
      const exponent = Math.floor(was / 2 ** (bytes === 4 ? 23 : slope.half ? 10 : 7)) % (slope.half ? 32 : 256)
      const quarter = Math.floor(was / 2 ** (bytes === 4 ? 21 : slope.half ? 8 : 5)) % 4
      const fours = Math.floor((last - first + 1) / 4)
      table = first + 4 * clamp(q + slope.offset - slope.steps * exponent, 0, fours - 1) + quarter
      symbol = drawn.symbol(table)
      const difference = symbol === 0 ? drawn.escape(width - plan.lowBits) : symbol - 128
      const half = 2 ** (width - 1)
      const place = was < half ? was + half : 2 * half - 1 - was
      const moved = unsigned(place + difference * 2 ** plan.lowBits + rest, width)
      put(moved >= half ? moved - half : 2 * half - 1 - moved, bytes)
    }
    symbols.push(symbol)
    choice.push(table)
    lanes.push(place % 32)
    rests.push(rest)
  })
  return { symbols, choice, lanes, rests }
}

function encodePlanes(rests: readonly number[], lowBits: number): Uint8Array {
  const planes: Uint8Array[] = []
  let shift = 0
  for (const width of [16, 8, 4, 2, 1]) {
    if (Math.floor(lowBits / width) % 2 === 0) continue
    const plane = new Uint8Array(planeBytes(width, rests.length))
    rests.forEach((rest, i) => {
      setPlaneElement(plane, 0, width, i, Math.floor(rest / 2 ** shift) % 2 ** width)
    })
    planes.push(plane)
    shift += width
  }
  return concat(planes)
}

function bytesOfSegment({ method, count, palette }: Segment): number {
  return palette ? palette.bytes * count : count * ([4, 2, 2, 1, 0.5, 0, 2, 4][method] ?? 1)
}

/** A length as a varint, before what is that long. */
export function framed([header, rest]: readonly [Uint8Array, Uint8Array]): Uint8Array {
  const length: number[] = []
  let left = header.length
  for (; left >= 128; left >>>= 7) length.push((left & 127) | 128)
  length.push(left)
  return concat([Uint8Array.from(length), header, rest])
}

/** A chunk of a header and what follows it. */
export function chunkOf(header: Header, rest: Uint8Array, rawLength: number): Pick<Sample, 'bytes' | 'parts'> {
  const writer = bitWriter()
  codeHeader(writer, rawLength, header)
  const parts = [writer.finish(), rest] as const
  return { bytes: framed(parts), parts }
}

/**
 * Makes a chunk.
 *
 * @param segments of streams 0 to 7; sections of pools would say nothing about a kernel
 * @param plans by stream number
 */
export function drawChunk(random: Rng, segments: readonly Segment[], plans: readonly (Plan | undefined)[]): Sample {
  const placed: Placed[] = []
  let length = 0
  for (const segment of segments) {
    placed.push({ segment, offset: length })
    length += bytesOfSegment(segment)
  }
  const raw = new Uint8Array(length)
  const base = Uint8Array.from(raw, () => random.below(256))
  const sections: Uint8Array[] = []
  const streams = plans.map((plan, stream): Stream | undefined => {
    const members = placed.filter(({ segment }) => segment.method === stream)
    if (!plan || members.length === 0) return undefined
    const drawn = new Drawn(random, plan)
    const words: number[] = []
    for (const tiles of blocksOf(members)) {
      const all = tiles.map((tile) => drawTile(stream, plan, tile, drawn, raw, base))
      const block = encodeBlock(
        Uint8Array.from(all.flatMap(({ symbols }) => symbols)),
        Uint8Array.from(all.flatMap(({ choice }) => choice)),
        Uint8Array.from(all.flatMap(({ lanes }) => lanes)),
        plan.tables,
      )
      words.push(block.words)
      const rests = all.flatMap((tile) => tile.rests)
      sections.push(block.bytes, encodePlanes(rests, plan.lowBits))
    }
    return { ...plan, escapes: Uint32Array.from(drawn.escapes), words }
  })
  const header: Header = { segments, streams, pools: [0, 0] }
  return { ...chunkOf(header, concat(sections), length), raw, base, header }
}
