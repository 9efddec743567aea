import assert from 'node:assert/strict'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { type Box, type Pixels, resize } from './resize.ts'

function pattern(width: number, height: number, channels: number): Pixels {
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => {
    const k = i % channels
    const x = Math.floor(i / channels) % width
    const y = Math.floor(i / channels / width)
    return (x * 37 + y * 91 + k * 53 + x * y * (k + 1)) % 256
  })
  return { width, height, channels, data }
}

test('every byte is the one that Pillow 12.3 gives', () => {
  // crc32 of Image.fromarray(pattern).resize((width, height), Image.BILINEAR, box=box).tobytes()
  const cases: [[number, number, number], number, number, number, Box?][] = [
    [[7, 5, 1], 3, 2, 1683894529],
    [[5, 4, 3], 8, 9, 930518566],
    [[64, 48, 3], 10, 7, 2239395238],
    [[33, 50, 1], 28, 28, 537360030],
    [[9, 6, 3], 4, 4, 6097080, { left: 1.5, top: 0, right: 7.5, bottom: 6 }],
    [[300, 200, 3], 96, 96, 1321869014, { left: 50, top: 0, right: 250, bottom: 200 }],
  ]
  for (const [[w, h, c], width, height, crc, box] of cases) {
    assert.equal(crc32(resize(pattern(w, h, c), width, height, box).data), crc, `${w}×${h}×${c} to ${width}×${height}`)
  }
  assert.deepEqual([...resize(pattern(7, 5, 1), 3, 2).data], [100, 132, 130, 109, 127, 106])
})

test('a plain picture stays plain, and its own size changes nothing', () => {
  const side = fc.integer({ min: 1, max: 40 })
  fc.assert(
    fc.property(side, side, side, side, fc.integer({ min: 0, max: 255 }), (w, h, width, height, value) => {
      const plain = { width: w, height: h, channels: 1, data: new Uint8Array(w * h).fill(value) }
      assert.ok(resize(plain, width, height).data.every((byte) => byte === value))
      assert.deepEqual(resize(pattern(w, h, 3), w, h), pattern(w, h, 3))
    }),
  )
})
