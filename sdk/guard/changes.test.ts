import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rng } from '../core/index.ts'
import { pictureFormat } from '../pack/samples/preprocess.ts'
import { tensorSamples } from '../pack/samples/sample-set.ts'
import { changedSamples, OUTLIERS, type PictureChange, SHIFTS, type Size } from './changes.ts'
import { jpegLoss } from './jpeg-loss.ts'

const named = (name: string): PictureChange => {
  const found = [...SHIFTS, ...OUTLIERS].find((change) => change.name === name)
  assert.ok(found, name)
  return found
}
const apply = (name: string, pixels: ArrayLike<number>, size: Size, seed = 0): number[] => [
  ...named(name).change(Float64Array.from(pixels), size, rng(seed)),
]

test('blur is the one of scipy.ndimage.gaussian_filter(x, 0.7, mode="nearest", radius=3)', () => {
  const pixels = [
    128, 177, 223, 203, 235, 255, 168, 156, 201, 241, 212, 234, 148, 193, 176, 214, 244, 206, 128, 169, 208, 183, 212,
    233, 168, 143, 178, 208, 175, 196,
  ]
  const expected = [
    144.680875, 174.655619, 206.615119, 216.377029, 230.513684, 245.756253, 158.087834, 172.597535, 199.134574,
    220.202529, 225.938928, 230.796575,
  ]
  const blurred = apply('blur, σ 0.7 px', pixels, { height: 5, width: 6, channels: 1 })
  for (const [i, value] of expected.entries()) assert.ok(Math.abs(blurred[i] - value) < 1e-6, `${i}: ${blurred[i]}`)
})

test('a quarter turn is that of numpy.rot90(x, -1), four of them are none, and a wide picture keeps its size', () => {
  const size: Size = { height: 3, width: 3, channels: 1 }
  assert.deepEqual(apply('rotated 90°', [0, 1, 2, 3, 4, 5, 6, 7, 8], size), [6, 3, 0, 7, 4, 1, 8, 5, 2])
  const colours = Array.from({ length: 12 }, (_, i) => i)
  let turned = colours
  for (let i = 0; i < 4; i++) turned = apply('rotated 90°', turned, { height: 2, width: 2, channels: 3 })
  assert.deepEqual(turned, colours)
  // Left dark, right bright: turned clockwise, the top is dark and the bottom bright.
  const wide = apply('rotated 90°', [0, 0, 200, 200, 0, 0, 200, 200], { height: 2, width: 4, channels: 1 })
  assert.equal(wide.length, 8)
  assert.ok(Math.max(...wide.slice(0, 4)) < Math.min(...wide.slice(4)))
})

test('a move repeats the border that comes in, in each of four directions', () => {
  const row = [10, 20, 30, 40, 50]
  const seen = new Set<string>()
  for (let seed = 0; seed < 40; seed++) {
    seen.add(String(apply('moved by 2 px', row, { height: 1, width: 5, channels: 1 }, seed)))
  }
  assert.deepEqual([...seen].sort(), ['10,10,10,20,30', '10,20,30,40,50', '30,40,50,50,50'])
})

test('brightness, contrast, gamma and inversion are their formulas', () => {
  const size: Size = { height: 1, width: 3, channels: 1 }
  assert.deepEqual(apply('brightness +10 %', [0, 100, 250], size), [25.5, 125.5, 275.5])
  assert.deepEqual(apply('inverted', [0, 100, 255], size), [255, 155, 0])
  assert.deepEqual(apply('contrast × 0.7', [0, 100, 200], size).map(Math.round), [30, 100, 170])
  const [black, middle, white] = apply('gamma 1.4', [0, 127.5, 255], size)
  assert.ok(black === 0 && Math.abs(middle - 255 * 0.5 ** 1.4) < 1e-9 && white === 255)
})

