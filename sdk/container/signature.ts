/**
 * Ed25519 signatures (RFC 8032) over a package. What is signed is a domain prefix, the whole header and the manifest;
 * the manifest holds the digests of every chunk, so a signature covers every byte that is ever used. The header holds
 * the length of the signature block, so signatures cannot be added or taken away without signing again.
 *
 * A signature block is a list of entries, public key (32 bytes) and signature (64 bytes), ascending by public key.
 * Keys in it only say which key to try: trust comes from the keys that the app gives.
 */

import { getPublicKeyAsync, signAsync, verifyAsync } from '@noble/ed25519'
import { type Bytes, concat, equal, HardpackError, toHex } from '../core/index.ts'
import { malformed } from './limits.ts'

const KEY_BYTES = 32
/** Bytes of one entry of the signature block. */
export const SIGNATURE_BYTES = 96

const DOMAIN = /* @__PURE__ */ new TextEncoder().encode('hardpack package v1\0')

/** Refuses what is not a 32-byte key. */
export function checkKey(key: Uint8Array, what: string): void {
  if (!(key instanceof Uint8Array) || key.length !== KEY_BYTES) {
    throw new HardpackError('INVALID_ARGUMENT', `${what} expected ${KEY_BYTES} bytes, got ${key?.length}.`, {
      hint: 'Make a key pair with `hardpack keygen`.',
    })
  }
}

/** The public key of a 32-byte secret key. */
export async function publicKeyOf(secretKey: Uint8Array): Promise<Bytes> {
  checkKey(secretKey, 'A secret key')
  return Uint8Array.from(await getPublicKeyAsync(secretKey))
}

/** What a signature of a package signs. */
export function signedMessage(header: Uint8Array, manifest: Uint8Array): Bytes {
  return concat([DOMAIN, header, manifest])
}

/**
 * The signature block of a message: one entry for each secret key.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for a key of a wrong length, or the same key twice.
 */
export async function signBlock(message: Uint8Array, secretKeys: readonly Uint8Array[]): Promise<Bytes> {
  const entries: Uint8Array[] = []
  for (const secretKey of secretKeys) {
    const publicKey = await publicKeyOf(secretKey)
    entries.push(concat([publicKey, await signAsync(message, secretKey)]))
  }
  entries.sort(compareKeys)
  for (let i = 1; i < entries.length; i++) {
    if (compareKeys(entries[i - 1], entries[i]) === 0) {
      throw new HardpackError('INVALID_ARGUMENT', 'The secret keys expected to differ, got the same one twice.')
    }
  }
  return concat(entries)
}

/**
 * The public keys of a signature block, each of whose signatures of the message is valid.
 *
 * @param block a multiple of 96 bytes
 * @throws HardpackError `BAD_SIGNATURE` when any signature is not valid, `INVALID_FORMAT` for entries out of order.
 */
export async function verifyBlock(message: Uint8Array, block: Uint8Array): Promise<Bytes[]> {
  const signers: Bytes[] = []
  for (let at = 0; at < block.length; at += SIGNATURE_BYTES) {
    const publicKey = new Uint8Array(block.subarray(at, at + KEY_BYTES))
    const previous = signers.at(-1)
    if (previous && compareKeys(previous, publicKey) >= 0) {
      throw malformed('The signature block expected ascending public keys, got them in another order')
    }
    const signature = block.subarray(at + KEY_BYTES, at + SIGNATURE_BYTES)
    // Strict RFC 8032: ZIP 215, noble's default, also takes other encodings of the same point and keys of small order.
    if (!(await verifyAsync(signature, message, publicKey, { zip215: false }))) {
      throw new HardpackError(
        'BAD_SIGNATURE',
        `The signature of key ${toHex(publicKey)} expected to be valid, got one that is not.`,
        { hint: 'The file was changed after it was signed: get it again from its publisher.' },
      )
    }
    signers.push(publicKey)
  }
  return signers
}

/** Whether one of `keys` is `key`. */
export function includesKey(keys: readonly Uint8Array[], key: Uint8Array): boolean {
  return keys.some((other) => equal(other, key))
}

function compareKeys(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < KEY_BYTES; i++) if (a[i] !== b[i]) return a[i] - b[i]
  return 0
}
