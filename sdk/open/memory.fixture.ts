/**
 * The process that `memory.test.ts` measures: decodes a package of one chunk again and again, whose bytes come in memory of
 * their own each time, as from a network. Prints the peak of its resident memory above what it had before, and the length
 * of the weights, in bytes.
 *
 *     node memory.fixture.js <head of the file> <encoded chunk> <threads>
 */

import { existsSync, readFileSync } from 'node:fs'
import { nodeWorkers } from '../../compress/pool/node.ts'
import { readPackage } from '../container/read.ts'
import type { Source } from '../core/index.ts'
import { withDecoder } from './decoder.ts'
import { decodeChunks } from './load.ts'

/** Linux lets a process begin with the peak of the one that started it, except in this file. */
function peak(): number {
  const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : ''
  const [, kibibytes = process.resourceUsage().maxRSS] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? []
  return Number(kibibytes) * 1024
}

const [headPath, chunkPath, threads] = process.argv.slice(2)
const head = new Uint8Array(readFileSync(headPath))
const chunk = new Uint8Array(readFileSync(chunkPath))
const source: Source = {
  byteLength: Number(new DataView(head.buffer, head.byteOffset).getBigUint64(16, true)),
  read: async (start, end) => (start < head.length ? head.slice(start, end) : chunk.slice(0, end - start)),
}
const before = peak()
const opened = await readPackage(source, { trust: 'unsigned' })
const arena = await withDecoder(opened.manifest, { decodeThreads: Number(threads) }, nodeWorkers, (decoder) =>
  decodeChunks(source, opened, decoder),
)
process.stdout.write(JSON.stringify({ peak: peak() - before, raw: arena.bytes.length }))
