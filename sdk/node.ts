/** hardpack in Node: what the browser entry has, and paths of files. */

import { fileURLToPath } from 'node:url'
import { nodeWorkers } from '../compress/pool/node.ts'
import { type OpenOptions, openWith, type PackageInput } from './open/open.ts'
import { type FileSource, fileSource } from './pack/file.ts'
import type { Model } from './run/model.ts'

export * from './index.ts'

/**
 * Opens a package; a string that is not an http address is the path of a file, and so is a `file:` URL. Otherwise as in
 * the browser.
 *
 * @example
 * const model = await open(new URL('model.hpk', import.meta.url), { targets: [node()], trustedKeys: ['6f1d…'] })
 */
export async function open(input: PackageInput, options: OpenOptions): Promise<Model> {
  const files: FileSource[] = []
  const sourceOf = async (given: PackageInput): Promise<PackageInput> => {
    const path = pathOf(given)
    if (path === undefined) return given
    const file = await fileSource(path)
    files.push(file)
    return file
  }
  try {
    const base = options?.base
    const opened = async () => sourceOf(typeof base === 'function' ? await base() : (base as PackageInput))
    const withBase = base === undefined ? options : { ...options, base: opened }
    return await openWith(nodeWorkers, await sourceOf(input), withBase)
  } finally {
    for (const file of files) await file.close()
  }
}

function pathOf(input: PackageInput): string | undefined {
  const isUrl = input instanceof URL
  if (!isUrl && typeof input !== 'string') return undefined
  const text = String(input)
  if (/^file:/i.test(text)) return fileURLToPath(text)
  return isUrl || /^https?:/i.test(text) ? undefined : text
}
