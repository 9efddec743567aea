/**
 * The first 64 bytes of a package, little endian:
 *
 *     0  magic 89 48 50 4B 0D 0A 1A 0A     16  u64 file length
 *     8  u16 major version                 24  u32 manifest length
 *    10  u16 minor version                 28  u32 signature block length
 *    12  u32 CRC-32C, taken with 0 here    32  SHA-256 of the manifest
 *
 * The magic is PNG's idea: its first byte is no text, and its line ends and end-of-file byte show a transfer that took
 * the file for text. The first 16 bytes mean the same in every version, so any reader can name the version it lacks.
 */

import { type Bytes, crc32c, equal, HardpackError, viewOf } from '../core/index.ts'
import { checkLimit, type Limits, malformed } from './limits.ts'
import type { Manifest } from './manifest.ts'
import { SIGNATURE_BYTES } from './signature.ts'

export const HEADER_BYTES = 64

/** The newest version that is fully understood. */
export const VERSION = { major: 1, minor: 2 } as const

/** The oldest minor version that has what a manifest uses: 1 brought base packages, 2 the guard. A package is written as it. */
export function minorOf({ base, guard }: Pick<Manifest, 'base' | 'guard'>): number {
  return guard ? 2 : base ? 1 : 0
}

const MAGIC = Uint8Array.of(0x89, 0x48, 0x50, 0x4b, 0x0d, 0x0a, 0x1a, 0x0a)
const CRC_AT = 12
const DIGEST_AT = 32

export interface Header {
  readonly minor: number
  /** Length of the whole file in bytes. */
  readonly fileLength: number
  readonly manifestLength: number
  readonly signatureLength: number
  /** SHA-256 of the manifest. */
  readonly manifestDigest: Uint8Array
}

/** The 64 bytes of a header. */
export function encodeHeader(header: Header): Bytes {
  const bytes = new Uint8Array(HEADER_BYTES)
  const view = viewOf(bytes)
  bytes.set(MAGIC)
  view.setUint16(8, VERSION.major, true)
  view.setUint16(10, header.minor, true)
  view.setBigUint64(16, BigInt(header.fileLength), true)
  view.setUint32(24, header.manifestLength, true)
  view.setUint32(28, header.signatureLength, true)
  bytes.set(header.manifestDigest, DIGEST_AT)
  view.setUint32(CRC_AT, crc32c(bytes), true)
  return bytes
}

/**
 * Reads a header and checks it against the length of the file and the limits, before anything else is read.
 *
 * @param bytes the first 64 bytes of the file
 * @param byteLength length of the whole file
 * @throws HardpackError `INVALID_FORMAT` for a file of another kind, damaged or cut short; `UNSUPPORTED_VERSION` for
 *   another major version; `LIMIT_EXCEEDED`.
 */
export function parseHeader(bytes: Uint8Array, byteLength: number, limits: Limits): Header {
  if (!equal(bytes.subarray(0, MAGIC.length), MAGIC)) {
    throw new HardpackError('INVALID_FORMAT', 'The file expected to begin as a hardpack package, got something else.', {
      hint: 'Make a package of an ONNX model with `hardpack pack`.',
    })
  }
  const view = viewOf(bytes)
  const unsealed = new Uint8Array(bytes)
  viewOf(unsealed).setUint32(CRC_AT, 0, true)
  if (crc32c(unsealed) !== view.getUint32(CRC_AT, true))
    throw malformed('The header expected its checksum, got another')
  const major = view.getUint16(8, true)
  const minor = view.getUint16(10, true)
  if (major !== VERSION.major) {
    throw new HardpackError(
      'UNSUPPORTED_VERSION',
      `The package expected a reader of format ${major}.${minor}, got one of format ${VERSION.major}.`,
      { hint: `Install a hardpack that reads format ${major}.` },
    )
  }
  const fileLength = view.getBigUint64(16, true)
  if (fileLength !== BigInt(byteLength)) throw malformed(`The file expected ${fileLength} bytes, got ${byteLength}`)
  const manifestLength = view.getUint32(24, true)
  const signatureLength = view.getUint32(28, true)
  checkLimit(limits, 'manifestBytes', 'The manifest length', manifestLength)
  checkLimit(limits, 'signatures', 'The number of signatures', signatureLength / SIGNATURE_BYTES)
  if (signatureLength % SIGNATURE_BYTES !== 0) {
    throw malformed(`The signature block expected a multiple of ${SIGNATURE_BYTES} bytes, got ${signatureLength}`)
  }
  return { minor, fileLength: byteLength, manifestLength, signatureLength, manifestDigest: bytes.slice(DIGEST_AT) }
}
