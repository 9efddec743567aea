/** Bytes of any kind (graph skeletons, golden tensors) into chunks: the smallest of raw, deflate and mix. */

import { deflateSync } from 'fflate'
import { type CallOptions, throwIfAborted } from '../../sdk/core/index.ts'
import { bitWriter } from '../coder/bit-writer.ts'
import { CODECS, type EncodedChunk } from '../types.ts'
import { codeMixed, MAX_MIXED } from './mix.ts'

/** The largest raw chunk that this encoder makes. */
const CHUNK_LENGTH = 1 << 20

/** A raw deflate stream (RFC 1951) at the highest level; the same bytes on every machine. */
export function deflate(bytes: Uint8Array): Uint8Array {
  return deflateSync(bytes, { level: 9, mem: 12 })
}

/** What `codeMixed` makes of the bytes. */
export function mix(bytes: Uint8Array): Uint8Array {
  const writer = bitWriter()
  codeMixed(writer, bytes.slice())
  return writer.finish()
}

function encodeChunk(raw: Uint8Array): EncodedChunk {
  const candidates: EncodedChunk[] = [
    { codec: CODECS.raw, rawLength: raw.length, bytes: raw.slice() },
    { codec: CODECS.deflate, rawLength: raw.length, bytes: deflate(raw) },
  ]
  if (raw.length <= MAX_MIXED) candidates.push({ codec: CODECS.mix, rawLength: raw.length, bytes: mix(raw) })
  return candidates.reduce((best, next) => (next.bytes.length < best.bytes.length ? next : best))
}

/**
 * Encodes `bytes` into chunks of at most 1 MiB raw each; no bytes, no chunks.
 *
 * @throws HardpackError `ABORTED`.
 * @example
 * const chunks = await encodeBytes(skeleton)
 */
export async function encodeBytes(bytes: Uint8Array, options: CallOptions = {}): Promise<EncodedChunk[]> {
  const chunks: EncodedChunk[] = []
  for (let start = 0; start < bytes.length; start += CHUNK_LENGTH) {
    await new Promise((resolve) => setTimeout(resolve))
    throwIfAborted(options.signal)
    chunks.push(encodeChunk(bytes.subarray(start, start + CHUNK_LENGTH)))
    options.onProgress?.({
      stage: 'encode bytes',
      done: Math.min(bytes.length, start + CHUNK_LENGTH),
      total: bytes.length,
    })
  }
  return chunks
}
