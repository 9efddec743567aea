/** Decodes a chunk of weights: each stream by the kernel, block by block, and each pool by its byte codec. */

import { inflate } from '../bytes/inflate.ts'
import { unmix } from '../bytes/mix.ts'
import type { Kernel } from '../coder/kernel.ts'
import { buildTable, STATE_BYTES, TOTAL } from '../coder/rans.ts'
import { corrupt } from '../corrupt.ts'
import { ELEMENTS, planesLength } from './elements.ts'
import { DEFLATE, MIX, RAW, SATURATED, type Segment, type Stream } from './header.ts'
import { blockSize, layoutOf, type Placed, type Section } from './layout.ts'

/** Every sum a_i + b_j, row by row. */
function sums(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length * b.length)
  for (let i = 0, at = 0; i < a.length; i++) {
    for (let j = 0; j < b.length; j++) all[at++] = Math.min(SATURATED, a[i] + b[j])
  }
  return all
}

/** A segment's classes as a class for each row, to which those of a pattern are added. */
function classesOf({ latents: [rows, columns, inner] }: Segment): { rows: Uint8Array; pattern: Uint8Array } {
  // A single row of many columns would have a pattern as long as the segment: its columns are rows as well.
  if (rows.length === 1 && inner.length > 1) return { rows: sums(rows, columns), pattern: inner }
  return { rows, pattern: sums(columns, inner) }
}

/** A run of a segment's elements inside one block. */
interface Run {
  readonly placed: Placed
  /** Its first element, in the segment and in the block. */
  readonly first: number
  readonly at: number
  readonly count: number
}

/** Cuts the segments of a stream into runs, block by block. */
function runsOf(placed: readonly Placed[], count: number, blocks: number): Run[][] {
  const runs: Run[][] = []
  let index = 0
  let first = 0
  for (let block = 0; block < blocks; block++) {
    const size = blockSize(count, block)
    const own: Run[] = []
    for (let at = 0; at < size; ) {
      const run = Math.min(size - at, placed[index].segment.count - first)
      own.push({ placed: placed[index], first, at, count: run })
      at += run
      first += run
      if (first === placed[index].segment.count) {
        index++
        first = 0
      }
    }
    runs.push(own)
  }
  return runs
}

function decodeStream(kernel: Kernel, section: Section, stream: Stream, out: Uint8Array): void {
  const { method, count, placed, bytes } = section
  const element = ELEMENTS[method]
  for (let i = 0; i < stream.tables.length; i++) {
    buildTable(stream.tables[i], kernel.tables.subarray(i * TOTAL, (i + 1) * TOTAL))
  }
  let position = 0
  let escaped = 0
  let segment: Segment | undefined
  let rows: Uint8Array = new Uint8Array(0)
  let width = 0
  for (const [block, runs] of runsOf(placed, count, stream.words.length).entries()) {
    const size = blockSize(count, block)
    const words = stream.words[block]
    const planes = STATE_BYTES + 2 * words
    const end = position + planes + planesLength(element, size)
    kernel.input.set(bytes.subarray(position, end))
    position = end

    for (const run of runs) {
      if (run.placed.segment !== segment) {
        segment = run.placed.segment
        const classes = classesOf(segment)
        rows = classes.rows
        width = classes.pattern.length
        kernel.pattern.set(classes.pattern)
      }
      const row = Math.floor(run.first / width)
      kernel.rows.set(rows.subarray(row, Math.ceil((run.first + run.count) / width)))
      kernel.spread(run.at, run.count, run.first - row * width, width)
    }
    if (!kernel.symbols(method, size, words)) {
      throw corrupt('a coder that ends where it began, got another state')
    }
    const escapes = stream.escapes.subarray(escaped, escaped + size)
    kernel.escapes.set(escapes)
    const used = kernel.merge(method, size, stream.origins[0], stream.origins[1], planes, escapes.length)
    if (used < 0) throw corrupt(`${stream.escapes.length} escapes, got more`)
    escaped += used

    for (const { placed: own, first, at, count: length } of runs) {
      const start = own.offset + first * element.bytes
      const target = out.subarray(start, start + length * element.bytes)
      target.set(kernel.output.subarray(at * element.bytes, (at + length) * element.bytes))
      const { center } = own.segment
      if (center !== 0) for (let i = 0; i < target.length; i++) target[i] += center
    }
  }
  if (escaped !== stream.escapes.length) throw corrupt(`${stream.escapes.length} escapes, got ${escaped}`)
}

/** Decodes the bytes of a pool and hands them out to its segments. */
function decodePool({ method, count, placed, bytes }: Section, out: Uint8Array): void {
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
 * @throws HardpackError `CHUNK_CORRUPT`.
 */
export function decodeWeights(kernel: Kernel, bytes: Uint8Array, out: Uint8Array): void {
  for (const section of layoutOf(bytes, out.length)) {
    if (section.stream) decodeStream(kernel, section, section.stream, out)
    else decodePool(section, out)
  }
}
