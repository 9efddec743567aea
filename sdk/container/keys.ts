/** Keys as text, for files and command lines: `hardpack-public-key:` or `hardpack-secret-key:` and 64 hexadecimal digits. */

import { keygenAsync } from '@noble/ed25519'
import { type Bytes, fromHex, HardpackError, toHex } from '../core/index.ts'
import { checkKey } from './signature.ts'

export interface KeyPair {
  /** 32 bytes: the seed of RFC 8032. */
  readonly secretKey: Bytes
  /** 32 bytes. */
  readonly publicKey: Bytes
}

type KeyKind = 'public' | 'secret'

/** A new key pair from the system's random numbers. */
export async function generateKeyPair(): Promise<KeyPair> {
  const { secretKey, publicKey } = await keygenAsync()
  return { secretKey: Uint8Array.from(secretKey), publicKey: Uint8Array.from(publicKey) }
}

/**
 * A key as one line of text, without a line end.
 *
 * @throws HardpackError `INVALID_ARGUMENT` when the key is not 32 bytes long.
 * @example
 * formatKey('public', publicKey) // hardpack-public-key:d75a98…
 */
export function formatKey(kind: KeyKind, key: Uint8Array): string {
  checkKey(key, `A ${kind} key`)
  return `hardpack-${kind}-key:${toHex(key)}`
}

/**
 * The key of one line of text; white space around it is left out. The text is never part of an error message: it may
 * be a secret.
 *
 * @throws HardpackError `INVALID_ARGUMENT` when the text is not a key of this kind.
 * @example
 * parseKey('public', await readFile('model.pub', 'utf8'))
 */
export function parseKey(kind: KeyKind, text: string): Bytes {
  const [, found, hex] = /^hardpack-(public|secret)-key:([0-9a-fA-F]{64})$/.exec(text.trim()) ?? []
  if (found === undefined) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `A ${kind} key expected the text hardpack-${kind}-key: and 64 hexadecimal digits, got something else.`,
      { hint: 'Make a key pair with `hardpack keygen`.' },
    )
  }
  if (found !== kind) {
    throw new HardpackError('INVALID_ARGUMENT', `A ${kind} key expected hardpack-${kind}-key:, got a ${found} key.`, {
      hint:
        kind === 'secret' ? 'Sign with the secret key.' : 'Give the public key, and keep the secret one to yourself.',
    })
  }
  return fromHex(hex) as Bytes
}
