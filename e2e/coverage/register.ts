/**
 * Counts branches in this process and its worker threads: `node --import <this file> --test …`. The counts are written
 * when a thread ends by itself.
 */

import { writeFileSync } from 'node:fs'
import { register } from 'node:module'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { FOLDER, type Hits } from './hits.ts'

const hits: Hits = {}
Object.assign(globalThis, { __hits: hits })
register('./loader.js', import.meta.url)

process.on('exit', () => {
  const folder = process.env[FOLDER]
  if (folder === undefined || Object.keys(hits).length === 0) return
  const counts = Object.fromEntries(Object.entries(hits).map(([path, own]) => [path, [...own]]))
  writeFileSync(join(folder, `${process.pid}-${threadId}.json`), JSON.stringify(counts))
})
