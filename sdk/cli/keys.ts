/** Keys on the command line: a key's text itself, or a file that holds it. */

import { existsSync } from 'node:fs'
import { parseKey } from '../container/keys.ts'
import { readWhole } from '../pack/file.ts'

/** The public key of `--key`. */
export async function publicKeyArgument(value: string): Promise<Uint8Array> {
  return parseKey('public', await textOf(value))
}

/** The secret key of `--key`, from a file only: a command line can be read by others on the machine. */
export async function secretKeyFile(path: string): Promise<Uint8Array> {
  return parseKey('secret', new TextDecoder().decode(await readWhole(path)).trim())
}

async function textOf(value: string): Promise<string> {
  const isFile = existsSync(value) || !/^(hardpack-public-key:)?[0-9a-f]{64}$/i.test(value)
  return isFile ? new TextDecoder().decode(await readWhole(value)).trim() : value
}
