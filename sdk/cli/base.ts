/** `--base` on the command line: the package that another one was packed against. */

import type { Source } from '../core/index.ts'
import { fileSource } from '../pack/file.ts'
import { type Arguments, text } from './command.ts'

export const BASE_OPTION = { base: { type: 'string' } } as const

/** What `--base` is where a package is read, for the help of a command. */
export const BASE_HELP = '--base FILE         the package that this one was packed against, where it needs one'

/** Calls `use` with the package that `--base` names, and closes it afterwards. */
export async function withBase<T>(args: Arguments, use: (base: Source | undefined) => Promise<T>): Promise<T> {
  const path = text(args, 'base')
  if (path === undefined) return use(undefined)
  const source = await fileSource(path)
  return use(source).finally(() => source.close())
}
