import assert from 'node:assert/strict'
import { link, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { bytesOf, equal, type Progress } from '../core/index.ts'
import { inlineExternalData, writeExternalData } from './external.ts'
import { tensorsOf } from './graph.ts'
import { type Model, readModel, writeModel } from './model.ts'
import { runOrt } from './ort-oracle.ts'
import { isExternal } from './payload.ts'
import { create, type TensorProto } from './proto.ts'
import { constantModel, convModel, ifModel, qdqModel, randomTensor } from './sample-models.ts'

const scratch = await mkdtemp(join(tmpdir(), 'hardpack-external-'))
after(() => rm(scratch, { recursive: true }))

let directories = 0
/** A directory with another beside it that no model may reach. */
async function makeRoot(): Promise<{ root: string; outside: string; path: string }> {
  const parent = join(scratch, `${directories++}`)
  const root = join(parent, 'model')
  const outside = join(parent, 'outside')
  await mkdir(root, { recursive: true })
  await mkdir(outside)
  await writeFile(join(outside, 'secret'), new Uint8Array(4096))
  return { root, outside, path: join(root, 'model.onnx') }
}

function detach(tensor: TensorProto, keys: Readonly<Record<string, string | number>>): void {
  Reflect.deleteProperty(tensor, 'rawData')
  tensor.dataLocation = 1
  tensor.externalData = Object.entries(keys).map(([key, value]) =>
    create('StringStringEntryProto', { key, value: String(value) }),
  )
}

/** A model whose weight `w`, 64 float32, lies where `keys` says. */
function modelAt(keys: Readonly<Record<string, string | number>>): Uint8Array {
  const { model } = convModel()
  const w = create('TensorProto', { name: 'w', dims: [64], dataType: 1 })
  detach(w, keys)
  model.graph.initializer.push(w)
  return writeModel(model)
}

for (const [name, make] of Object.entries({ convModel, qdqModel })) {
  test(`${name}: split, ORT reads it with its data file; inlined again, it has the same outputs and bytes`, async () => {
    const { path, root } = await makeRoot()
    const { model, feeds } = make()
    const whole = writeModel(model)
    const seen: Progress[] = []
    await writeExternalData(whole, path, { minBytes: 200, onProgress: (progress) => seen.push(progress) })
    assert.deepEqual((await readdir(root)).sort(), ['model.onnx', 'model.onnx.data'])
    assert.equal(seen.at(-1)?.done, seen.at(-1)?.total)
    const split = await readFile(path)
    assert.ok([...tensorsOf(readModel(split))].some(isExternal))
    const inlined = await inlineExternalData(split, path)
    assert.ok(equal(inlined, whole))
    const expected = await runOrt(whole, feeds)
    assert.deepEqual(await runOrt(path, feeds), expected)
    assert.deepEqual(await runOrt(inlined, feeds), expected)
  })
}

test('external tensors in Constant nodes and in branches are inlined, too', async () => {
  for (const { model, feeds } of [constantModel(), ifModel(true), ifModel(false)]) {
    const { root, path } = await makeRoot()
    const whole = writeModel(model)
    const expected = await runOrt(whole, feeds)
    await mkdir(join(root, 'weights'))
    const tensors = [...tensorsOf(model)]
    for (const [i, tensor] of tensors.entries()) {
      await writeFile(join(root, 'weights', `${i}`), tensor.rawData)
      detach(tensor, { location: `./weights/${i}` })
    }
    assert.ok(tensors.length > 0)
    const inlined = await inlineExternalData(writeModel(model), path)
    assert.ok(equal(inlined, whole))
    assert.deepEqual(await runOrt(inlined, feeds), expected)
  }
})

test('a model without external data comes back as the same object, wherever it lies', async () => {
  const whole = writeModel(convModel().model)
  assert.equal(await inlineExternalData(whole, join(scratch, 'nowhere', 'model.onnx')), whole)
})

test('a missing data file is named, with what to do', async () => {
  const { path } = await makeRoot()
  await assert.rejects(inlineExternalData(modelAt({ location: 'w.bin' }), path), {
    code: 'EXTERNAL_DATA',
    message: 'Tensor "w" expected external data in the file "w.bin", got no such file. Put it beside the model.',
  })
})

const UNSAFE: [string, RegExp][] = [
  ['', /the empty name/],
  ['../outside/secret', /"\.\." in/],
  ['a/../../outside/secret', /"\.\." in/],
  ['/etc/passwd', /the absolute path/],
  ['C:/secret', /the drive letter/],
  ['c:secret', /the drive letter/],
  ['..\\outside\\secret', /a backslash/],
  ['\\\\server\\share', /a backslash/],
  ['w.bin\0.png', /a NUL character/],
  ['a//b', /a name without a file/],
  ['weights/', /a name without a file/],
  ['.', /a name without a file/],
]

test('layer 1, lexical: only a relative name that never leads up is read or written', async () => {
  const { path, outside, root } = await makeRoot()
  const whole = writeModel(convModel().model)
  for (const [location, message] of UNSAFE) {
    await assert.rejects(inlineExternalData(modelAt({ location }), path), { code: 'EXTERNAL_DATA', message })
    await assert.rejects(inlineExternalData(modelAt({ location }), path), /Tensor "w"/)
    await assert.rejects(writeExternalData(whole, path, { location }), { code: 'EXTERNAL_DATA', message })
  }
  assert.deepEqual([await readdir(root), await readdir(outside)], [[], ['secret']])
})

test('layer 2, canonical: a path that leads out of the directory is neither read nor written', async () => {
  const { root, outside, path } = await makeRoot()
  await symlink(outside, join(root, 'linked'))
  await symlink(join(outside, 'secret'), join(root, 'w.bin'))
  const whole = writeModel(convModel().model)
  for (const location of ['linked/secret', 'w.bin']) {
    const refused = { code: 'EXTERNAL_DATA', message: /^Tensor ".+" expected a file inside .* leads out of it/ }
    await assert.rejects(inlineExternalData(modelAt({ location, length: 256 }), path), refused)
    await assert.rejects(writeExternalData(whole, path, { location }), refused)
  }
  await assert.rejects(writeExternalData(whole, path, { location: 'linked/new' }), { code: 'EXTERNAL_DATA' })
  assert.deepEqual(await readdir(outside), ['secret'])
  assert.ok(equal(await readFile(join(outside, 'secret')), new Uint8Array(4096)))
})

test('layer 3, links: no symbolic link inside the directory, no hard link, nothing but a regular file', async () => {
  const { root, outside, path } = await makeRoot()
  await mkdir(join(root, 'real'))
  await writeFile(join(root, 'real', 'w.bin'), new Uint8Array(256))
  await symlink('real', join(root, 'linked'))
  await symlink('real/w.bin', join(root, 'soft'))
  await link(join(outside, 'secret'), join(root, 'hard'))
  await symlink('nothing', join(root, 'dangling'))
  const whole = writeModel(convModel().model)
  const cases: [string, RegExp][] = [
    ['linked/w.bin', /without symbolic links/],
    ['soft', /without symbolic links/],
    ['hard', /a hard link: the file has 2 names/],
    ['real', /not a regular file/],
    ['dangling', /no such file|without symbolic links/],
  ]
  for (const [location, message] of cases) {
    const refused = { code: 'EXTERNAL_DATA', message }
    await assert.rejects(inlineExternalData(modelAt({ location, length: 256 }), path), refused, location)
    await assert.rejects(writeExternalData(whole, path, { location }), refused, location)
  }
  assert.ok(equal(await readFile(join(outside, 'secret')), new Uint8Array(4096)))
  const plain = await inlineExternalData(modelAt({ location: 'real/w.bin' }), path)
  assert.equal(readModel(plain).graph.initializer.at(-1)?.rawData.length, 256)
})

test('layer 4, sizes: offset and length are checked against the file and the shape before anything is read', async () => {
  const { root, path } = await makeRoot()
  const data = randomTensor([128], 1)
  await writeFile(join(root, 'w.bin'), bytesOf(data))
  const location = 'w.bin'
  const refused: [Record<string, string | number>, RegExp][] = [
    [{ location, length: 255 }, /expected 256 bytes of external data for float32\[64\], got 255/],
    [{ location, length: 2 ** 40 }, /expected 256 bytes/],
    [{ location, offset: 257, length: 256 }, /bytes 257 to 513 of "w.bin", got a file of 512 bytes/],
    [{ location, offset: 2 ** 52 }, /got a file of 512 bytes/],
    [{ location, offset: '-1' }, /a whole number as "offset"/],
    [{ location, offset: '0x10' }, /a whole number as "offset"/],
    [{ location, offset: '99999999999999999999' }, /a whole number as "offset"/],
    [{ location, length: '' }, /a whole number as "length"/],
    [{ offset: 0 }, /a "location"/],
  ]
  for (const [keys, message] of refused) {
    await assert.rejects(inlineExternalData(modelAt(keys), path), { code: 'EXTERNAL_DATA', message })
  }
  const inlined = await inlineExternalData(modelAt({ location, offset: 256, length: 256, checksum: 'abc' }), path)
  const { rawData } = readModel(inlined).graph.initializer.at(-1) as TensorProto
  assert.ok(equal(rawData, bytesOf(data).subarray(256)))
})

test('shapes that add up to more than 2 GiB are refused before any file is opened', async () => {
  const { path } = await makeRoot()
  const { model } = convModel()
  for (let i = 0; i < 3; i++) {
    const tensor = create('TensorProto', { name: `w${i}`, dims: [2 ** 28], dataType: 1 })
    detach(tensor, { location: 'w.bin' })
    model.graph.initializer.push(tensor)
  }
  await assert.rejects(inlineExternalData(writeModel(model), path), { code: 'LIMIT_EXCEEDED' })
})

test('a location given twice, and a tensor of strings, are refused', async () => {
  const { path } = await makeRoot()
  const twice: Model = readModel(modelAt({ location: 'a' }))
  twice.graph.initializer.at(-1)?.externalData.push(create('StringStringEntryProto', { key: 'location', value: 'b' }))
  await assert.rejects(inlineExternalData(writeModel(twice), path), {
    code: 'EXTERNAL_DATA',
    message: /one "location"/,
  })
  const strings: Model = readModel(modelAt({ location: 'a' }))
  strings.graph.initializer[strings.graph.initializer.length - 1].dataType = 8
  await assert.rejects(inlineExternalData(writeModel(strings), path), { code: 'UNSUPPORTED_MODEL' })
})

test('a failed or aborted write leaves what was there', async () => {
  const { root, path } = await makeRoot()
  const whole = writeModel(convModel().model)
  await writeFile(path, 'before')
  const controller = new AbortController()
  const onProgress = () => controller.abort()
  await assert.rejects(writeExternalData(whole, path, { minBytes: 1, signal: controller.signal, onProgress }), {
    code: 'ABORTED',
  })
  assert.deepEqual(await readdir(root), ['model.onnx'])
  assert.equal(await readFile(path, 'utf8'), 'before')
  await assert.rejects(writeExternalData(whole, path, { location: 'Model.onnx' }), { code: 'EXTERNAL_DATA' })
  await assert.rejects(writeExternalData(whole, path, { location: 'missing/w.bin' }), {
    code: 'EXTERNAL_DATA',
    message: /no such directory/,
  })
  await assert.rejects(writeExternalData(whole, join(root, 'missing', 'model.onnx')), { code: 'IO' })
  await assert.rejects(writeExternalData(modelAt({ location: 'w.bin' }), path), {
    code: 'EXTERNAL_DATA',
    message: /Call inlineExternalData first/,
  })
  await writeExternalData(whole, path)
  await writeExternalData(whole, path)
  assert.equal((await stat(path)).nlink, 1)
  assert.deepEqual((await readdir(root)).sort(), ['model.onnx', 'model.onnx.data'])
})

test('a model whose tensors are all small is written without a data file', async () => {
  const { root, path } = await makeRoot()
  const whole = writeModel(constantModel().model)
  await writeExternalData(whole, path)
  assert.deepEqual(await readdir(root), ['model.onnx'])
  assert.ok(equal(await readFile(path), whole))
})