test('noise has the deviation that its name says, and uniform noise the one of 0 … 255', () => {
  const size: Size = { height: 100, width: 100, channels: 1 }
  const deviation = (values: number[]): number => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
  }
  const plain = new Array<number>(10_000).fill(100)
  // Three standard errors of a deviation of 10,000 samples: 2.1 %.
  assert.ok(Math.abs(deviation(apply('noise, σ 5 %', plain, size)) / 12.75 - 1) < 0.021)
  assert.ok(Math.abs(deviation(apply('uniform noise', plain, size)) / Math.sqrt((256 ** 2 - 1) / 12) - 1) < 0.02)
})

test('JPEG takes what Pillow’s file takes, within two levels', () => {
  const picture = (channels: number): Float64Array =>
    Float64Array.from({ length: 20 * 13 * channels }, (_, i) => {
      const k = i % channels
      const x = Math.floor(i / channels) % 20
      const y = Math.floor(i / channels / 20)
      const wave = 128 + 90 * Math.sin(x / 3 + k) * Math.cos(y / 4) + 20 * ((x * 7 + y * 5 + k) % 3)
      return Math.trunc(Math.max(0, Math.min(255, wave)))
    })
  // Image.fromarray(a).save(file, 'JPEG', quality=q, subsampling=0), read again: the first values and the sum.
  const cases = [
    {
      channels: 1,
      quality: 60,
      sum: 38253,
      first: [138, 187, 203, 210, 241, 241, 215, 210, 202, 155, 132, 109, 66, 55, 64, 49],
    },
    {
      channels: 3,
      quality: 30,
      sum: 114850,
      first: [164, 214, 249, 181, 224, 231, 207, 236, 205, 230, 240, 171, 242, 224, 138],
    },
  ]
  for (const { channels, quality, sum, first } of cases) {
    const result = jpegLoss(picture(channels), { height: 13, width: 20, channels }, quality)
    for (const [i, value] of first.entries())
      assert.ok(Math.abs(result[i] - value) <= 2, `${i}: ${result[i]}, ${value}`)
    const total = result.reduce((all, value) => all + Math.max(0, Math.min(255, value)), 0)
    assert.ok(Math.abs(total - sum) / result.length < 0.3)
  }
})

test('a sample changes in the same way in every batch, and each in its own way', async () => {
  const format = pictureFormat({ name: 'x', dtype: 'float32', shape: ['n', 1, 4, 4] })
  const tensor = { dtype: 'float32' as const, shape: [3, 1, 4, 4], data: new Float32Array(48).fill(0.5) }
  const noisy = changedSamples(tensorSamples('plain', tensor, format), named('noise, σ 5 %'), 7)
  const all = (await noisy.batch([0, 1, 2])).data
  assert.deepEqual((await noisy.batch([2])).data, all.slice(32))
  assert.notDeepEqual(all.slice(0, 16), all.slice(16, 32))
  const other = changedSamples(tensorSamples('plain', tensor, format), named('noise, σ 5 %'), 8)
  assert.notDeepEqual((await other.batch([0])).data, all.slice(0, 16))
})

test('all shifts are mild and all outliers are not, on a picture with structure', () => {
  const size: Size = { height: 16, width: 16, channels: 3 }
  const pixels = Float64Array.from({ length: 768 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % 16, Math.floor(i / 48)]
    return 110 + 100 * Math.sin(x / 7) * Math.cos(y / 9 + (i % 3))
  })
  const distance = (change: PictureChange): number => {
    const changed = change.change(pixels, size, rng(1)).map((value) => Math.max(0, Math.min(255, value)))
    return changed.reduce((sum, value, i) => sum + Math.abs(value - pixels[i]), 0) / pixels.length
  }
  for (const shift of SHIFTS)
    assert.ok(distance(shift) > 0.2 && distance(shift) < 30, `${shift.name}: ${distance(shift)}`)
  for (const outlier of OUTLIERS) assert.ok(distance(outlier) > 35, `${outlier.name}: ${distance(outlier)}`)
})
