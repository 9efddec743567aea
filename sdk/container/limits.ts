/**
 * How much a package may ask for. Every limit is checked before anything of that size is allocated or multiplied, so a
 * hostile file costs at most what an app allows. An app may lower a limit (a phone) or raise one (a server).
 */

import { HardpackError } from '../core/index.ts'

export interface Limits {
  /** Bytes of the manifest. */
  readonly manifestBytes: number
  readonly signatures: number
  readonly chunks: number
  /** Decoded bytes of one chunk. Encoded bytes are never more than decoded ones. */
  readonly chunkBytes: number
  /** Decoded bytes of all chunks; and, apart from that, bytes of all graphs and golden inputs put together from them. */
  readonly modelBytes: number
  /** Weights of all graphs. */
  readonly tensors: number
  /** Dimensions of a shape. */
  readonly rank: number
  /** UTF-8 bytes of one name. */
  readonly nameBytes: number
}

export const DEFAULT_LIMITS: Limits = {
  manifestBytes: 1 << 20,
  signatures: 16,
  chunks: 65_536,
  chunkBytes: 4 << 20,
  modelBytes: 2 ** 31 - 65_536,
  tensors: 16_384,
  rank: 8,
  nameBytes: 256,
}

/**
 * The default limits with an app's own in their place.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for a limit that is not a non-negative safe integer.
 * @example
 * limitsOf({ modelBytes: 64 << 20 }).chunks // 65536
 */
export function limitsOf(own: Partial<Limits> = {}): Limits {
  const limits: { -readonly [Key in keyof Limits]: number } = { ...DEFAULT_LIMITS }
  for (const key of Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]) {
    const value = own[key] ?? DEFAULT_LIMITS[key]
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new HardpackError(
        'INVALID_ARGUMENT',
        `Limit ${key} expected a whole number from 0 to 2^53 - 1, got ${value}.`,
      )
    }
    limits[key] = value
  }
  return limits
}

/** Throws `LIMIT_EXCEEDED` unless `value` is at most the limit. */
export function checkLimit(limits: Limits, key: keyof Limits, what: string, value: number): void {
  // Not `value > limit`: a NaN must not pass.
  if (value <= limits[key]) return
  throw new HardpackError('LIMIT_EXCEEDED', `${what} expected at most ${limits[key]}, got ${value}.`, {
    hint: `An app that trusts the file may raise limits.${key}.`,
  })
}

/** What every check of a package throws when the file breaks a rule of the format. */
export function malformed(what: string): HardpackError {
  return new HardpackError('INVALID_FORMAT', `${what}.`, { hint: 'The file is damaged or no package: get it again.' })
}
