/**
 * `npm run coverage`: runs the tests of `compress/` and counts the branches that they take; fails with them, or below 95 %.
 *
 *     node dist/e2e/coverage/main.js [test files]
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FOLDER, filesOfRoom, type Hits, isCounted, ROOM, readHits } from './hits.ts'
import { instrument } from './instrument.ts'

const LEAST_PERCENT = 95
const REGISTER = new URL('register.js', import.meta.url).href

interface Counted {
  readonly path: string
  readonly arms: number
  readonly taken: number
  /** Lines of the compiled module with a way that no test took. */
  readonly missing: readonly number[]
}

function countOf(path: string, hits: Hits): Counted {
  const { arms } = instrument(readFileSync(new URL(path, ROOM), 'utf8'), path, '__own', 0)
  const missed = arms.filter(({ counter }) => !hits[path]?.[counter])
  return {
    path,
    arms: arms.length,
    taken: arms.length - missed.length,
    missing: [...new Set(missed.map(({ line }) => line))],
  }
}

function report(hits: Hits): boolean {
  const files = filesOfRoom()
    .filter(isCounted)
    .map((path) => countOf(path, hits))
  for (const { path, arms, taken, missing } of files) {
    if (taken === arms) continue
    const lines = readFileSync(new URL(path, ROOM), 'utf8').split('\n')
    process.stdout.write(`  compress/${path}: ${taken} of ${arms} branches\n`)
    for (const line of missing) process.stdout.write(`    ${line}: ${lines[line - 1].trim()}\n`)
  }
  const arms = files.reduce((sum, file) => sum + file.arms, 0)
  const taken = files.reduce((sum, file) => sum + file.taken, 0)
  const percent = (100 * taken) / arms
  process.stdout.write(`compress/: ${taken} of ${arms} branches (${percent.toFixed(1)} %) are taken by its tests\n`)
  if (percent < LEAST_PERCENT) process.stdout.write(`expected at least ${LEAST_PERCENT} %\n`)
  return percent >= LEAST_PERCENT
}

const given = process.argv.slice(2)
const own = filesOfRoom().filter((path) => path.endsWith('.test.js'))
const tests = given.length > 0 ? given : own.map((path) => fileURLToPath(new URL(path, ROOM)))
const folder = mkdtempSync(join(tmpdir(), 'hardpack-coverage-'))
try {
  const args = ['--import', REGISTER, '--test', '--test-reporter=spec', ...tests]
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', env: { ...process.env, [FOLDER]: folder } })
  process.exitCode = status === 0 && report(readHits(folder)) ? 0 : status || 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}
