/** Which packages an app opens: whose signature, from which release on, and how large. */

import { parseKey } from '../container/keys.ts'
import type { Limits } from '../container/limits.ts'
import type { ReadOptions } from '../container/read.ts'
import { type CallOptions, fromHex, HardpackError } from '../core/index.ts'

export interface TrustOptions {
  /**
   * Ed25519 public keys, of which one must have signed the package: 32 bytes, 64 hexadecimal digits, or the line that
   * `hardpack keygen` printed.
   */
  trustedKeys?: readonly (Uint8Array | string)[]
  /** `unsigned` also opens a package without a signature. Default: `signed`. */
  trust?: 'signed' | 'unsigned'
  /** Refuse a package whose release is lower. */
  minRelease?: number
  limits?: Partial<Limits>
}

/**
 * Trust options in the form that the container takes.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for a key that is none.
 */
export function readOptions({
  trustedKeys,
  trust,
  minRelease,
  limits,
  signal,
}: TrustOptions & CallOptions): ReadOptions {
  return { trustedKeys: trustedKeys?.map(publicKey), trust, minRelease, limits, signal }
}

function publicKey(key: Uint8Array | string): Uint8Array {
  if (typeof key === 'string' && key.startsWith('hardpack-')) return parseKey('public', key)
  const bytes = typeof key === 'string' ? fromHex(key) : key
  if (bytes instanceof Uint8Array && bytes.length === 32) return bytes
  throw new HardpackError(
    'INVALID_ARGUMENT',
    'A trusted key expected 32 bytes or 64 hexadecimal digits, got something else.',
    { hint: 'Give the public key that `hardpack keygen` printed.' },
  )
}
