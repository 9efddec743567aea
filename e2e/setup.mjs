/**
 * Makes a fresh clone ready: dependencies from the lock file, a build, a Chromium for the browser checks, and for the tests
 * a Firefox as a second engine. Each step is skipped when its result is already there, so that `npm run demo` and `npm test` can call it every time. Plain
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

/**
 * The first of these files that is a browser and starts.
 *
 * @param {readonly string[]} paths
 */
async function firstThatStarts(paths) {
  for (const path of paths) {
    if ((await stat(path).catch(() => undefined))?.isFile() && (await starts(path))) return path
  }
  return undefined
}

/**
 * Where programs of these names may be.
 *
 * @param {readonly string[]} names
 */
function onPath(names) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  return names.flatMap((name) => folders.map((folder) => join(folder, name)))
}

async function installedChromium() {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
  const playwright = await import('playwright-core')
  return firstThatStarts(['/usr/bin/chromium', ...onPath(names), playwright.chromium.executablePath()])
}

async function installedFirefox() {
  return firstThatStarts(['/usr/bin/firefox-esr', ...onPath(['firefox-esr', 'firefox'])])
}

/** Whether packages of the system can be installed. */
async function mayInstall() {
  return process.getuid?.() === 0 && (await stat('/usr/bin/apt-get').catch(() => undefined)) !== undefined
}

/**
 * A way to install a browser: its name, and the commands.
 *
 * @typedef {{ name: string, commands: [string, ...string[]][] }} Way
 */

/**
 * @param {string} name of the system's package
 * @returns {Way}
 */
function fromSystem(name) {
  const packages = ['install', '-y', '--no-install-recommends', name]
  return {
    name: "the system's",
    commands: [
      ['apt-get', 'update'],
      ['apt-get', ...packages],
    ],
  }
}

/**
 * The ways to install a Chromium here, best first: as root from the system's packages, else Playwright's download, which
 * needs libraries of the system that only root can add.
 *
 * @returns {Promise<Way[]>}
 */
async function waysToChromium() {
  const playwright = ['node_modules/playwright-core/cli.js', 'install', 'chromium', '--no-shell']
  if (!(await mayInstall())) return [{ name: "Playwright's", commands: [[process.execPath, ...playwright]] }]
  const withLibraries = [process.execPath, ...playwright, '--with-deps']
  return [fromSystem('chromium'), { name: "Playwright's", commands: [/** @type {[string]} */ (withLibraries)] }]
}

/** @returns {Promise<Way[]>} */
async function waysToFirefox() {
  return (await mayInstall()) ? [fromSystem('firefox-esr')] : []
}

/**
 * Finds a browser, or installs it.
 *
 * @param {{ name: string, variable: string, installed: () => Promise<string | undefined>, ways: () => Promise<Way[]> }} browser
 * @returns {Promise<{ path?: string, reason?: string }>} Its path, or in one sentence why there is none.
 */
async function findBrowser({ name, variable, installed, ways }) {
  const chosen = process.env[variable]
  if (chosen) {
    if (await starts(chosen)) return { path: chosen }
    return { reason: `${variable} expected the path of a ${name} that starts, got ${chosen}. Correct or unset it.` }
  }
  let path = await installed()
  if (path) return { path }
  const failures = []
  for (const way of await ways()) {
    say(`installing a ${name} for the browser checks, ${way.name} (up to three minutes) …`)
    for (const [program, ...args] of way.commands) {
      const options = { minutes: INSTALL_MINUTES, env: { DEBIAN_FRONTEND: 'noninteractive' } }
      const { failure, output } = await run(program, args, options)
      if (!failure) continue
      const lines = output.trim().split('\n')
      failures.push(
        `${way.name}: ${failure}, saying "${lines.findLast((line) => /^E(:|rror)/.test(line)) ?? lines.at(-1)}"`,
      )
      break
    }
    path = await installed()
    if (path) return { path }
  }
  return {
    reason:
      `No ${name} was found that starts, and none could be installed (${failures.join('; ') || 'only root can'}). ` +
      `Install it, or set ${variable} to its path; until then its checks are skipped.`,
  }
}

const CHROMIUM = {
  name: 'Chromium',
  variable: 'HARDPACK_CHROMIUM',
  installed: installedChromium,
  ways: waysToChromium,
}
const FIREFOX = { name: 'Firefox', variable: 'HARDPACK_FIREFOX', installed: installedFirefox, ways: waysToFirefox }

/**
 * Brings the clone up to date: installs, builds and, when asked, finds or installs browsers.
 *
 * @param {{ chromium?: boolean, firefox?: boolean }} wanted
 * @returns {Promise<{ chromium?: string, firefox?: string }>} The paths of browsers that start; why one is missing is said
 *   on stderr.
 * @throws {Error} when the install or the build fails: one sentence, then what the program that failed had to say.
 * @example
 * const { chromium } = await setup({ chromium: true })
 */
export async function setup(wanted) {
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
    throw new Error(
      `hardpack expected Node ${OLDEST_NODE} or newer, got ${process.versions.node}. Install a newer Node.`,
    )
  }
  await installDependencies()
  await build()
  const find = async (/** @type {boolean | undefined} */ isWanted, /** @type {typeof CHROMIUM} */ browser) => {
    if (!isWanted) return undefined
    const { path, reason } = await findBrowser(browser)
    if (reason) say(reason)
    return path
  }
  return { chromium: await find(wanted.chromium, CHROMIUM), firefox: await find(wanted.firefox, FIREFOX) }
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const { chromium } = await setup({ chromium: true })
    say(chromium ? `ready, with ${chromium}.` : 'ready, without a browser.')
  } catch (error) {
    say(error instanceof Error ? error.message : String(error))
    process.exitCode = 1
  }
}
