import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { checkOutput, fileSource, readWhole, writeWhole } from './file.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
})
after(() => rm(folder, { recursive: true, force: true }))

test('a file is read by ranges, and a read past its end is refused', async () => {
  const path = join(folder, 'ten')
  await writeFile(
    path,
    Uint8Array.from({ length: 10 }, (_, i) => i),
  )
  const source = await fileSource(path)
  assert.equal(source.byteLength, 10)
  assert.deepEqual([...(await source.read(3, 6))], [3, 4, 5])
  await assert.rejects(source.read(8, 11), { code: 'INVALID_FORMAT' })
  await source.close()
})

test('a file that shrinks while it is open is an error, not zeros', async () => {
  const path = join(folder, 'shrinks')
  await writeFile(path, new Uint8Array(100))
  const source = await fileSource(path)
  await writeFile(path, new Uint8Array(10))
  await assert.rejects(source.read(0, 100), { code: 'IO' })
  await source.close()
})

test('writing replaces a file whole, and leaves nothing else behind', async () => {
  const inner = await mkdtemp(join(folder, 'write-'))
  await writeWhole(join(inner, 'a'), 'old')
  await writeWhole(join(inner, 'a'), 'new')
  assert.equal(await readFile(join(inner, 'a'), 'utf8'), 'new')
  await assert.rejects(writeWhole(join(inner, 'missing', 'a'), 'x'), {
    code: 'IO',
    message: /missing.*ENOENT.*Create its folder/,
  })
  await assert.rejects(writeWhole(inner, 'x'), { code: 'IO' })
  assert.deepEqual(await readdir(inner), ['a'])
})

test('a missing file and a folder are IO errors that name the path', async () => {
  for (const call of [readWhole, fileSource]) {
    await assert.rejects(call(join(folder, 'absent')), { code: 'IO', message: /absent.*ENOENT/ })
    await assert.rejects(call(folder), { code: 'IO' })
  }
})

test('a pipe or device is written to, not replaced by a file', async (t) => {
  const pipe = join(folder, 'pipe')
  const { error, status } = spawnSync('mkfifo', [pipe])
  if (error || status !== 0) return t.skip('no mkfifo on this system')
  await checkOutput(pipe, join(folder, 'ten'))
  const [text] = await Promise.all([readFile(pipe, 'utf8'), writeWhole(pipe, 'through')])
  assert.equal(text, 'through')
  assert.ok((await stat(pipe)).isFIFO())
})
