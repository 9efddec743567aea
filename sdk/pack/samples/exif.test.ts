import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { orientationOf, upright } from './exif.ts'

test('each orientation turns a picture as Pillow’s ImageOps.exif_transpose does', () => {
  const rgba = Uint8Array.from({ length: 24 }, (_, i) => Math.floor(i / 4))
  const expected = [
    [3, 2, 0, 1, 2, 3, 4, 5],
    [3, 2, 2, 1, 0, 5, 4, 3],
    [3, 2, 5, 4, 3, 2, 1, 0],
    [3, 2, 3, 4, 5, 0, 1, 2],
    [2, 3, 0, 3, 1, 4, 2, 5],
    [2, 3, 3, 0, 4, 1, 5, 2],
    [2, 3, 5, 2, 4, 1, 3, 0],
    [2, 3, 2, 5, 1, 4, 0, 3],
  ]
  for (const [i, figures] of expected.entries()) {
    const turned = upright({ width: 3, height: 2, rgba }, i + 1)
    assert.deepEqual([turned.width, turned.height, ...turned.rgba.filter((_, at) => at % 4 === 0)], figures)
  }
})

/** The first bytes of a JPEG that Pillow wrote with orientation 6 behind the maker's name; big endian. */
const HEAD = Buffer.from(
  '/9j/4AAQSkZJRgABAQAAAQABAAD/4QAuRXhpZgAATU0AKgAAAAgAAgEPAAIAAAACeAAAAAESAAMAAAABAAYAAAAAAAD/2wBDAAgG',
  'base64',
)

test('the orientation is read from a file that Pillow wrote, in both byte orders', () => {
  assert.equal(orientationOf(HEAD), 6)
  // FF E1, length, "Exif\0\0", then TIFF: II, 42, offset 8, one entry: tag, SHORT, 1, value 8.
  const tiff = [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 8, 0, 0, 0]
  const little = Uint8Array.of(
    0xff,
    0xd8,
    0xff,
    0xe1,
    0,
    8 + tiff.length,
    0x45,
    0x78,
    0x69,
    0x66,
    0,
    0,
    ...tiff,
    0xff,
    0xda,
    0,
    2,
  )
  assert.equal(orientationOf(little), 8)
})

test('a file without one, or damaged anywhere, is upright or turned, and never fails', () => {
  assert.equal(orientationOf(Uint8Array.of(0xff, 0xd8, 0xff, 0xda, 0, 2)), 1)
  fc.assert(
    fc.property(fc.nat(HEAD.length - 1), fc.nat(255), fc.nat(HEAD.length), (at, byte, length) => {
      const damaged = Uint8Array.from(HEAD)
      damaged[at] = byte
      const orientation = orientationOf(damaged.subarray(0, length))
      assert.ok(orientation >= 1 && orientation <= 8)
    }),
    { numRuns: 2000 },
  )
})
