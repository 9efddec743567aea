/**
 * `npm test`: set up what is missing, check format and lint, then run every test; those of `compress/` with their branches
 * counted, and beside them all the fuzzer, a minute a target. With words, only the test files whose path contains them.
 * Tests are listed from the sources, since a compiled test of a source that is gone may still lie in dist.
 */

import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setup } from './setup.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const ROOMS = ['sdk', 'compress', 'detectors', 'targets', 'e2e']
const COUNTED = join('dist', 'compress')

/** Starts a script of this project's own with this Node. */
function start(args, stdio, env = {}) {
  return spawn(process.execPath, args, { cwd: ROOT, stdio, env: { ...process.env, ...env } })
}

/** The exit code of a script that was started. */
function statusOf(child) {
  return new Promise((resolve) => child.on('close', (code) => resolve(code ?? 1)))
}

/** Runs a script, and ends this process when it fails. */
async function run(what, args, env = {}) {
  process.stderr.write(`hardpack: ${what}\n`)
  const status = await statusOf(start(args, 'inherit', env))
  if (status !== 0) process.exit(status)
}

/** Fuzzes in the background; the result says what it printed once it has ended. */
function fuzz() {
  const child = start(['dist/e2e/fuzz/main.js'], ['ignore', 'pipe', 'inherit'])
  process.on('exit', () => child.kill())
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  return statusOf(child).then((status) => ({ status, output }))
}

const words = process.argv.slice(2)
const tests = ROOMS.flatMap((room) => readdirSync(join(ROOT, room), { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
  .map((entry) =>
    join('dist', relative(ROOT, join(entry.parentPath ?? entry.path, entry.name))).replace(/\.ts$/, '.js'),
  )
  .filter((path) => words.every((word) => path.includes(word)))
  .sort()

if (tests.length === 0) {
  process.stderr.write(`hardpack: expected words of a test file's path, got ${words.join(' ')}.\n`)
  process.exit(2)
}

const { chromium, firefox } = await setup({ chromium: true, firefox: true })
await run('checking format and lint …', ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings'])
const env = {
  ...(chromium ? { HARDPACK_CHROMIUM: chromium } : {}),
  ...(firefox ? { HARDPACK_FIREFOX: firefox } : {}),
}
const reporter = ['--test', '--test-reporter=spec']
if (words.length > 0) await run(`running ${tests.length} test files …`, [...reporter, ...tests], env)
else {
  const fuzzing = fuzz()
  const counted = tests.filter((path) => path.startsWith(COUNTED))
  const others = tests.filter((path) => !path.startsWith(COUNTED))
  await run(`running ${counted.length} test files of compress/ …`, ['dist/e2e/coverage/main.js', ...counted], env)
  await run(`running ${others.length} test files …`, [...reporter, ...others], env)
  process.stderr.write('hardpack: waiting for the fuzzer, a minute a target …\n')
  const { status, output } = await fuzzing
  process.stdout.write(output)
  process.exitCode = status
}
