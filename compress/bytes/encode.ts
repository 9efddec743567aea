/** Bytes of any kind (graph skeletons, golden tensors) into chunks: the smallest of raw, deflate and mix. */

import { deflateSync } from 'fflate'
import { type CallOptions, throwIfAborted } from '../../sdk/core/index.ts'
import { CODECS, type EncodedChunk } from '../types.ts'

/** The largest raw chunk that this encoder makes. */
const CHUNK_LENGTH = 1 << 20

/** A raw deflate stream (RFC 1951) at the highest level; the same bytes on every machine. */
export function deflate(bytes: Uint8Array): Uint8Array {
  return deflateSync(bytes, { level: 9, mem: 8 })
}

function encodeChunk(raw: Uint8Array): EncodedChunk {
  const deflated = deflate(raw)
  return deflated.length < raw.length
    ? { codec: CODECS.deflate, rawLength: raw.length, bytes: deflated }
    : { codec: CODECS.raw, rawLength: raw.length, bytes: raw.slice() }
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
    options.onProgress?.({ stage: 'encode bytes', done: Math.min(bytes.length, start + CHUNK_LENGTH), total: bytes.length })
  }
  return chunks
}
