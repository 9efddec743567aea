import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { ValueEntry } from '../container/manifest.ts'
import { readTensor } from './tensor-file.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
})
after(() => rm(folder, { recursive: true, force: true }))

const image: ValueEntry = { name: 'image', dtype: 'float32', shape: ['n', 2, 2] }

async function read(name: string, contents: Uint8Array | string, input = image) {
  const path = join(folder, name)
  await writeFile(path, contents)
  return readTensor(path, input)
}

/** A file as numpy.save writes it: format 1.0, the header padded with spaces to a multiple of 64. */
function npy(header: string, data: Uint8Array): Buffer {
  const padded = `${header.padEnd(64 * Math.ceil((header.length + 11) / 64) - 11)}\n`
  const head = Buffer.from(`\x93NUMPY\x01\x00`, 'latin1')
  const length = Buffer.alloc(2)
  length.writeUInt16LE(padded.length)
  return Buffer.concat([head, length, Buffer.from(padded, 'latin1'), data])
}

const floats = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer)

test('npy, json and raw bytes give the same tensor', async () => {
  const expected = { dtype: 'float32', shape: [1, 2, 2], data: Float32Array.of(1, 2, 3, 4) }
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 2), }"
  assert.deepEqual(await read('a.npy', npy(header, floats)), expected)
  assert.deepEqual(await read('a.json', '[[[1, 2], [3, 4]]]'), expected)
  assert.deepEqual(await read('flat.json', '[1, 2, 3, 4]'), expected)
  assert.deepEqual(await read('a.bin', floats), expected)
})

test('a scalar int64 reads from json', async () => {
  const rate: ValueEntry = { name: 'sr', dtype: 'int64', shape: [] }
  assert.deepEqual(await read('sr.json', '16000', rate), { dtype: 'int64', shape: [], data: BigInt64Array.of(16000n) })
})

test('what is not a tensor is refused in one sentence that names the file', async () => {
  const refused = (name: string, contents: Uint8Array | string, code = 'INVALID_INPUT') => {
    const named = new RegExp(name.replace('.', '\\.'))
    return assert.rejects(read(name, contents), (error: Error & { code: string }) => {
      assert.equal(error.code, code)
      assert.match(error.message, code === 'INVALID_INPUT' ? /expected/ : named)
      return true
    })
  }
  await refused('fortran.npy', npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2, 2), }", floats))
  await refused('big-endian.npy', npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1, 2, 2), }", floats))
  await refused('short.npy', npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9, 2, 2), }", floats))
  await refused('other.npy', 'hello')
  await refused('ragged.json', '[[1, 2], [3]]')
  await refused('mixed.json', '[[1, 2], [3], [4, 5, 6]]')
  await refused('deep.json', '[[1, 2], [3, [4]]]')
  await refused('words.json', '["a"]')
  await refused('broken.json', '[1,')
  await refused('odd.bin', floats.subarray(0, 12))
  await assert.rejects(readTensor(join(folder, 'absent.npy'), image), { code: 'IO', message: /absent\.npy/ })
})

test('an integer that its type cannot hold is refused, not rounded or wrapped', async () => {
  for (const [dtype, text] of [
    ['uint8', '[256]'],
    ['int8', '[-129]'],
    ['int32', '[1.5]'],
    ['int64', '[1.5]'],
    ['uint64', '[-1]'],
    ['int64', '[9007199254740993]'],
  ] as const) {
    const list: ValueEntry = { name: 'ids', dtype, shape: ['n'] }
    await assert.rejects(read('ids.json', text, list), { code: 'INVALID_INPUT', message: new RegExp(`for ${dtype}`) })
  }
  const { data } = await read('flags.json', '[0, 1]', { name: 'flags', dtype: 'bool', shape: [2] })
  assert.deepEqual(data, Uint8Array.of(0, 1))
})

test('elements of a .npy file need no alignment', async () => {
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 2), }"
  const file = npy(header, floats)
  const odd = Buffer.concat([file.subarray(0, -17), Buffer.from(' \n'), floats])
  odd.writeUInt16LE(file.readUInt16LE(8) + 1, 8)
  assert.deepEqual((await read('odd.npy', odd)).data, Float32Array.of(1, 2, 3, 4))
})
