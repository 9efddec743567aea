/**
 * Opens a package: header, manifest digest, signature, and only then the manifest is parsed. Chunks are read later, one
 * at a time. Every byte of a file is covered, signed or not: the header by its CRC, the manifest by the header's digest,
 * the signature block by its order and validity, each chunk by the manifest's digests, and padding by being zero.
 */

import { type Bytes, equal, HardpackError, type Source, sha256, throwIfAborted, toHex } from '../core/index.ts'
import { HEADER_BYTES, minorOf, parseHeader, VERSION } from './header.ts'
import { layOut } from './layout.ts'
import { type Limits, limitsOf, malformed } from './limits.ts'
import type { Manifest } from './manifest.ts'
import { decodeManifest } from './manifest-codec.ts'
import { checkText } from './scope.ts'
import { checkKey, includesKey, signedMessage, verifyBlock } from './signature.ts'
import { BASE_FEATURE, validateManifest } from './validate.ts'
import { GUARD_FEATURE } from './validate-guard.ts'

export interface ReadOptions {
  /** Ed25519 public keys, 32 bytes each, of which one must have signed the package. */
  trustedKeys?: readonly Uint8Array[]
  /**
   * `signed`, the default, wants a signature by one of `trustedKeys`. `unsigned` also opens a package without any
   * signature, and without `trustedKeys` one that anybody signed.
   */
  trust?: 'signed' | 'unsigned'
  /** Refuse a package whose release is lower. */
  minRelease?: number
  /** Refuse, before it is parsed, a manifest with another SHA-256. */
  manifestDigest?: Uint8Array
  limits?: Partial<Limits>
  /** The critical features that the caller knows. */
  criticalFeatures?: readonly string[]
  signal?: AbortSignal
}

export interface OpenedPackage {
  readonly manifest: Manifest
  /** The minor version of the format that the file is in. */
  readonly minor: number
  /** Offset of each chunk in the file. */
  readonly chunkOffsets: readonly number[]
  /** Keys whose signature is valid; each of them, trusted or not. */
  readonly signers: readonly Uint8Array[]
  /** SHA-256 of the manifest: it names the whole content. */
  readonly manifestDigest: Uint8Array
  /** Bytes of the whole file. */
  readonly byteLength: number
  /** Bytes of each section; they add up to `byteLength`. */
  readonly sections: Readonly<Record<'header' | 'manifest' | 'signatures' | 'chunks' | 'padding', number>>
}

/**
 * Opens a package and checks everything but its chunks.
 *
 * @throws HardpackError `INVALID_FORMAT`, `UNSUPPORTED_VERSION`, `LIMIT_EXCEEDED`, `BASE_MISMATCH`; `UNSIGNED` and `BAD_SIGNATURE` when
 *   the trust that is asked for is not there; `ROLLBACK`; `INVALID_ARGUMENT` for a key or limit that is none;
 *   `ABORTED`; and whatever the source throws.
 * @example
 * const opened = await readPackage(bytesSource(file), { trustedKeys: [publicKey] })
 * const encoded = await readChunk(source, opened, 0)
 */
export async function readPackage(source: Source, options: ReadOptions = {}): Promise<OpenedPackage> {
  const { trustedKeys = [], criticalFeatures = [], minRelease = 0, signal } = options
  const limits = limitsOf(options.limits)
  for (const key of trustedKeys) checkKey(key, 'A trusted key')
  throwIfAborted(signal)

  const headerBytes = await readExactly(source, 0, HEADER_BYTES, signal)
  const header = parseHeader(headerBytes, source.byteLength, limits)
  const headLength = HEADER_BYTES + header.manifestLength + header.signatureLength
  const head = await readExactly(source, HEADER_BYTES, headLength, signal)
  const manifestBytes = head.subarray(0, header.manifestLength)
  if (!equal(await sha256(manifestBytes), header.manifestDigest)) {
    throw malformed('The manifest expected the digest of the header, got another')
  }
  checkIdentity(header.manifestDigest, options.manifestDigest)
  const signers = await verifyBlock(signedMessage(headerBytes, manifestBytes), head.subarray(header.manifestLength))
  checkTrust(signers, trustedKeys, options.trust ?? 'signed')

  const manifest = decodeManifest(manifestBytes, header.minor <= VERSION.minor)
  checkFeatures(manifest, [BASE_FEATURE, GUARD_FEATURE, ...criticalFeatures], limits)
  validateManifest(manifest, limits)
  if (header.minor < minorOf(manifest)) {
    throw malformed(`What the manifest holds expected format 1.${minorOf(manifest)}, got 1.${header.minor}`)
  }
  if (!(manifest.release >= minRelease)) {
    const message = `The package expected release ${minRelease} or later, got ${manifest.release}.`
    throw new HardpackError('ROLLBACK', message, { hint: 'Get the newest release.' })
  }
  const { offsets, end } = layOut(headLength, manifest.chunks)
  if (end !== header.fileLength) throw malformed(`The chunks expected to end at ${header.fileLength}, got ${end}`)
  const chunks = manifest.chunks.reduce((sum, { encodedLength }) => sum + encodedLength, 0)
  return {
    manifest,
    minor: header.minor,
    chunkOffsets: offsets,
    signers,
    manifestDigest: header.manifestDigest,
    byteLength: end,
    sections: {
      header: HEADER_BYTES,
      manifest: header.manifestLength,
      signatures: header.signatureLength,
      chunks,
      padding: end - headLength - chunks,
    },
  }
}

