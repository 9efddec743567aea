/** hardpack in Node: what the browser entry has, and paths of files. */

import { type OpenOptions, open as openInput, type PackageInput } from './open/open.ts'
import { fileSource } from './pack/file.ts'
import type { Model } from './run/model.ts'

export * from './index.ts'

/**
 * Opens a package; a string that is not an http address is the path of a file. Otherwise as in the browser.
 *
 * @example
 * const model = await open('model.hpk', { targets: [node()], trustedKeys: ['6f1d…'] })
 */
export async function open(input: PackageInput, options: OpenOptions): Promise<Model> {
  if (typeof input !== 'string' || /^https?:/i.test(input)) return openInput(input, options)
  const source = await fileSource(input)
  return openInput(source, options).finally(() => source.close())
}
