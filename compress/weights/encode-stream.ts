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
import { blocksOf, countOf, orderedTile, type Tile } from './tiles.ts'

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

/** Walks one tile; `walked` is filled from `tile.at` on. Escapes are appended. */
function walk(
  tile: Tile<Member>,
  { stream, number }: { stream: Stream; number: number },
  walked: Walked,
  escapes: number[],
): void {
  const { source, segment } = tile.of
  const { lines, first } = segment
  const sizes = segment.latents.map(({ length }) => length)
  const width = sizes[1] * sizes[2]
  const {
    order,
    lines: count,
    length,
  } = lines
    ? orderedTile(lines.axis, sizes, tile.first, tile.rows)
    : {
        order: Uint32Array.from({ length: tile.count }, (_, i) => tile.first * width + i),
        lines: 1,
        length: tile.count,
      }
  const history = new Int16Array(lines ? tile.count : 0)
  const living = stream.tables.length - 1
  for (let line = 0, i = 0; line < count; line++) {
    for (let at = 0; at < length; at++, i++) {
      const place = order[i]
      const cls = classAt(segment, place)
      const mean = lines ? predict(lines, lines.mean, history, line, length, at, false) : 0
      const shift =
        lines && lines.shifts.length > 0
          ? shiftOf(lines, line, predict(lines, lines.spread, history, line, length, at, true))
          : 0
      const to = tile.at + i
      const value = source.values[place]
      walked.lanes[to] = at % LANES
      if (source.rests.length > 0) walked.rests[to] = source.rests[place]
      if (number >= DELTA16) {
        const fours = (stream.tables.length - first) >> 2
        const moved = Math.max(0, Math.min(fours - 1, cls + source.addends[place]))
        walked.choice[to] = first + QUARTERS * moved + (value >> 8)
        walked.symbols[to] = value & 255
        const difference = source.escapes.get(place)
        if (difference !== undefined) escapes.push(difference)
        continue
      }
      if (!isFloat(number)) {
        const most = stream.tables.length - 1 - first
        walked.choice[to] = first + (lines ? Math.max(0, Math.min(most, cls + shift)) : cls)
        walked.symbols[to] = (value - (lines ? unitsOf(mean) : 0)) & 255
        if (lines) history[i] = ((value << 24) >> 24) << UNIT_BITS
        continue
      }
      const dead = cls >= DEAD_CLASSES
      const moved = dead ? cls : Math.max(0, Math.min(DEAD_CLASSES - 1, cls + shift))
      const table = dead ? living : first + QUARTERS * stream.bins[lines ? stepOf(mean) : 0] + (moved & 3)
      const flip = !dead && lines && mean < 0 ? 1 : 0
      const sign = source.signs[place]
      let magnitude = magnitudeOf(value, moved, stream.origins)
      if (stream.tables[table][(2 * magnitude + sign) ^ flip] === 0) magnitude = ESCAPE
      if (magnitude === ESCAPE) escapes.push(value)
      walked.choice[to] = table
      walked.symbols[to] = (2 * magnitude + sign) ^ flip
      if (!lines || dead || magnitude <= ESCAPE) continue
      const h = HISTORY[4 * Math.max(0, Math.min(127, magnitude + (moved & ~3) - (cls & ~3))) + (cls & 3)]
      history[i] = sign ? -h : h
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
    const partial = { ...stream, escapes: new Uint32Array(0), words }
    for (const tile of tiles) walk(tile, { stream: partial, number }, walked, escapes)
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
