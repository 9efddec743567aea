/** Node's module loader, instrumenting the modules of the room on their way in. */

import { readFile } from 'node:fs/promises'
import type { LoadHook } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isCounted, ROOM } from './hits.ts'
import { instrument } from './instrument.ts'

export const load: LoadHook = async (url, context, nextLoad) => {
  const path = url.slice(ROOM.length)
  if (!url.startsWith(ROOM) || !isCounted(path)) return nextLoad(url, context)
  const { code, counters } = instrument(await readFile(fileURLToPath(url), 'utf8'), path, '__own', 0)
  const source = `const __own = globalThis.__hits[${JSON.stringify(path)}] ??= new Uint32Array(${counters});${code}`
  return { format: 'module', source, shortCircuit: true }
}