/**
 * The encoded bytes of a chunk, checked against their digest.
 *
 * @param into memory that they may lie in, at least as long
 * @throws HardpackError `CHUNK_CORRUPT` when they are not those of the manifest, `INVALID_ARGUMENT` for an index that is
 *   no chunk, `ABORTED`, and whatever the source throws.
 */
export async function readChunk(
  source: Source,
  opened: OpenedPackage,
  index: number,
  signal?: AbortSignal,
  into?: Bytes,
): Promise<Uint8Array> {
  const { encodedLength, encodedDigest } = chunkAt(opened, index)
  const offset = opened.chunkOffsets[index]
  throwIfAborted(signal)
  const encoded = await readExactly(source, offset, offset + encodedLength, signal, into?.subarray(0, encodedLength))
  await checkDigest(`Chunk ${index}`, encoded, encodedDigest)
  return encoded
}

/**
 * Checks the decoded bytes of a chunk against their digest.
 *
 * @throws HardpackError `CHUNK_CORRUPT`, `INVALID_ARGUMENT` for an index that is no chunk.
 */
export async function verifyRaw(opened: OpenedPackage, index: number, raw: Uint8Array): Promise<void> {
  await checkDigest(`Chunk ${index}, decoded,`, raw, chunkAt(opened, index).rawDigest)
}

/**
 * Checks that the padding in front of each chunk is zero: the only bytes that opening and reading chunks do not look at.
 *
 * @throws HardpackError `INVALID_FORMAT`, `ABORTED`, and whatever the source throws.
 */
export async function checkPadding(source: Source, opened: OpenedPackage, signal?: AbortSignal): Promise<void> {
  const { header, manifest, signatures } = opened.sections
  let end = header + manifest + signatures
  for (const [index, { encodedLength }] of opened.manifest.chunks.entries()) {
    const offset = opened.chunkOffsets[index]
    throwIfAborted(signal)
    const padding = await readExactly(source, end, offset, signal)
    if (padding.some((byte) => byte !== 0))
      throw malformed(`The padding before chunk ${index} expected zeros, got other bytes`)
    end = offset + encodedLength
  }
}

function chunkAt({ manifest: { chunks } }: OpenedPackage, index: number) {
  const chunk = chunks[index]
  if (!chunk)
    throw new HardpackError('INVALID_ARGUMENT', `A chunk expected an index below ${chunks.length}, got ${index}.`)
  return chunk
}

async function checkDigest(what: string, bytes: Uint8Array, expected: Uint8Array): Promise<void> {
  const digest = await sha256(bytes)
  if (equal(digest, expected)) return
  throw corrupt(`${what} expected SHA-256 ${toHex(expected)}, got ${toHex(digest)}`)
}

function corrupt(what: string): HardpackError {
  return new HardpackError('CHUNK_CORRUPT', `${what}.`, { hint: 'The file is damaged: get it again.' })
}

/** A copy, so that what is verified is what is parsed, whatever becomes of the source's memory in between. */
async function readExactly(
  source: Source,
  start: number,
  end: number,
  signal?: AbortSignal,
  into?: Bytes,
): Promise<Bytes> {
  if (end > source.byteLength) throw malformed(`The file expected at least ${end} bytes, got ${source.byteLength}`)
  const bytes = await source.read(start, end, signal, into)
  if (bytes.length !== end - start) {
    throw new HardpackError('IO', `A read expected ${end - start} bytes, got ${bytes.length}.`, { retryable: true })
  }
  if (!into) return new Uint8Array(bytes)
  if (bytes !== into) into.set(bytes)
  return into
}

function checkTrust(
  signers: readonly Uint8Array[],
  trustedKeys: readonly Uint8Array[],
  trust: 'signed' | 'unsigned',
): void {
  if (signers.length === 0) {
    if (trust === 'unsigned') return
    throw new HardpackError('UNSIGNED', 'The package expected a signature, got none.', {
      hint: "Ask its maker for a signed one, or open it with trust: 'unsigned' (on the command line: without --key).",
    })
  }
  if (trustedKeys.length === 0 && trust === 'unsigned') return
  if (signers.some((signer) => includesKey(trustedKeys, signer))) return
  throw new HardpackError(
    'BAD_SIGNATURE',
    `The package expected a signature by one of ${trustedKeys.length} trusted keys, got one by ${signers.map(toHex).join(', ')}.`,
    { hint: 'Give the public key of its publisher as a trusted key.' },
  )
}

function checkIdentity(digest: Uint8Array, expected: Uint8Array | undefined): void {
  if (expected === undefined || equal(digest, expected)) return
  throw new HardpackError(
    'BASE_MISMATCH',
    `The base package expected a manifest with SHA-256 ${toHex(expected)}, got ${toHex(digest)}.`,
    { hint: 'Give the package that this one was packed against: the same file, signed by whomever.' },
  )
}

function checkFeatures({ critical }: Manifest, known: readonly string[], limits: Limits): void {
  for (const feature of critical) {
    checkText('A critical feature', feature, limits)
    if (known.includes(feature)) continue
    throw new HardpackError(
      'UNSUPPORTED_VERSION',
      `The package expected a reader that knows the feature "${feature}", got one that does not.`,
      { hint: 'Install a newer hardpack.' },
    )
  }
}
