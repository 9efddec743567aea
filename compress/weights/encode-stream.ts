/**
 * One stream of a chunk: its segments' circuits are learnt together, then every block is walked as its decoder will, so that predictions
 * are the same, and encoded.
 */

import { concat } from '../../sdk/core/index.ts'
import { planeBytes, setPlaneElement } from '../coder/planes.ts'
import { LANES, SYMBOLS } from '../coder/rans.ts'
import { encodeBlock } from '../coder/rans-encode.ts'
import type { Effort } from '../types.ts'
import { DELTA16, isFloat, planesLength, planesOf, QUARTERS } from './elements.ts'
import { DEAD_CLASSES, ESCAPE, SATURATED, type Segment, type Stream } from './header.ts'
import { learn } from './learn.ts'
import type { Learned, Plan } from './learn-scales.ts'
import { historyTable, predict, shiftOf, stepOf, UNIT_BITS, unitsOf } from './lines.ts'
import { frequenciesOf } from './quantise.ts'
import { magnitudeOf } from './scales.ts'
import { type Coding, lowBitsOf, type Source, sourceOf } from './sources.ts'
import type { Part } from './split.ts'
import { expectedLevels, levelsOf } from './tables.ts'
import { blocksOf, countOf, linesOf, orderedTile, type Tile } from './tiles.ts'

export interface EncodedStream {
  readonly stream: Stream
  readonly bytes: Uint8Array
  readonly segments: ReadonlyMap<Part, Segment>
  /** Bits of each part in this stream, latents included. */
  readonly bits: ReadonlyMap<Part, number>
}

/** Symbols that cost more as symbols of their own than as escapes become escapes, of which both signs always have a place. */
function pruned(counts: Float64Array): Float64Array {
  const kept = counts.slice()
  const total = counts.reduce((sum, count) => sum + count, 0)
  for (let symbol = 2 * ESCAPE + 2; symbol < SYMBOLS; symbol++) {
    const count = counts[symbol]
    if (count === 0) continue
    const own =
      count * Math.min(12, Math.log2(total / count)) + Math.max(0, 1 / 4096 - count / total) * total * Math.LOG2E + 4
    if (own > count * (10 + 6)) {
      kept[2 * ESCAPE + (symbol & 1)] += count
      kept[symbol] = 0
    }
  }
  for (const sign of [0, 1]) kept[2 * ESCAPE + sign] = Math.max(kept[2 * ESCAPE + sign], 1e-6)
  return kept
}

/** What a walk through the blocks gives: symbols and how they are coded, in coded order. */
interface Walked {
  readonly symbols: Uint8Array
  /** The table of each. */
  readonly choice: Uint8Array
  readonly lanes: Uint8Array
  readonly rests: Uint32Array
}

interface Member {
  readonly source: Source
  readonly segment: Segment
}

/** The classes of a tile's elements by their place in the segment. */
function classAt({ latents: [a, b, d] }: Segment, place: number): number {
  const k = place % d.length
  const rest = Math.floor(place / d.length)
  return Math.min(SATURATED, a[Math.floor(rest / b.length)] + b[rest % b.length] + d[k])
}

const HISTORY = /* @__PURE__ */ historyTable()

/** What the coding of a member's elements needs all the time. */
interface Work {
  readonly member: Member
  /** Without words and escapes, which come of this. */
  readonly stream: Pick<Stream, 'tables' | 'origins' | 'bins'>
  readonly walked: Walked
  /** Of the stream so far. */
  readonly escapes: number[]
}

const clamp = (value: number, most: number): number => Math.max(0, Math.min(most, value))

/** Codes the element at `place` of the segment as number `to` of the block, and gives its history. */
type CodeElement = (work: Work, to: number, place: number, mean: number, shift: number) => number

const codeDifference: CodeElement = ({ member: { source, segment }, stream, walked, escapes }, to, place) => {
  const fours = (stream.tables.length - segment.first) >> 2
  const cls = clamp(classAt(segment, place) + source.addends[place], fours - 1)
  walked.choice[to] = segment.first + QUARTERS * cls + (source.values[place] >> 8)
  walked.symbols[to] = source.values[place] & 255
  const difference = source.escapes.get(place)
  if (difference !== undefined) escapes.push(difference)
  return 0
}

const codeInteger: CodeElement = ({ member: { source, segment }, stream, walked }, to, place, mean, shift) => {
  const { first } = segment
  const value = source.values[place]
  walked.choice[to] = first + clamp(classAt(segment, place) + shift, stream.tables.length - 1 - first)
  walked.symbols[to] = (value - unitsOf(mean)) & 255
  return ((value << 24) >> 24) << UNIT_BITS
}

