/** What is inside an encoded chunk, for reports: which circuit holds which bytes, and what they cost. */

import { CODECS } from './types.ts'
import { circuitOf } from './weights/header.ts'
import { layoutOf } from './weights/layout.ts'

/** Raw bytes `[start, start + length)` of a chunk that one circuit holds. */
export interface ChunkSegment {
  readonly start: number
  readonly length: number
  /** `A` (scale circuit), `Q` (its form for integers), or the name of a byte codec. */
  readonly circuit: string
  /** Its share of the encoded bytes: of its stream's in proportion to its length, and of the header's. */
  readonly packedBytes: number
}

/**
 * The segments of a chunk, in order; their shares add up to the chunk's encoded bytes. Reads the header only.
 *
 * @throws HardpackError `CHUNK_CORRUPT` for a chunk of weights with a damaged header.
 * @example
 * describeChunk(chunk.codec, chunk.bytes, chunk.rawLength)[0].circuit // 'A'
 */
export function describeChunk(codec: number, bytes: Uint8Array, rawLength: number): ChunkSegment[] {
  if (codec !== CODECS.weights) {
    const circuit = codec === CODECS.xor ? 'Δ' : Object.entries(CODECS).find(([, number]) => number === codec)?.[0]
    return [{ start: 0, length: rawLength, circuit: circuit ?? 'unknown', packedBytes: bytes.length }]
  }
  const sections = layoutOf(bytes, rawLength)
  const header = bytes.length - sections.reduce((sum, section) => sum + section.bytes.length, 0)
  const shares = sections.flatMap(({ method, placed, bytes: own }) => {
    const length = placed.reduce((sum, segment) => sum + segment.length, 0)
    return placed.map((segment) => ({
      start: segment.offset,
      length: segment.length,
      circuit: circuitOf(method),
      exact: own.length * (segment.length / length) + header * (segment.length / rawLength),
    }))
  })
  shares.sort((a, b) => a.start - b.start)
  let exactSum = 0
  let roundedSum = 0
  return shares.map(({ exact, ...segment }, index) => {
    exactSum += exact
    const until = index === shares.length - 1 ? bytes.length : Math.round(exactSum)
    const packedBytes = until - roundedSum
    roundedSum = until
    return { ...segment, packedBytes }
  })
}
