/** Which decoder a package gets: one in this thread, or several in threads of their own where they pay. */

import { bestDecoder } from '../../compress/decode.ts'
import type { Workers } from '../../compress/pool/pool.ts'
import type { Decoder } from '../../compress/types.ts'
import type { Manifest } from '../container/manifest.ts'
import { HardpackError } from '../core/index.ts'

export interface ThreadOptions {
  /**
   * How many threads decode, while the download goes on; 0 and 1 mean the calling thread. Without it, a package has one
   * for each 160 MiB of weights, at most four, and at most one fewer than there are processors: a small package is
   * decoded before threads have started, and each takes memory.
   */
  decodeThreads?: number
}

/** A thread takes about 13 MB in Node; all of decoding shall take at most a fifth more than the weights, and 32 MB. */
const BYTES_PER_THREAD = 160 * 1024 * 1024
const MOST_THREADS = 4
/** More are never of use: the calling thread cannot check that many chunks. */
const MAX_THREADS = 64

/**
 * Calls `use` with a decoder, and ends the decoder's threads after that, whatever became of it.
 *
 * @param workers how threads are started here; without it there are none
 * @throws HardpackError `INVALID_ARGUMENT` for `decodeThreads` that is no whole number, and whatever `use` throws.
 */
export async function withDecoder<T>(
  manifest: Manifest,
  options: ThreadOptions,
  workers: Workers | undefined,
  use: (decoder: Decoder) => Promise<T>,
): Promise<T> {
  const threads = threadsOf(manifest, options, workers)
  if (!workers || threads < 2) return use(await bestDecoder())
  // A page that never decodes in threads need not load it.
  const { DecoderPool } = await import('../../compress/pool/pool.ts')
  const pool = new DecoderPool(workers, threads)
  try {
    return await use(pool)
  } finally {
    pool.close()
  }
}

function threadsOf({ chunks }: Manifest, { decodeThreads }: ThreadOptions, workers: Workers | undefined): number {
  if (decodeThreads === undefined) {
    const bytes = chunks.reduce((sum, { rawLength }) => sum + rawLength, 0)
    return Math.min(Math.floor(bytes / BYTES_PER_THREAD), MOST_THREADS, (workers?.cores() ?? 1) - 1)
  }
  if (Number.isSafeInteger(decodeThreads) && decodeThreads >= 0) {
    return Math.min(decodeThreads, MAX_THREADS, chunks.length)
  }
  throw new HardpackError('INVALID_ARGUMENT', `decodeThreads expected a whole number, got ${decodeThreads}.`, {
    hint: 'Give 0 to decode in the calling thread.',
  })
}