const codeFloat: CodeElement = ({ member: { source, segment }, stream, walked, escapes }, to, place, mean, shift) => {
  const cls = classAt(segment, place)
  const dead = cls >= DEAD_CLASSES
  const moved = dead ? cls : clamp(cls + shift, DEAD_CLASSES - 1)
  const living = segment.first + QUARTERS * stream.bins[stepOf(mean)] + (moved & 3)
  const table = dead ? stream.tables.length - 1 : living
  const flip = !dead && mean < 0 ? 1 : 0
  const sign = source.signs[place]
  let magnitude = magnitudeOf(source.values[place], moved, stream.origins)
  if (stream.tables[table][(2 * magnitude + sign) ^ flip] === 0) magnitude = ESCAPE
  if (magnitude === ESCAPE) escapes.push(source.values[place])
  walked.choice[to] = table
  walked.symbols[to] = (2 * magnitude + sign) ^ flip
  if (dead || magnitude <= ESCAPE) return 0
  const h = HISTORY[4 * clamp(magnitude + (moved & ~3) - (cls & ~3), 127) + (cls & 3)]
  return sign ? -h : h
}

/** Codes a tile in the order in which it is decoded, with the history that the decoder will have. */
function walk(tile: Tile<Member>, work: Work, codeElement: CodeElement): void {
  const { source, segment } = tile.of
  const { lines } = segment
  const sizes = segment.latents.map(({ length }) => length)
  const { order } = orderedTile(lines?.axis ?? 0, sizes, tile.first, tile.rows)
  const { lines: count, length } = linesOf(tile)
  const history = new Int16Array(lines ? tile.count : 0)
  for (let line = 0, i = 0; line < count; line++) {
    for (let at = 0; at < length; at++, i++) {
      const to = tile.at + i
      const place = order[i]
      work.walked.lanes[to] = at % LANES
      if (source.rests.length > 0) work.walked.rests[to] = source.rests[place]
      if (!lines) {
        codeElement(work, to, place, 0, 0)
        continue
      }
      const mean = predict(lines, lines.mean, history, line, length, at, false)
      const moves = lines.shifts.length > 0
      const spread = moves ? predict(lines, lines.spread, history, line, length, at, true) : 0
      history[i] = codeElement(work, to, place, mean, shiftOf(lines, line, spread))
    }
  }
}

function planesFor(rests: Uint32Array, lowBits: number): Uint8Array {
  const planes = new Uint8Array(planesLength(lowBits, rests.length))
  let offset = 0
  let shift = 0
  for (const width of planesOf(lowBits)) {
    for (let i = 0; i < rests.length; i++) {
      setPlaneElement(planes, offset, width, i, (rests[i] >>> shift) & (2 ** width - 1))
    }
    offset += planeBytes(width, rests.length)
    shift += width
  }
  return planes
}

function segmentOf(
  { part: _, coding, center, slope, fromBase, values }: Source,
  { latents, lines, first, shift }: Plan,
): Segment {
  return {
    method: coding.method,
    count: values.length,
    latents,
    center,
    first,
    lines,
    palette: coding.palette,
    slope: slope && { ...slope, offset: slope.offset + shift },
    fromBase,
  }
}

function tablesOf(number: number, { counts }: Learned): Uint16Array[] {
  const levels: Uint8Array[] = []
  return counts.map((own) => {
    const frequencies = frequenciesOf(isFloat(number) ? pruned(own) : own, expectedLevels(number, levels))
    levels.push(levelsOf(frequencies))
    return frequencies
  })
}

/** Learns the circuits of the parts and encodes them as stream `number`. */
export function encodeStream(
  number: number,
  parts: readonly Part[],
  codings: readonly Coding[],
  effort: Effort,
): EncodedStream {
  const lowBits = lowBitsOf(number, parts, codings)
  const sources = parts.map((part, i) => sourceOf(part, codings[i], lowBits))
  const learned = learn(number, sources, effort)
  const members = sources.map((source, i): Member => {
    const plan = learned.plans[i]
    const addends = source.addends.map((addend) => addend + plan.shift)
    return { source: { ...source, addends }, segment: segmentOf(source, plan) }
  })
  const tables = tablesOf(number, learned)
  const stream = { tables, origins: learned.origins, bins: learned.bins, lowBits }
  const codeElement = isFloat(number) ? codeFloat : number >= DELTA16 ? codeDifference : codeInteger
  const escapes: number[] = []
  const words: number[] = []
  const blocks = blocksOf(members).flatMap((tiles) => {
    const count = countOf(tiles)
    const walked = {
      symbols: new Uint8Array(count),
      choice: new Uint8Array(count),
      lanes: new Uint8Array(count),
      rests: new Uint32Array(count),
    }
    for (const tile of tiles) walk(tile, { member: tile.of, stream, walked, escapes }, codeElement)
    const block = encodeBlock(walked.symbols, walked.choice, walked.lanes, tables)
    words.push(block.words)
    return [block.bytes, planesFor(walked.rests, lowBits)]
  })
  return {
    stream: { ...stream, escapes: Uint32Array.from(escapes), words },
    bytes: concat(blocks),
    segments: new Map(members.map(({ source, segment }) => [source.part, segment])),
    bits: new Map(
      members.map(({ source, segment }, i) => [source.part, learned.plans[i].bits + segment.count * lowBits]),
    ),
  }
}
