/**
 * Reads, checks and decodes the chunks of a package while they arrive: each lane takes the next chunk from its first byte
 * to its last check, then another. There is one lane more than the decoder has threads, so that a chunk is on its way while
 * others are decoded, and no more than that is in memory at once.
 */

import type { Decoder } from '../../compress/types.ts'
import { type OpenedPackage, readChunk, verifyRaw } from '../container/read.ts'
import { type CallOptions, type Source, throwIfAborted } from '../core/index.ts'

/** Where the bytes of chunks go, and what they were encoded against. */
export interface ChunkPlaces {
  /** Memory for a chunk that is about to be decoded, as long as the manifest says. */
  memoryFor(chunk: number): Uint8Array
  /** `undefined` for a chunk without a base. */
  baseFor(chunk: number): Promise<Uint8Array | undefined>
  /** Takes a chunk that was decoded and checked. */
  settle(chunk: number, raw: Uint8Array): void
}

/**
 * Decodes every chunk to its place. The first that fails ends it all, and what is still being read is cancelled.
 *
 * @throws HardpackError `CHUNK_CORRUPT` when a digest differs before or after decode, `ABORTED`, and whatever the source
 *   throws.
 */
export async function decodeInto(
  places: ChunkPlaces,
  source: Source,
  opened: OpenedPackage,
  decoder: Decoder,
  { signal, onProgress }: CallOptions = {},
): Promise<void> {
  const { chunks } = opened.manifest
  const total = chunks.reduce((sum, { rawLength }) => sum + rawLength, 0)
  const longest = chunks.reduce((most, { encodedLength }) => Math.max(most, encodedLength), 0)
  const stop = new AbortController()
  const aborted = new Promise<void>((resolve) => {
    signal?.addEventListener('abort', () => resolve(), { once: true, signal: stop.signal })
  }).then(() => throwIfAborted(signal))
  let next = 0
  let done = 0

  const lane = async (): Promise<void> => {
    // One for all its chunks: engines free what is allocated outside their heap late, tens of megabytes of it.
    const memory = new Uint8Array(longest)
    while (next < chunks.length) {
      const index = next++
      const encoded = await readChunk(source, opened, index, stop.signal, memory)
      throwIfAborted(stop.signal)
      const base = await places.baseFor(index)
      const raw = places.memoryFor(index)
      await decoder.decode(chunks[index].codec, encoded, raw, base)
      await verifyRaw(opened, index, raw)
      throwIfAborted(stop.signal)
      places.settle(index, raw)
      done += raw.length
      onProgress?.({ stage: 'decode', done, total })
    }
  }

  try {
    throwIfAborted(signal)
    onProgress?.({ stage: 'decode', done, total })
    const lanes = Math.min(chunks.length, (decoder.threads ?? 1) + 1)
    await Promise.race([Promise.all(Array.from({ length: lanes }, lane)), aborted])
  } finally {
    stop.abort()
  }
}
