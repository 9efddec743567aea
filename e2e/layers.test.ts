/**
 * The arrows of the architecture: an import against them does not compile. The compiler is run on a copy of the frame, all
 * tsconfig.json files as they are, with one small source in each room in place of the real ones.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))

/** Rooms by layer: an import goes to a lower layer, never to the same one. */
const LAYERS: Readonly<Record<string, number>> = {
  'sdk/core': 0,
  'sdk/onnx': 1,
  compress: 2,
  detectors: 2,
  targets: 2,
  sdk: 3,
  e2e: 4,
}
const ROOMS = Object.keys(LAYERS)

let frame = ''

before(async () => {
  frame = await mkdtemp(join(tmpdir(), 'hardpack-'))
  await symlink(join(REPOSITORY, 'node_modules'), join(frame, 'node_modules'), 'junction')
  for (const file of ['package.json', 'tsconfig.json']) await copyFile(join(REPOSITORY, file), join(frame, file))
  for (const room of ROOMS) {
    await mkdir(join(frame, room), { recursive: true })
    await copyFile(join(REPOSITORY, room, 'tsconfig.json'), join(frame, room, 'tsconfig.json'))
    await writeFile(join(frame, room, 'room.ts'), `export const room = '${room}'\n`)
  }
})

after(() => rm(frame, { recursive: true, force: true }))

const references = async (folder: string): Promise<string[]> => {
  const { references } = JSON.parse(await readFile(join(REPOSITORY, folder, 'tsconfig.json'), 'utf8'))
  return references.map(({ path }: { path: string }) => join(folder, path).replaceAll('\\', '/'))
}

const probeName = (to: string): string => `imports-${to.replace('/', '-')}.ts`

/** Compiles a room that holds one source for each room that it imports. */
async function compile(
  from: string,
  imported: readonly string[],
): Promise<{ status: number | null; errors: string[] }> {
  const probes = imported.map((to) => ({ path: join(frame, from, probeName(to)), to }))
  for (const { path, to } of probes) {
    const room = relative(join(frame, from), join(frame, to, 'room.ts')).replaceAll('\\', '/')
    await writeFile(
      path,
      `import { room } from '${room.startsWith('.') ? room : `./${room}`}'\n\nexport const name: string = room\n`,
    )
  }
  const compiler = join(REPOSITORY, 'node_modules/typescript/bin/tsc')
  const { status, stdout } = spawnSync(process.execPath, [compiler, '-b', from, '--pretty', 'false'], {
    cwd: frame,
    encoding: 'utf8',
  })
  for (const { path } of probes) await rm(path)
  return { status, errors: stdout.split('\n').filter((line) => /error TS\d+/.test(line)) }
}

test('the frame has these rooms, and every reference points down', async () => {
  assert.deepEqual((await references('.')).sort(), [...ROOMS].sort())
  for (const room of ROOMS) {
    for (const below of await references(room)) {
      assert.ok(LAYERS[below] < LAYERS[room], `${room} refers to ${below}`)
    }
  }
})

for (const from of ROOMS) {
  test(`${from} compiles with imports of the rooms that it refers to`, async () => {
    assert.deepEqual(await compile(from, await references(from)), { status: 0, errors: [] })
  })

  const forbidden = ROOMS.filter((to) => to !== from && LAYERS[to] >= LAYERS[from])
  if (forbidden.length === 0) continue
  test(`${from} does not compile with an import of ${forbidden.join(', ')}`, async () => {
    const { status, errors } = await compile(from, forbidden)
    assert.notEqual(status, 0)
    for (const to of forbidden) {
      // TS6059: outside rootDir. TS6307: not in this project, nor in one that it refers to.
      const named = errors.filter((line) => line.includes(probeName(to)) || line.includes(`${to}/room.ts`))
      assert.ok(
        named.some((line) => /TS6059|TS6307/.test(line)),
        `expected an error that names ${to}, got ${errors.join('\n')}`,
      )
    }
  })
}

test('no room goes around the arrows by importing hardpack under its own name', async () => {
  const own = /^(?!\s*\*).*\b(?:from\s+|import\s*\(\s*|import\s+)['"]hardpack['"/]/m
  assert.match("import { open } from 'hardpack'", own)
  assert.match("} from 'hardpack/pack'", own)
  assert.match("await import('hardpack')", own)
  for (const top of new Set(ROOMS.map((room) => room.split('/')[0]).filter((top) => top !== 'e2e'))) {
    for (const file of await readdir(join(REPOSITORY, top), { recursive: true })) {
      if (!file.endsWith('.ts')) continue
      assert.doesNotMatch(await readFile(join(REPOSITORY, top, file), 'utf8'), own, join(top, file))
    }
  }
})
