/** Keys on the command line: a key's text itself, or a file that holds it. */

import { existsSync } from 'node:fs'
import { parseKey } from '../container/keys.ts'
import { HardpackError } from '../core/index.ts'
import { readWhole } from '../pack/file.ts'

/** The public key of `--key`. */
export async function publicKeyArgument(value: string): Promise<Uint8Array> {
  const text = /^[0-9a-f]{64}$/i.test(value) ? `hardpack-public-key:${value}` : value
  if (existsSync(value)) return parseKey('public', new TextDecoder().decode(await readWhole(value)))
  if (/^hardpack-/.test(text)) return parseKey('public', text)
  throw new HardpackError('INVALID_ARGUMENT', `--key expected a public key or a file with one, got "${value}".`, {
    hint: 'Check the path, or give the text that `hardpack keygen` printed.',
  })
}

/** The secret key of `--key`, from a file only: a command line can be read by others on the machine. */
export async function secretKeyFile(path: string): Promise<Uint8Array> {
  return parseKey('secret', new TextDecoder().decode(await readWhole(path)).trim())
}
