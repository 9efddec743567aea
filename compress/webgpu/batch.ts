/**
 * Sections of chunks as the shader takes them (`decode.wgsl.ts`), and what it gives back as bytes of tensors. Of floats
 * it gives whole elements, but for escaped tops; of integers a byte each, which is joined with its palette or base here.
 */

import { planeBytes, readPlanes } from '../coder/planes.ts'
import { LANES, STATE_BYTES, SYMBOLS } from '../coder/rans.ts'
import { corrupt } from '../corrupt.ts'
import { ELEMENTS, INDEX, isFloat, NIBBLE, planesLength, planesOf } from '../weights/elements.ts'
import type { Segment, Stream } from '../weights/header.ts'
import { joinElements, joinNibbles, joinSums, joinValues, type Rests } from '../weights/join.ts'
import type { Placed, Section } from '../weights/layout.ts'
import type { Lines } from '../weights/lines.ts'
import { blocksOf, countOf, linesOf, type Tile } from '../weights/tiles.ts'
import type { BLOCK_FIELDS } from './decode.wgsl.ts'
import { TILE_FIELDS } from './decode.wgsl.ts'

type Block = Record<(typeof BLOCK_FIELDS)[number], number>

/** The words of a block's output before its elements: lanes that came back, and escaped elements. */
const RESULT_WORDS = 2
/** A tile without lines. */
const NO_AXIS = 3

type Output = Uint32Array<ArrayBuffer>

/** The tiles of a block, and where its planes begin in the section's bytes. */
interface Content {
  readonly block: Block
  readonly tiles: readonly Tile<Placed>[]
  readonly planes: number
}

/** A section in words of 32 bits, with its places counted from its own beginnings. */
export interface Part {
  readonly section: Section
  readonly contents: readonly Content[]
  readonly tiles: Uint32Array
  readonly data: Uint32Array
  readonly frequencies: Uint32Array
  /** Words that the shader keeps for itself, and those that it gives back. */
  readonly history: number
  readonly output: number
}

/** Bytes that grow, with every addition from a whole word on. */
class Words {
  #bytes = new Uint8Array(1 << 12)
  #length = 0

  /** Appends bytes, and gives the place where they begin, in bytes. */
  add(bytes: ArrayLike<number>): number {
    const at = this.#length
    const end = at + 4 * Math.ceil(bytes.length / 4)
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(2 * end)
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    this.#bytes.set(bytes, at)
    this.#length = end
    return at
  }

