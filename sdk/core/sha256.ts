/** SHA-256 (FIPS 180-4) by WebCrypto: native speed in every engine. Digests are per chunk, so no streaming is needed. */

import type { Bytes } from './bytes.ts'
import { HardpackError } from './errors.ts'

/**
 * SHA-256 of `bytes`, 32 bytes long.
 *
 * @throws HardpackError `TARGET_UNAVAILABLE` where WebCrypto is missing (a page served over plain http).
 * @example
 * toHex(await sha256(new Uint8Array())) // e3b0c44298fc1c14…
 */
export async function sha256(bytes: Uint8Array): Promise<Bytes> {
  const subtle = globalThis.crypto?.subtle
  if (!subtle) {
    throw new HardpackError('TARGET_UNAVAILABLE', 'SHA-256 expected WebCrypto, got a page without it.', {
      hint: 'Serve the page over https or from localhost.',
    })
  }
  return new Uint8Array(await subtle.digest('SHA-256', bytes as Bytes))
}
