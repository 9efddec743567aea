/** What a file takes when it is compressed by those that servers and browsers already have. */

import { brotliCompressSync, constants, gzipSync } from 'node:zlib'

/** Bytes of a file after `gzip -9`, and after `brotli -11` with its largest standard window. */
export function generalSizes(file: Uint8Array): { gzip: number; brotli: number } {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: file.length,
  }
  return { gzip: gzipSync(file, { level: 9 }).length, brotli: brotliCompressSync(file, { params }).length }
}
