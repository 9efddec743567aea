/** Writes a package. The same manifest, chunks and keys give the same bytes: Ed25519 signatures are deterministic too. */

import { type Bytes, concat, sha256 } from '../core/index.ts'
import { encodeHeader, HEADER_BYTES, minorOf } from './header.ts'
import { layOut } from './layout.ts'
import { checkLimit, DEFAULT_LIMITS } from './limits.ts'
import type { ChunkEntry, ChunkRange, Manifest } from './manifest.ts'
import { encodeManifest } from './manifest-codec.ts'
import { SIGNATURE_BYTES, signBlock, signedMessage } from './signature.ts'
import { validateManifest } from './validate.ts'

/** A chunk to write. */
export interface ChunkInput {
  readonly codec: number
  readonly rawLength: number
  /** The encoded bytes: at least one, and no more than `rawLength`. */
  readonly bytes: Uint8Array
  /** SHA-256 of the decoded bytes. */
  readonly rawDigest: Uint8Array
  /** Ranges of chunks of the base package: as many bytes as `rawLength`. */
  readonly base?: readonly ChunkRange[]
}

/**
 * The bytes of a package. What a reader with default limits refuses is refused here too.
 *
 * @param secretKeys Ed25519 secret keys of 32 bytes; without one the package is unsigned
 * @throws HardpackError `INVALID_FORMAT` when the manifest breaks a rule of the format, `LIMIT_EXCEEDED`,
 *   `INVALID_ARGUMENT` for a value that cannot be written.
 * @example
 * const file = await writePackage(manifest, chunks, { secretKeys: [secretKey] })
 */
export async function writePackage(
  manifest: Omit<Manifest, 'chunks'>,
  chunks: readonly ChunkInput[],
  { secretKeys = [] }: { secretKeys?: readonly Uint8Array[] } = {},
): Promise<Bytes> {
  const entries: ChunkEntry[] = []
  for (const { codec, rawLength, bytes, rawDigest, base = [] } of chunks) {
    entries.push({ codec, encodedLength: bytes.length, rawLength, encodedDigest: await sha256(bytes), rawDigest, base })
  }
  const whole: Manifest = { ...manifest, chunks: entries }
  const manifestBytes = encodeManifest(whole)
  checkLimit(DEFAULT_LIMITS, 'manifestBytes', 'The manifest length', manifestBytes.length)
  checkLimit(DEFAULT_LIMITS, 'signatures', 'The number of signatures', secretKeys.length)
  validateManifest(whole, DEFAULT_LIMITS)

  const signatureLength = secretKeys.length * SIGNATURE_BYTES
  const { offsets, end } = layOut(HEADER_BYTES + manifestBytes.length + signatureLength, entries)
  const header = encodeHeader({
    minor: minorOf(manifest),
    fileLength: end,
    manifestLength: manifestBytes.length,
    signatureLength,
    manifestDigest: await sha256(manifestBytes),
  })
  const head = concat([header, manifestBytes, await signBlock(signedMessage(header, manifestBytes), secretKeys)])
  const file = new Uint8Array(end)
  file.set(head)
  for (const [index, { bytes }] of chunks.entries()) file.set(bytes, offsets[index])
  return file
}
