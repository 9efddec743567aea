import assert from 'node:assert/strict'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { contractSuite } from './contract.ts'
import { node } from './node.ts'
import type { Target } from './types.ts'
import { wasm } from './wasm-node.ts'

const targets: Record<string, Target> = { 'onnxruntime-node': node({ threads: 1 }), 'onnxruntime-web in Node': wasm() }

for (const [name, target] of Object.entries(targets)) {
  test(`${name} keeps the contract`, async (t) => {
    for (const { check, status, reason } of await contractSuite({ target })) {
      await t.test(check, (t) => (status === 'skip' ? t.skip(reason) : assert.equal(status, 'pass', reason)))
    }
  })
}

test('threads are a positive integer', () => {
  for (const threads of [0, -1, 1.5, Number.NaN]) {
    assert.throws(() => node({ threads }), { code: 'INVALID_ARGUMENT', message: /got/ })
  }
})

test('without its package a target says in one sentence what to install', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'hardpack-'))
  try {
    // Compiled code as it is, in a place from which no node_modules can be seen.
    const dist = fileURLToPath(new URL('..', import.meta.url))
    await writeFile(join(directory, 'package.json'), '{"type":"module"}')
    for (const folder of ['targets', 'sdk/core'])
      await cp(join(dist, folder), join(directory, folder), { recursive: true })
    for (const [file, name, make] of [
      ['node', 'onnxruntime-node', 'node'],
      ['wasm-node', 'onnxruntime-web', 'wasm'],
    ] as const) {
      const { [make]: target } = (await import(pathToFileURL(join(directory, 'targets', `${file}.js`)).href)) as {
        [key: string]: () => Target
      }
      const { available, reason } = await target!().probe()
      assert.equal(available, false)
      assert.match(reason ?? '', new RegExp(`^Target \\w+ expected the package ${name}.*npm install ${name}`))
      await assert.rejects(target!().create({ model: new Uint8Array() }), { code: 'TARGET_UNAVAILABLE' })
    }
  } finally {
    await rm(directory, { recursive: true })
  }
})
