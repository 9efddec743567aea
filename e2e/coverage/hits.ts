/** Where tests leave their counts: a folder, with a file for each process and thread that has loaded an instrumented module. */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The environment variable that names the folder. */
export const FOLDER = 'HARDPACK_COVERAGE'
/** The compiled room whose branches are counted, as a URL. */
export const ROOM = new URL('../../compress/', import.meta.url).href

/** Counts by the path of a module in the room. */
export type Hits = Record<string, Uint32Array>

/** Whether branches of this file of the room are counted: not those of tests, nor of what only tests use, nor of what runs on no Node. */
export function isCounted(path: string): boolean {
  return path.endsWith('.js') && !/\.(test|generated)\.js$|^(vectors|webgpu)\//.test(path)
}

/** The compiled files of the room, without those whose source is gone. */
export function filesOfRoom(): string[] {
  const sources = new URL('../../../compress/', import.meta.url)
  return (readdirSync(fileURLToPath(ROOM), { recursive: true }) as string[])
    .filter((path) => path.endsWith('.js') && existsSync(new URL(path.replace(/\.js$/, '.ts'), sources)))
    .sort()
}

/** The sum of what all processes and threads have left in a folder. */
export function readHits(folder: string): Hits {
  const sum: Hits = {}
  for (const file of readdirSync(folder)) {
    const own = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, number[]>
    for (const [path, counts] of Object.entries(own)) {
      sum[path] ??= new Uint32Array(counts.length)
      for (const [i, count] of counts.entries()) sum[path][i] += count
    }
  }
  return sum
}
