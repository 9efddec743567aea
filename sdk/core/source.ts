/** The one seam for reading: a length, and ranges of bytes. Files, blobs, memory and URLs all fit behind it. */

import { HardpackError } from './errors.ts'

export interface Source {
  readonly byteLength: number
  /**
   * Bytes `[start, end)`; exactly `end - start` of them, or a rejection.
   *
   * @param into as long as that: memory that a source which would have to take some may fill and give back instead
   */
  read(start: number, end: number, signal?: AbortSignal, into?: Uint8Array): Promise<Uint8Array>
}

/** Refuses a range that does not lie within a source. */
export function checkRange(source: { byteLength: number }, start: number, end: number): void {
  if (
    !(
      Number.isSafeInteger(start) &&
      Number.isSafeInteger(end) &&
      0 <= start &&
      start <= end &&
      end <= source.byteLength
    )
  ) {
    throw new HardpackError(
      'INVALID_FORMAT',
      `The file expected a read within its ${source.byteLength} bytes, got ${start} to ${end}.`,
      { hint: 'The file is cut short: fetch it again.' },
    )
  }
}

/** A source over bytes in memory; reads are views. */
export function bytesSource(bytes: Uint8Array): Source {
  const source: Source = {
    byteLength: bytes.length,
    async read(start, end) {
      checkRange(source, start, end)
      return bytes.subarray(start, end)
    },
  }
  return source
}

/** A source over a `Blob` or `File`. */
export function blobSource(blob: Blob): Source {
  const source: Source = {
    byteLength: blob.size,
    async read(start, end) {
      checkRange(source, start, end)
      return new Uint8Array(await blob.slice(start, end).arrayBuffer())
    },
  }
  return source
}
