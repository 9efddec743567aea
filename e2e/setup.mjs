/**
 * Makes a fresh clone ready: dependencies from the lock file, a build, and a Chromium for the browser checks. Each step
 * is skipped when its result is already there, so that `npm run demo` and `npm test` can call it every time. Plain
 * JavaScript without dependencies, because it runs before anything is installed or compiled. Progress goes to stderr.
 *
 *     node e2e/setup.mjs
 */

import { spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const OLDEST_NODE = 20
const INSTALL_MINUTES = 15
const BUILD_MINUTES = 5
const SHOWN_LINES = 10

/** @param {string} line */
const say = (line) => process.stderr.write(`hardpack: ${line}\n`)

/**
 * The first and the last lines of what a program printed: npm says what is wrong first, compilers and apt say it last.
 *
 * @param {string} output
 */
function excerpt(output) {
  const lines = output.trim().split('\n')
  if (lines.length <= 2 * SHOWN_LINES) return lines.join('\n')
  return [...lines.slice(0, SHOWN_LINES), '…', ...lines.slice(-SHOWN_LINES)].join('\n')
}

/**
 * Runs a program to its end, in the repository. Never rejects: `failure` says in a few words why it did not succeed.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ minutes: number, env?: Record<string, string>, shell?: boolean }} options
 * @returns {Promise<{ failure?: string, output: string }>} `output`: what it printed, on stdout and stderr.
 */
function run(program, args, { minutes, env = {}, shell = false }) {
  return new Promise((resolve) => {
    let output = ''
    const keep = (/** @type {string} */ text) => {
      output += text
    }
    const done = (/** @type {string | undefined} */ failure) => resolve({ failure, output })
    const child = spawn(program, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      shell,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: minutes * 60_000,
    })
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', keep)
    child.on('error', (error) => done(`${program} could not be started (${error.message})`))
    child.on('close', (code, signal) => {
      if (code === 0) done(undefined)
      else done(signal ? `it was ended by ${signal} (it has ${minutes} minutes)` : `it ended with exit code ${code}`)
    })
  })
}

/** Whether node_modules holds every package of the lock file, by what npm itself wrote down when it installed them. */
async function dependenciesAreCurrent() {
  const packagesOf = async (/** @type {string} */ file) =>
    JSON.parse(await readFile(join(ROOT, file), 'utf8')).packages ?? {}
  const locked = await packagesOf('package-lock.json')
  const installed = await packagesOf('node_modules/.package-lock.json').catch(() => ({}))
  return Object.entries(locked).every(([path, { version, integrity, optional }]) => {
    if (path === '') return true
    const found = installed[path]
    return found ? found.version === version && found.integrity === integrity : optional === true
  })
}

async function installDependencies() {
  if (await dependenciesAreCurrent()) return
  say('installing dependencies (about 30 s) …')
  // Every option that an outer `npm run -s` or NODE_ENV=production would pass down is stated again. No install script is
  // needed: the binaries of esbuild, Biome and TypeScript are packages, and that of onnxruntime-node would fetch CUDA.
  const args = ['ci', '--ignore-scripts', '--include=dev', '--include=optional', '--no-audit', '--no-fund']
  const options = { minutes: INSTALL_MINUTES, env: { ONNXRUNTIME_NODE_INSTALL: 'skip', npm_config_loglevel: 'error' } }
  const npm = process.env.npm_execpath
  const { failure, output } = npm?.endsWith('npm-cli.js')
    ? await run(process.execPath, [npm, ...args], options)
    : await run('npm', args, { ...options, shell: process.platform === 'win32' })
  if (failure) {
    throw new Error(`npm ci failed: ${failure}. Mend what it names below, then run this again.\n${excerpt(output)}`)
  }
}

/**
 * When a file of the repository was last changed; `undefined` when it is not there.
 *
 * @param {string} file
 */
async function modifiedAt(file) {
  return (await stat(join(ROOT, file)).catch(() => undefined))?.mtimeMs
}

/** The kernel of the decoder is compiled again when its sources, or the compiler that npm installed, are newer. */
async function kernelIsCurrent() {
  const built = await modifiedAt('compress/coder/kernel.generated.ts')
  if (built === undefined) return false
  const assembly = await readdir(join(ROOT, 'compress/coder/assembly'))
  const sources = assembly.map((name) => `compress/coder/assembly/${name}`)
  sources.push('compress/coder/build-kernel.mjs', 'node_modules/.package-lock.json')
  const times = await Promise.all(sources.map(modifiedAt))
  return times.every((time) => time !== undefined && time <= built)
}

