/** What is inside an encoded chunk, for reports: which circuit holds which bytes, and what they cost. */

import { CODECS } from './types.ts'
import { costsOf } from './weights/costs.ts'
import { circuitOf } from './weights/header.ts'

/** Raw bytes `[start, start + length)` of a chunk that one circuit holds. */
export interface ChunkSegment {
  readonly start: number
  readonly length: number
  /**
   * `A` (scale circuit), `B` (lines: taps of a kernel, rows or columns), `Q` (integers), `Δ`, `palette`, `raw`, or a byte codec,
   * `deflate` or `mix`.
   */
  readonly circuit: string
  /** What it costs, rounded so that all add up to the chunk. */
  readonly packedBytes: number
}

/**
 * The segments of a chunk, in order; their sizes add up to the chunk's encoded bytes. Decodes a chunk of weights, since only its
 * symbols say what each segment costs.
 *
 * @param base what a chunk with differences was encoded against; without it, sizes within such a chunk are in proportion to length
 * @throws HardpackError `CHUNK_CORRUPT` for a damaged chunk of weights.
 * @example
 * describeChunk(chunk.codec, chunk.bytes, chunk.rawLength)[0].circuit // 'A'
 */
export function describeChunk(codec: number, bytes: Uint8Array, rawLength: number, base?: Uint8Array): ChunkSegment[] {
  if (codec !== CODECS.weights) {
    const circuit = Object.entries(CODECS).find(([, number]) => number === codec)?.[0] ?? 'unknown'
    return [{ start: 0, length: rawLength, circuit, packedBytes: bytes.length }]
  }
  const costs = costsOf(bytes, rawLength, base)
  const total = costs.reduce((sum, { cost }) => sum + cost, 0)
  let exactSum = 0
  let roundedSum = 0
  return costs.map(({ segment, offset, length, cost }, index) => {
    exactSum += (bytes.length * cost) / total
    const until = index === costs.length - 1 ? bytes.length : Math.round(exactSum)
    const packedBytes = until - roundedSum
    roundedSum = until
    return { start: offset, length, circuit: circuitOf(segment), packedBytes }
  })
}
