/** The payload of a chunk of weights; `weights/decode.ts` is its other side. */

import { concat } from '../../sdk/core/index.ts'
import { deflate, mix } from '../bytes/encode.ts'
import { bitWriter } from '../coder/bit-writer.ts'
import type { Effort } from '../types.ts'
import { ELEMENTS } from './elements.ts'
import { type EncodedStream, encodeStream } from './encode-stream.ts'
import { circuitOf, codeHeader, DEFLATE, type Header, MIX, RAW } from './header.ts'
import type { Coding } from './sources.ts'
import type { Part } from './split.ts'

/** Streams and pools that were encoded before, so that candidates for a chunk share what they have in common. */
export interface ChunkCache {
  readonly effort: Effort
  readonly streams: Map<string, EncodedStream>
  readonly pools: Map<string, Uint8Array>
}

export interface EncodedPayload {
  readonly bytes: Uint8Array
  /** Estimated bits of each part, in proportion to which the chunk's bytes are shared out. */
  readonly bits: readonly number[]
  /** The circuit or byte codec of each part. */
  readonly circuits: readonly string[]
}

function remembered<T>(cache: Map<string, T>, key: string, make: () => T): T {
  const known = cache.get(key)
  if (known !== undefined) return known
  const made = make()
  cache.set(key, made)
  return made
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    bytes.push(rest >= 128 ? (rest & 127) | 128 : rest)
    if (rest < 128) return Uint8Array.from(bytes)
  }
}

/**
 * Encodes the parts of a chunk.
 *
 * @param codings of each part: its stream, or its pool
 */
export function encodeChunk(parts: readonly Part[], codings: readonly Coding[], cache: ChunkCache): EncodedPayload {
  const indicesOf = (method: number): number[] => codings.flatMap((own, i) => (own.method === method ? [i] : []))
  const streams = ELEMENTS.map((_, number) => {
    const indices = indicesOf(number)
    if (indices.length === 0) return undefined
    const key = indices.map((i) => `${i}${codings[i].palette ? 'p' : ''}${codings[i].fromBase ? 'b' : ''}`)
    return remembered(cache.streams, `${number}:${key}`, () =>
      encodeStream(
        number,
        indices.map((i) => parts[i]),
        indices.map((i) => codings[i]),
        cache.effort,
      ),
    )
  })
  const pools = [RAW, DEFLATE, MIX].map((method) => {
    const indices = indicesOf(method)
    const raw = concat(indices.map((i) => parts[i].bytes))
    if (raw.length === 0 || method === RAW) return { raw, encoded: raw }
    const make = method === DEFLATE ? deflate : mix
    return { raw, encoded: remembered(cache.pools, `${method}:${indices}`, () => make(raw)) }
  })
  const header: Header = {
    segments: parts.map((part, i) => {
      const { method } = codings[i]
      const segment = streams[method]?.segments.get(part)
      return segment ?? { method, count: part.bytes.length, latents: [], center: 0, first: 0 }
    }),
    streams: streams.map((stream) => stream?.stream),
    pools: [pools[1].encoded.length, pools[2].encoded.length],
  }
  const writer = bitWriter()
  codeHeader(
    writer,
    parts.reduce((sum, part) => sum + part.bytes.length, 0),
    header,
  )
  const coded = writer.finish()
  return {
    bytes: concat([
      varint(coded.length),
      coded,
      ...streams.flatMap((stream) => (stream ? [stream.bytes] : [])),
      ...pools.map((pool) => pool.encoded),
    ]),
    bits: parts.map((part, i) => {
      const stream = streams[codings[i].method]
      if (stream) return stream.bits.get(part) ?? 0
      const pool = pools[codings[i].method - RAW]
      return (8 * pool.encoded.length * part.bytes.length) / pool.raw.length
    }),
    circuits: header.segments.map(circuitOf),
  }
}
