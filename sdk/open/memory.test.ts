/** What opening a package takes of memory, measured in a process of its own. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readPackage } from '../container/read.ts'
import { bytesSource } from '../core/index.ts'
import { packageOf, weightsChunk } from './chunks.fixture.ts'

const FIXTURE = fileURLToPath(new URL('./memory.fixture.js', import.meta.url))
const MEGABYTE = 1_000_000

for (const [chunks, threads] of [
  [120, 0],
  [320, 2],
] as const) {
  test(`decoding ${chunks} MiB in ${threads > 0 ? `${threads} threads` : 'this thread'} takes at most 1.2 times that and 32 MB`, async (t) => {
    const { chunk } = await weightsChunk(4096, 1)
    assert.equal(chunk.rawLength, 1 << 20)
    const file = await packageOf(Array.from({ length: chunks }, () => chunk))
    const { chunkOffsets } = await readPackage(bytesSource(file), { trust: 'unsigned' })
    const folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
    try {
      const paths = [join(folder, 'head'), join(folder, 'chunk')]
      await writeFile(paths[0], file.subarray(0, chunkOffsets[0]))
      await writeFile(paths[1], chunk.bytes)
      const { stdout } = await promisify(execFile)(process.execPath, [FIXTURE, ...paths, String(threads)])
      const { peak, raw } = JSON.parse(stdout) as { peak: number; raw: number }
      assert.equal(raw, chunks << 20)
      const over = ((peak - raw) / MEGABYTE).toFixed(1)
      const allowed = 1.2 * raw + 32 * MEGABYTE
      t.diagnostic(`${over} MB over the weights, of ${((allowed - raw) / MEGABYTE).toFixed(1)} MB`)
      assert.ok(peak > raw, `${peak} bytes: the measurement did not see the weights`)
      assert.ok(peak <= allowed, `${peak} bytes of ${allowed}`)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
}
