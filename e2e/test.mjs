/**
 * `npm test`: set up what is missing, check format and lint, then run every test. Tests are listed from the sources, since
 * a compiled test of a source that is gone may still lie in dist.
 */

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setup } from './setup.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const ROOMS = ['sdk', 'compress', 'detectors', 'targets', 'e2e']

/** Runs a script of this project's own with this Node; ends the process when it fails. */
function run(what, args, env = {}) {
  process.stderr.write(`hardpack: ${what}\n`)
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } })
  if (status !== 0) process.exit(status ?? 1)
}

const tests = ROOMS.flatMap((room) => readdirSync(join(ROOT, room), { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
  .map((entry) =>
    join('dist', relative(ROOT, join(entry.parentPath ?? entry.path, entry.name))).replace(/\.ts$/, '.js'),
  )
  .filter((path) => process.argv.slice(2).every((word) => path.includes(word)))
  .sort()

if (tests.length === 0) {
  process.stderr.write(`hardpack: expected words of a test file's path, got ${process.argv.slice(2).join(' ')}.\n`)
  process.exit(2)
}

const { chromium } = await setup({ browser: true })
run('checking format and lint …', ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings'])
run(
  `running ${tests.length} test files …`,
  ['--test', '--test-reporter=spec', ...tests],
  chromium ? { HARDPACK_CHROMIUM: chromium } : {},
)