async function build() {
  say('building what has changed …')
  const steps = [['node_modules/typescript/bin/tsc', '-b']]
  if (!(await kernelIsCurrent())) steps.unshift(['compress/coder/build-kernel.mjs'])
  for (const step of steps) {
    const { failure, output } = await run(process.execPath, step, { minutes: BUILD_MINUTES })
    if (failure)
      throw new Error(`The build step "node ${step.join(' ')}" failed: ${failure}. It said:\n${excerpt(output)}`)
  }
}

/**
 * Whether a browser answers. Being there is not enough: Ubuntu's `chromium-browser` is a note about a snap, and
 * Playwright's Chromium lacks its libraries on a bare system.
 *
 * @param {string} path
 */
async function starts(path) {
  const { failure, output } = await run(path, ['--version'], { minutes: 1 })
  return !failure && /\d+\.\d+\.\d+/.test(output)
}

/** @returns {Promise<string | undefined>} */
async function installedChromium() {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
  const onPath = names.flatMap((name) => folders.map((folder) => join(folder, name)))
  const playwright = await import('playwright-core')
  for (const path of ['/usr/bin/chromium', ...onPath, playwright.chromium.executablePath()]) {
    if ((await stat(path).catch(() => undefined))?.isFile() && (await starts(path))) return path
  }
  return undefined
}

/**
 * The ways to install a Chromium here, best first: as root from the system's packages, else Playwright's download, which
 * needs libraries of the system that only root can add.
 *
 * @returns {Promise<{ name: string, commands: [string, ...string[]][] }[]>}
 */
async function waysToInstall() {
  const playwright = ['node_modules/playwright-core/cli.js', 'install', 'chromium', '--no-shell']
  const apt = process.getuid?.() === 0 && (await stat('/usr/bin/apt-get').catch(() => undefined)) !== undefined
  if (!apt) return [{ name: "Playwright's", commands: [[process.execPath, ...playwright]] }]
  const packages = ['install', '-y', '--no-install-recommends', 'chromium']
  return [
    {
      name: "the system's",
      commands: [
        ['apt-get', 'update'],
        ['apt-get', ...packages],
      ],
    },
    { name: "Playwright's", commands: [[process.execPath, ...playwright, '--with-deps']] },
  ]
}

/** @returns {Promise<{ chromium?: string, reason?: string }>} */
async function findChromium() {
  const chosen = process.env.HARDPACK_CHROMIUM
  if (chosen) {
    if (await starts(chosen)) return { chromium: chosen }
    return {
      reason: `HARDPACK_CHROMIUM expected the path of a Chromium that starts, got ${chosen}. Correct or unset it.`,
    }
  }
  let chromium = await installedChromium()
  if (chromium) return { chromium }
  const failures = []
  for (const { name, commands } of await waysToInstall()) {
    say(`installing a Chromium for the browser checks, ${name} (one to three minutes) …`)
    for (const [program, ...args] of commands) {
      const options = { minutes: INSTALL_MINUTES, env: { DEBIAN_FRONTEND: 'noninteractive' } }
      const { failure, output } = await run(program, args, options)
      if (!failure) continue
      const lines = output.trim().split('\n')
      failures.push(
        `${name}: ${failure}, saying "${lines.findLast((line) => /^E(:|rror)/.test(line)) ?? lines.at(-1)}"`,
      )
      break
    }
    chromium = await installedChromium()
    if (chromium) return { chromium }
  }
  return {
    reason:
      `No Chromium was found that starts, and none could be installed (${failures.join('; ')}). ` +
      'Install Chromium or Chrome, or set HARDPACK_CHROMIUM to its path; until then browser checks are skipped.',
  }
}

/**
 * Brings the clone up to date: installs, builds and, when asked, finds or installs a Chromium.
 *
 * @param {{ browser: boolean }} options
 * @returns {Promise<{ chromium?: string, reason?: string }>} The path of a Chromium that starts, or in one sentence why
 *   there is none; neither when no browser was asked for.
 * @throws {Error} when the install or the build fails: one sentence, then what the program that failed had to say.
 * @example
 * const { chromium, reason } = await setup({ browser: true })
 */
export async function setup({ browser }) {
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
    throw new Error(
      `hardpack expected Node ${OLDEST_NODE} or newer, got ${process.versions.node}. Install a newer Node.`,
    )
  }
  await installDependencies()
  await build()
  if (!browser) return {}
  const result = await findChromium()
  if (result.reason) say(result.reason)
  return result
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const { chromium } = await setup({ browser: true })
    say(chromium ? `ready, with ${chromium}.` : 'ready, without a browser.')
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
  }
}
