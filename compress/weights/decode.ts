/** Decodes a chunk of weights: each stream by the kernel, block by block, and each pool by its byte codec. */

import { inflate } from '../bytes/inflate.ts'
import { unmix } from '../bytes/mix.ts'
import type { Box, Kernel } from '../coder/kernel.ts'
import { readPlanes } from '../coder/planes.ts'
import { STATE_BYTES } from '../coder/rans.ts'
import { corrupt } from '../corrupt.ts'
import { ELEMENTS, INDEX, isFloat, NIBBLE, planesLength, planesOf } from './elements.ts'
import { DEFLATE, MIX, RAW, type Stream } from './header.ts'
import {
  chooseTables,
  joinDifferences,
  joinElements,
  joinNibbles,
  joinSums,
  joinValues,
  type Rests,
  type Target,
} from './join.ts'
import { layoutOf, type Placed, type Section } from './layout.ts'
import { blocksOf, countOf, type Tile } from './tiles.ts'

/** What the decoding of one stream needs all the time. */
interface Work {
  readonly kernel: Kernel
  readonly stream: Stream
  readonly method: number
  readonly out: Uint8Array
  readonly base: Uint8Array | undefined
  /** Escapes used so far. */
  escaped: number
}

function nextEscape(work: Work): number {
  if (work.escaped === work.stream.escapes.length) throw corrupt(`${work.escaped} escapes, got more`)
  return work.stream.escapes[work.escaped++]
}

function boxOf({ of, rows, at }: Tile<Placed>): Box {
  const { latents, lines } = of.segment
  return { at, rows, columns: latents[1].length, inner: latents[2].length, axis: lines?.axis ?? 0 }
}

function targetOf({ of, first, count }: Tile<Placed>, out: Uint8Array): Target {
  const { latents } = of.segment
  return { out, offset: of.offset, first: first * latents[1].length * latents[2].length, count }
}

function baseOf({ base }: Work): Uint8Array {
  if (!base) throw corrupt('the base that it was encoded against, got none')
  return base
}

function decodeTile(work: Work, tile: Tile<Placed>): void {
  const { kernel, method, stream, out } = work
  const { latents, first, center, lines, slope } = tile.of.segment
  const [rows, columns, inner] = latents
  const box = boxOf(tile)
  kernel.latents.set(rows.subarray(tile.first, tile.first + tile.rows))
  kernel.latents.set(columns, tile.rows)
  kernel.latents.set(inner, tile.rows + columns.length)
  kernel.spread(box)
  const last = stream.tables.length - 1
  if (slope) {
    const classes = kernel.classes.subarray(tile.at, tile.at + tile.count)
    chooseTables(targetOf(tile, out), method, slope, classes, baseOf(work), last - first)
  }
  kernel.decode(box, { stream: method, first, last, center, bins: stream.bins, lines })
}

function joinTile(work: Work, tile: Tile<Placed>, rests: Uint32Array): void {
  const { kernel, method, stream, out } = work
  const { palette, slope, fromBase } = tile.of.segment
  const target = targetOf(tile, out)
  const elements = kernel.elements(boxOf(tile), isFloat(method) ? ELEMENTS[method].bytes : 1)
  const own: Rests = { bits: stream.lowBits, numbers: rests.subarray(tile.at, tile.at + tile.count) }
  if (slope) joinDifferences(target, method, elements, own, baseOf(work), () => nextEscape(work))
  else if (palette) joinValues(target, palette, elements, method === INDEX ? own : undefined)
  else if (fromBase) joinSums(target, elements, baseOf(work))
  else if (method === NIBBLE) joinNibbles(target, elements)
  else joinElements(target, elements)
}

function mergeFloats({ kernel, method, stream, escaped }: Work, count: number, planes: number): number {
  const escapes = stream.escapes.subarray(escaped, escaped + count)
  kernel.escapes.set(escapes)
  const used = kernel.merge(method, count, stream.origins, planes, escapes.length)
  if (used < 0) throw corrupt(`${stream.escapes.length} escapes, got more`)
  return escaped + used
}

/** Decodes a block whose states, words and planes lie in the kernel's input. */
function decodeBlock(work: Work, tiles: readonly Tile<Placed>[], words: number): void {
  const { kernel, method, stream } = work
  const count = countOf(tiles)
  const planes = STATE_BYTES + 2 * words
  kernel.begin(words)
  for (const tile of tiles) decodeTile(work, tile)
  if (!kernel.end()) throw corrupt('a coder that ends where it began, got another state')
  const floats = isFloat(method)
  const rests = new Uint32Array(method < INDEX ? 0 : count)
  if (floats) work.escaped = mergeFloats(work, count, planes)
  else readPlanes(kernel.input, planes, planesOf(stream.lowBits), rests)
  for (const tile of tiles) joinTile(work, tile, rests)
}

function decodeStream(kernel: Kernel, section: Section, stream: Stream, out: Uint8Array, base?: Uint8Array): void {
  const { method, placed, bytes } = section
  stream.tables.forEach((table, i) => {
    kernel.setTable(i, table)
  })
  const work: Work = { kernel, stream, method, out, base, escaped: 0 }
  let position = 0
  for (const [block, tiles] of blocksOf(placed).entries()) {
    const words = stream.words[block]
    const end = position + STATE_BYTES + 2 * words + planesLength(stream.lowBits, countOf(tiles))
    kernel.input.set(bytes.subarray(position, end))
    decodeBlock(work, tiles, words)
    position = end
  }
  if (work.escaped !== stream.escapes.length) throw corrupt(`${stream.escapes.length} escapes, got ${work.escaped}`)
}

/** Decodes the bytes of a pool and hands them out to its segments. */
export function decodePool({ method, count, placed, bytes }: Section, out: Uint8Array): void {
  const pool = method === RAW ? bytes : new Uint8Array(count)
  if (method === DEFLATE) inflate(bytes, pool)
  if (method === MIX) unmix(bytes, pool)
  let position = 0
  for (const { offset, length } of placed) {
    out.set(pool.subarray(position, position + length), offset)
    position += length
  }
}

/**
 * Decodes a chunk of weights with a kernel.
 *
 * @param out filled exactly
 * @param base as long as `out`: what a chunk with differences was encoded against
 * @throws HardpackError `CHUNK_CORRUPT`, also for differences without a base.
 */
export function decodeWeights(kernel: Kernel, bytes: Uint8Array, out: Uint8Array, base?: Uint8Array): void {
  if (base && base.length !== out.length) throw corrupt(`a base of ${out.length} bytes, got ${base.length}`)
  for (const section of layoutOf(bytes, out.length)) {
    if (section.stream) decodeStream(kernel, section, section.stream, out, base)
    else decodePool(section, out)
  }
}