  /** @returns the words so far, in one array */
  finish(): Uint32Array {
    return new Uint32Array(this.#bytes.buffer, 0, this.#length / 4)
  }
}

/** Whether the shader decodes a section. */
export function isForShader({ method }: Section): boolean {
  return method <= INDEX
}

/** Puts a segment's latents and coefficients into data; gives what all of its tiles have in common. */
function segmentFields(data: Words, { latents, lines, first, center }: Segment) {
  const [rows, columns, inner] = latents
  return {
    axis: lines?.axis ?? NO_AXIS,
    columns: columns.length,
    inner: inner.length,
    rowLatents: data.add(rows),
    columnLatents: data.add(columns),
    innerLatents: data.add(inner),
    first,
    center,
    ...lineFields(data, lines),
  }
}

type SegmentFields = ReturnType<typeof segmentFields>

function lineFields(data: Words, lines: Lines | undefined) {
  if (!lines) return { lagCount: 0, lags: 0, mean: 0, spread: 0, hasSpread: 0, shifts: 0, setStride: 0 }
  return {
    lagCount: lines.lags.length,
    lags: data.add(lines.lags),
    mean: data.add(lines.mean),
    spread: data.add(lines.spread),
    hasSpread: lines.shifts.length > 0 ? 1 : 0,
    shifts: data.add(lines.shifts),
    setStride: lines.perLine ? lines.lags.length : 0,
  }
}

/** Eight bins of 4 bits. */
const packedBins = (bins: Uint8Array): number => bins.reduceRight((packed, bin) => (packed << 4) | bin, 0) >>> 0

/** The fields that all blocks of a stream have in common. Of integers the shader gives back a byte each. */
function streamFields(method: number, { tables, bins, lowBits, origins }: Stream) {
  const float = isFloat(method)
  return {
    tables: 0,
    tableCount: tables.length,
    bytes: float ? ELEMENTS[method].bytes : 1,
    topBits: ELEMENTS[method].topBits,
    lowBits: float ? lowBits : 0,
    living: origins[0],
    dead: origins[1],
    lowBins: packedBins(bins.subarray(0, 8)),
    highBins: packedBins(bins.subarray(8)),
  }
}

/** Puts a block's states, words and planes into data, each plane from a whole word on. */
function inputFields(data: Words, bytes: Uint8Array, words: number, widths: number[], count: number) {
  const end = STATE_BYTES + 2 * words
  const states = data.add(bytes.subarray(0, end)) / 4
  let planes = 0
  let position = end
  for (const width of widths) {
    const length = planeBytes(width, count)
    const at = data.add(bytes.subarray(position, position + length)) / 4
    planes ||= at
    position += length
  }
  return { states, words, planes }
}

/** What the shader needs of a section that is for it. */
export function partOf(section: Section): Part {
  const { method, placed, bytes } = section
  const stream = section.stream as Stream
  const data = new Words()
  const segments = new Map(placed.map((own) => [own, segmentFields(data, own.segment)]))
  const common = streamFields(method, stream)
  const tiles: number[] = []
  const contents: Content[] = []
  let position = 0
  let history = 0
  let output = 0
  for (const [number, own] of blocksOf(placed).entries()) {
    const count = countOf(own)
    const words = stream.words[number]
    const planes = position + STATE_BYTES + 2 * words
    const end = planes + planesLength(stream.lowBits, count)
    const escapes = isFloat(method) ? Math.min(stream.escapes.length, count) : 0
    const block: Block = {
      ...common,
      ...inputFields(data, bytes.subarray(position, end), words, planesOf(common.lowBits), count),
      tiles: tiles.length / TILE_FIELDS.length,
      data: 0,
      history,
      output,
      tileCount: own.length,
      count,
      list: RESULT_WORDS + Math.ceil((common.bytes * count) / 4),
      escapes,
    }
    for (const tile of own) {
      const segment = segments.get(tile.of) as SegmentFields
      const rowLatents = segment.rowLatents + tile.first
      const fields: Record<string, number> = { ...segment, ...linesOf(tile), rowLatents, at: tile.at }
      for (const field of TILE_FIELDS) tiles.push(fields[field])
    }
    contents.push({ block, tiles: own, planes })
    if (own.some(({ of }) => of.segment.lines)) history += count
    output += block.list + escapes
    position = end
  }
  return {
    section,
    contents,
    tiles: Uint32Array.from(tiles),
    data: data.finish(),
    frequencies: frequenciesOf(stream),
    history,
    output,
  }
}

/** The frequencies of all tables, two a word. */
function frequenciesOf({ tables }: Stream): Uint32Array {
  const frequencies = new Uint16Array(SYMBOLS * tables.length)
  for (const [number, table] of tables.entries()) frequencies.set(table, SYMBOLS * number)
  return new Uint32Array(frequencies.buffer)
}

/**
 * Puts the tops of a block's escaped floats where the shader has left them out.
 *
 * @param used how many escapes earlier blocks have used
 * @returns how many are used now
 */
function fillEscapes({ escapes }: Stream, block: Block, output: Output, used: number): number {
  const escaped = output[1]
  if (used + escaped > escapes.length) throw corrupt(`${escapes.length} escapes, got more`)
  const elements = output.subarray(RESULT_WORDS, block.list)
  const wide = block.bytes === 4
  const out = wide ? elements : new Uint16Array(elements.buffer, elements.byteOffset, 2 * elements.length)
  for (const place of output.subarray(block.list, block.list + escaped)) out[place] |= escapes[used++] << block.lowBits
  return used
}

/** Writes a tile as bytes of its tensor. */
function joinTile(
  section: Section,
  tile: Tile<Placed>,
  elements: Uint8Array,
  rests: Rests,
  { out, base }: Target,
): void {
  const { latents, palette, fromBase } = tile.of.segment
  const place = {
    out,
    offset: tile.of.offset,
    first: tile.first * latents[1].length * latents[2].length,
    count: tile.count,
  }
  if (palette) joinValues(place, palette, elements, section.method === INDEX ? rests : undefined)
  else if (section.method === NIBBLE) joinNibbles(place, elements)
  else if (fromBase) joinSums(place, elements, baseOf(base))
  else joinElements(place, elements)
}

function baseOf(base: Uint8Array | undefined): Uint8Array {
  if (!base) throw corrupt('the base that it was encoded against, got none')
  return base
}

/** Where decoded bytes go, and the bytes that they were encoded against. */
interface Target {
  readonly out: Uint8Array
  readonly base: Uint8Array | undefined
}

/**
 * Turns what the shader has given back for a part into bytes of the decoded chunk.
 *
 * @param output the part's words, which are changed
 * @throws HardpackError `CHUNK_CORRUPT` for a block that did not end where it began, another number of escapes than there are, an index
 *   beyond its palette, or no base where one is needed.
 */
export function takeOut({ section, contents }: Part, output: Output, target: Target): void {
  const stream = section.stream as Stream
  let used = 0
  for (const { block, tiles, planes } of contents) {
    const own = output.subarray(block.output, block.output + block.list + block.escapes)
    if (own[0] !== LANES) throw corrupt('a coder that ends where it began, got another state')
    if (isFloat(section.method)) used = fillEscapes(stream, block, own, used)
    const numbers = new Uint32Array(section.method === INDEX ? block.count : 0)
    readPlanes(section.bytes, planes, planesOf(stream.lowBits), numbers)
    const elements = new Uint8Array(own.buffer, own.byteOffset + 4 * RESULT_WORDS, block.bytes * block.count)
    for (const tile of tiles) {
      const end = tile.at + tile.count
      const rests = { bits: stream.lowBits, numbers: numbers.subarray(tile.at, end) }
      joinTile(section, tile, elements.subarray(block.bytes * tile.at, block.bytes * end), rests, target)
    }
  }
  if (used !== stream.escapes.length) throw corrupt(`${stream.escapes.length} escapes, got ${used}`)
}
