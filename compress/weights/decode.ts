/**
 * Decodes a chunk of weights:
 *
 *     varint length of the header | header (arithmetic coded)
 *     streams in order of their number, each in blocks of 64 Ki elements: 32 states u32, words u16, planes
 *     pools of the bytes of segments without a circuit: raw, deflated, mixed
 *
 * All lengths are known, and checked against the chunk's, before a stream is decoded.
 */

import { inflate } from '../bytes/inflate.ts'
import { unmix } from '../bytes/mix.ts'
import { bitReader } from '../coder/bit-reader.ts'
import type { Kernel } from '../coder/kernel.ts'
import { BLOCK, buildTable, STATE_BYTES, TOTAL } from '../coder/rans.ts'
import { corrupt } from '../corrupt.ts'
import { BYTE, ELEMENTS, planesLength } from './elements.ts'
import { codeHeader, DEFLATE, type Header, MIX, RAW, type Segment, type Stream } from './header.ts'

/** The largest chunk, raw or encoded. */
const MAX_CHUNK = 1 << 22

interface Placed {
  readonly segment: Segment
  /** Where the segment's bytes begin in the chunk. */
  readonly offset: number
}

function headerOf(bytes: Uint8Array, rawLength: number): { header: Header; end: number } {
  let length = 0
  let position = 0
  for (let shift = 0; ; shift += 7) {
    if (position >= bytes.length || shift > 21) throw corrupt('the length of its header, got none')
    const byte = bytes[position++]
    length |= (byte & 127) << shift
    if (byte < 128) {
      if (byte === 0 && shift > 0) throw corrupt('a shortest length of its header, got a longer one')
      break
    }
  }
  if (length > bytes.length - position) throw corrupt(`a header of ${length} bytes, got ${bytes.length - position}`)
  const reader = bitReader(bytes.subarray(position, position + length))
  const header = codeHeader(reader, rawLength)
  reader.finish()
  return { header, end: position + length }
}

const blockSize = (count: number, block: number): number => Math.min(BLOCK, count - block * BLOCK)

/** Decodes one stream into the places of its segments. */
function decodeStream(
  kernel: Kernel,
  number: number,
  stream: Stream,
  placed: readonly Placed[],
  bytes: Uint8Array,
  out: Uint8Array,
): void {
  const element = ELEMENTS[number]
  for (let i = 0; i < stream.tables.length; i++) {
    buildTable(stream.tables[i], kernel.tables.subarray(i * TOTAL, (i + 1) * TOTAL))
  }
  const total = placed.reduce((sum, { segment }) => sum + segment.count, 0)
  const patterns = new Map<Segment, Uint8Array>()
  let position = 0
  let escaped = 0
  let index = 0
  let begun = 0
  for (let block = 0; block < stream.words.length; block++) {
    const count = blockSize(total, block)
    const planes = STATE_BYTES + 2 * stream.words[block]
    const length = planes + planesLength(element, count)
    kernel.input.set(bytes.subarray(position, position + length))
    position += length

    const runs: { offset: number; at: number; bytes: number; center: number }[] = []
    for (let at = 0; at < count; ) {
      const { segment, offset } = placed[index]
      const [rows, columns, inner] = segment.latents
      const width = columns.length * inner.length
      const run = Math.min(count - at, segment.count - begun)
      let pattern = patterns.get(segment)
      if (!pattern) {
        pattern = patternOf(columns, inner)
        patterns.set(segment, pattern)
      }
      const row = Math.floor(begun / width)
      kernel.pattern.set(pattern)
      kernel.rows.set(rows.subarray(row, Math.ceil((begun + run) / width)))
      kernel.spread(at, run, begun - row * width, width)
      runs.push({
        offset: offset + begun * element.bytes,
        at: at * element.bytes,
        bytes: run * element.bytes,
        center: segment.center,
      })
      at += run
      begun += run
      if (begun === segment.count) {
        patterns.delete(segment)
        begun = 0
        index++
      }
    }

    if (!kernel.symbols(count, number === BYTE ? 255 : 3, stream.words[block])) {
      throw corrupt('a coder that ends where it began, got another state')
    }
    const escapes = stream.escapes.subarray(escaped, escaped + count)
    kernel.escapes.set(escapes)
    const used = kernel.merge(number, count, stream.origin, planes, escapes.length)
    if (used < 0) throw corrupt(`${stream.escapes.length} escapes, got more`)
    escaped += used
    for (const run of runs) {
      const target = out.subarray(run.offset, run.offset + run.bytes)
      target.set(kernel.output.subarray(run.at, run.at + run.bytes))
      if (run.center !== 0) for (let i = 0; i < target.length; i++) target[i] += run.center
    }
  }
  if (escaped !== stream.escapes.length) throw corrupt(`${stream.escapes.length} escapes, got ${escaped}`)
}

function patternOf(columns: Uint8Array, inner: Uint8Array): Uint8Array {
  const pattern = new Uint8Array(columns.length * inner.length)
  for (let c = 0, i = 0; c < columns.length; c++) {
    for (let k = 0; k < inner.length; k++) pattern[i++] = columns[c] + inner[k]
  }
  return pattern
}

/** Decodes the bytes of one pool and hands them out to its segments. */
function decodePool(method: number, encoded: Uint8Array, placed: readonly Placed[], out: Uint8Array): void {
  const total = placed.reduce((sum, { segment }) => sum + segment.count, 0)
  const bytes = method === RAW ? encoded : new Uint8Array(total)
  if (method === DEFLATE) inflate(encoded, bytes)
  if (method === MIX) unmix(encoded, bytes)
  let position = 0
  for (const { segment, offset } of placed) {
    out.set(bytes.subarray(position, position + segment.count), offset)
    position += segment.count
  }
}

/**
 * Decodes a chunk of weights with a kernel.
 *
 * @param out filled exactly
 * @throws HardpackError `CHUNK_CORRUPT`.
 */
export function decodeWeights(kernel: Kernel, bytes: Uint8Array, out: Uint8Array): void {
  if (out.length > MAX_CHUNK || bytes.length > 2 * MAX_CHUNK) {
    throw corrupt(`at most ${MAX_CHUNK} bytes, got ${bytes.length} for ${out.length}`)
  }
  const { header, end } = headerOf(bytes, out.length)
  const byMethod: Placed[][] = Array.from({ length: MIX + 1 }, () => [])
  let offset = 0
  for (const segment of header.segments) {
    byMethod[segment.method].push({ segment, offset })
    offset += segment.count * (segment.method < RAW ? ELEMENTS[segment.method].bytes : 1)
  }

  const elements = byMethod.map((placed) => placed.reduce((sum, { segment }) => sum + segment.count, 0))
  const lengths = elements.map((count, method) => {
    if (method === RAW) return count
    if (method > RAW) return header.pools[method - DEFLATE]
    const words = header.streams[method]?.words ?? []
    return words.reduce(
      (sum, used, block) => sum + STATE_BYTES + 2 * used + planesLength(ELEMENTS[method], blockSize(count, block)),
      0,
    )
  })
  const expected = lengths.reduce((sum, length) => sum + length, end)
  if (expected !== bytes.length) throw corrupt(`${expected} bytes, got ${bytes.length}`)

  let position = end
  for (let method = 0; method < byMethod.length; method++) {
    const part = bytes.subarray(position, position + lengths[method])
    position += lengths[method]
    const stream = header.streams[method]
    if (stream) decodeStream(kernel, method, stream, byMethod[method], part, out)
    else if (elements[method] > 0) decodePool(method, part, byMethod[method], out)
  }
}
