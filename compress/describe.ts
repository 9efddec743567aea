/** What is inside an encoded chunk, for reports: which circuit holds which bytes, and what they cost. */

import { CODECS } from './types.ts'

/** Raw bytes `[start, start + length)` of a chunk that one circuit holds. */
export interface ChunkSegment {
  readonly start: number
  readonly length: number
  /** `A`, or the name of a byte codec. */
  readonly circuit: string
  /** Its share of the encoded bytes. */
  readonly packedBytes: number
}

/** The segments of a chunk, in order; their shares add up to the chunk's encoded bytes. */
export function describeChunk(codec: number, bytes: Uint8Array, rawLength: number): ChunkSegment[] {
  const circuit = Object.entries(CODECS).find(([, number]) => number === codec)?.[0] ?? 'unknown'
  return [{ start: 0, length: rawLength, circuit, packedBytes: bytes.length }]
}
