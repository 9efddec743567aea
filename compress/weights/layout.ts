/**
 * Where everything lies in a chunk of weights:
 *
 *     varint length of the header | header (arithmetic coded)
 *     streams in order of their number, each in blocks of up to 64 Ki elements: 32 states u32, words u16, planes
 *     pools of the bytes of segments without a circuit: raw, deflated, mixed
 *
 * All lengths follow from the header, and are checked against the chunk's before anything is decoded.
 */

import { bitReader } from '../coder/bit-reader.ts'
import { STATE_BYTES } from '../coder/rans.ts'
import { corrupt } from '../corrupt.ts'
import { planesLength } from './elements.ts'
import { bytesOf, codeHeader, DEFLATE, type Header, MIX, RAW, type Segment, type Stream } from './header.ts'
import { blocksOf, countOf } from './tiles.ts'

/** The largest chunk, raw. */
const MAX_CHUNK = 1 << 22

export interface Placed {
  readonly segment: Segment
  /** Where the segment's bytes begin in the decoded chunk, and how many they are. */
  readonly offset: number
  readonly length: number
}

/** The encoded bytes of one stream or pool, and the segments it holds, in order. */
export interface Section {
  readonly method: number
  readonly stream: Stream | undefined
  /** Elements of a stream, bytes of a pool. */
  readonly count: number
  readonly placed: readonly Placed[]
  readonly bytes: Uint8Array
}

export function headerOf(bytes: Uint8Array, rawLength: number): { header: Header; end: number } {
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

function lengthOf(header: Header, method: number, placed: readonly Placed[]): number {
  if (method === RAW) return placed.reduce((sum, { length }) => sum + length, 0)
  if (method > RAW) return header.pools[method - DEFLATE]
  const stream = header.streams[method]
  if (!stream) return 0
  return blocksOf(placed).reduce(
    (sum, tiles, block) => sum + STATE_BYTES + 2 * stream.words[block] + planesLength(stream.lowBits, countOf(tiles)),
    0,
  )
}

/**
 * The sections of a chunk, in the order of their methods.
 *
 * @throws HardpackError `CHUNK_CORRUPT` for a chunk over 4 MiB, a header that breaks a rule, or another length than it says.
 */
export function layoutOf(bytes: Uint8Array, rawLength: number): Section[] {
  if (rawLength > MAX_CHUNK || bytes.length > 2 * MAX_CHUNK) {
    throw corrupt(`at most ${MAX_CHUNK} bytes, got ${bytes.length} for ${rawLength}`)
  }
  const { header, end } = headerOf(bytes, rawLength)
  const byMethod: Placed[][] = Array.from({ length: MIX + 1 }, () => [])
  let offset = 0
  for (const segment of header.segments) {
    const length = segment.method < RAW ? bytesOf(segment) : segment.count
    byMethod[segment.method].push({ segment, offset, length })
    offset += length
  }
  let position = end
  const sections = byMethod.map((placed, method) => {
    const count = placed.reduce((sum, { segment }) => sum + segment.count, 0)
    const start = position
    position += lengthOf(header, method, placed)
    return { method, stream: header.streams[method], count, placed, bytes: bytes.subarray(start, position) }
  })
  if (position !== bytes.length) throw corrupt(`${position} bytes, got ${bytes.length}`)
  return sections.filter(({ count }) => count > 0)
}
