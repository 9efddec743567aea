/** Keys on the command line: a key's text itself, or a file that holds it. */

import { existsSync } from 'node:fs'
import { parseKey } from '../container/keys.ts'
import { HardpackError } from '../core/index.ts'
import type { TrustOptions } from '../open/trust.ts'
import { readWhole } from '../pack/file.ts'
import { type Arguments, text } from './command.ts'

/** What `--key` is where a package is read, for the help of a command. */
export const KEY_HELP = '--key KEY           a public key, or a file with one, that must have signed the package'

/** The trust that `--key` asks for; without it also an unsigned package is read. */
export async function trustArgument(args: Arguments): Promise<TrustOptions> {
  const key = text(args, 'key')
  return key === undefined ? { trust: 'unsigned' } : { trustedKeys: [await publicKeyArgument(key)] }
}

async function publicKeyArgument(value: string): Promise<Uint8Array | string> {
  if (existsSync(value)) return parseKey('public', new TextDecoder().decode(await readWhole(value)))
  if (/^(hardpack-.*|[0-9a-f]{64})$/i.test(value)) return value
  throw new HardpackError('INVALID_ARGUMENT', `--key expected a public key or a file with one, got "${value}".`, {
    hint: 'Check the path, or give the text that `hardpack keygen` printed.',
  })
}

/** The secret key of `--key`, from a file only: a command line can be read by others on the machine. */
export async function secretKeyFile(path: string): Promise<Uint8Array> {
  return parseKey('secret', new TextDecoder().decode(await readWhole(path)))
}
