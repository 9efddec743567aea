import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { makeGraph, makeModel, makeNode, makeValue, writeModel } from '../onnx/index.ts'
import { pack } from '../pack/pack.ts'

const CLI = fileURLToPath(new URL('main.js', import.meta.url))

let folder = ''
let path = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
  path = join(folder, 'ids.hpk')
  const graph = makeGraph('ids', {
    nodes: [makeNode('Identity', ['ids'], ['same'])],
    inputs: [makeValue('ids', 'int64', ['n'])],
    outputs: [makeValue('same', 'int64', ['n'])],
  })
  const ids = { dtype: 'int64', shape: [2], data: BigInt64Array.of(123_457n, 2n ** 60n + 1n) } as const
  const { bytes } = await pack(writeModel(makeModel(graph)), { name: 'ids', golden: [{ ids }] })
  await writeFile(path, bytes)
})
after(() => rm(folder, { recursive: true, force: true }))

function hardpack(args: readonly string[], { closeStdout = false } = {}) {
  return new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) => {
    const child = spawn(process.execPath, [CLI, ...args])
    let stdout = ''
    let stderr = ''
    if (closeStdout) child.stdout.destroy()
    child.stdout.on('data', (part) => {
      stdout += part
    })
    child.stderr.on('data', (part) => {
      stderr += part
    })
    child.on('close', (status) => resolve({ status, stdout, stderr }))
  })
}

test('integers are written whole, also beyond 2^53', async () => {
  const people = await hardpack(['run', path])
  assert.match(people.stdout, /^same int64\[2\]: 123457, 1152921504606846977\n$/)
  const { outputs } = JSON.parse((await hardpack(['run', path, '--json'])).stdout)
  assert.deepEqual(outputs.same.data, [123_457, '1152921504606846977'])
})

test('a reader that has seen enough is no error', async () => {
  const { status, stderr } = await hardpack(['inspect', path], { closeStdout: true })
  assert.deepEqual([status, stderr], [0, 'inspect …\n'])
})

test('an input that is given twice is a wrong call, before the package is opened', async () => {
  const { status, stdout, stderr } = await hardpack([
    'run',
    'absent.hpk',
    '--input',
    'ids=a',
    '--input',
    'ids=b',
    '--json',
  ])
  assert.equal(status, 2)
  assert.equal(JSON.parse(stdout).error.code, 'INVALID_ARGUMENT')
  assert.match(stderr, /--input expected each name once, got "ids" twice\./)
})
