/** The repository as its next reader finds it: errors documented, no trace of the machine it was made on, nothing left to do. */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ERROR_CODES } from '../sdk/core/index.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
const THIS = 'e2e/package.test.ts'
const text = (path: string): Promise<string> => readFile(join(REPOSITORY, path), 'utf8')

/** What git tracks; `undefined` where there is no git, as in an archive of the sources. */
function trackedFiles(): string[] | undefined {
  try {
    const list = execFileSync('git', ['ls-files', '-z'], { cwd: REPOSITORY, stdio: ['ignore', 'pipe', 'ignore'] })
    return list.toString().split('\0').filter(Boolean)
  } catch {
    return undefined
  }
}

const tracked = trackedFiles()
const skip = tracked === undefined && 'git does not list the files here'

/** Every line of a tracked file that matches, as `path:line: text`. Binary files too: an exporter may leave a path in a model. */
async function linesWith(pattern: RegExp): Promise<string[]> {
  const found: string[] = []
  for (const path of tracked ?? []) {
    if (path === THIS) continue
    const contents = await text(path).catch(() => '') // Deleted in the working tree.
    for (const [index, line] of contents.split('\n').entries()) {
      if (pattern.test(line)) found.push(`${path}:${index + 1}: ${line.trim().slice(0, 200)}`)
    }
  }
  return found
}

test('every error code has a section in errors.md, in order, and every section is a code', async () => {
  const sections = [...(await text('sdk/docs/errors.md')).matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
  assert.deepEqual(sections, [...ERROR_CODES])
})

test('no file names a path of one machine', { skip }, async () => {
  const paths =
    /(?<![\w.@/-])\/(?:work|root|home|Users|opt|mnt|private|usr\/local)\/|(?<![\w./-])\/(?:work|root|home)\b(?!\/)|\b[A-Z]:\\Users/
  for (const path of ['/work/main', 'see /root/x', '"/home/me/model.onnx"', '/usr/local/bin/node'])
    assert.match(path, paths)
  for (const path of ['/usr/bin/chromium', 'models/home/x', './work/x', 'a/root/b']) assert.doesNotMatch(path, paths)
  assert.deepEqual(await linesWith(paths), [])
})

test('no file names a registry, and the lock file holds no address to fetch from', { skip }, async () => {
  const registries = /registry\.(?:npmjs|yarnpkg)\.|npmmirror|registry=|artifactory|jfrog|\bpypi\.|files\.pythonhosted/i
  assert.match('https://registry.npmjs.org/fflate', registries)
  assert.deepEqual(await linesWith(registries), [])
  const { packages } = JSON.parse(await text('package-lock.json'))
  const entries: [string, { resolved?: string; integrity?: string; version?: string; link?: boolean }][] =
    Object.entries(packages)
  assert.ok(entries.length > 10)
  assert.deepEqual(
    entries.filter(([, { resolved }]) => resolved !== undefined),
    [],
  )
  const unpinned = entries.filter(
    ([path, { integrity, version, link }]) => path !== '' && !link && !(integrity && version),
  )
  assert.deepEqual(unpinned, [], 'every package is pinned by version and digest')
})

test('nothing is left to do, and no check is switched off', { skip }, async () => {
  assert.deepEqual(await linesWith(/\b(?:TODO|FIXME)\b/), [])
  const switches = await linesWith(/@ts-ignore|@ts-nocheck|biome-ignore|eslint-disable/)
  // AssemblyScript is not TypeScript: an editor that takes it for it does not know its decorators.
  assert.deepEqual(
    switches.filter((line) => !line.includes('/assembly/')),
    [],
  )
})

test('library code prints nothing', { skip }, async () => {
  const library = (tracked ?? []).filter(
    (path) =>
      /^(?:sdk|compress|detectors|targets)\/.*\.ts$/.test(path) &&
      !/\.test\.ts$|\.fixture\.ts$|\/assembly\/|^sdk\/cli\//.test(path),
  )
  assert.ok(library.length > 50)
  for (const path of library) {
    assert.doesNotMatch(await text(path).catch(() => ''), /\bconsole\.\w+\(|process\.std(?:out|err)\.write/, path)
  }
})
