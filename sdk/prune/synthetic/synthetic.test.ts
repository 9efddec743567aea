import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HardpackError, rng } from '../../core/index.ts'
import { parsePreprocess } from '../../pack/samples/index.ts'
import { circuitSample } from './circuit.ts'
import { deadLeaves } from './dead-leaves.ts'
import { SYNTHETIC_KINDS, syntheticSamples } from './index.ts'

const DRAWS = { 'dead-leaves': deadLeaves, circuit: circuitSample }
const COUNT = 60
const SIDE = 32

/** Pictures of one channel, as numbers. */
const pictures = (draw: typeof deadLeaves): Float64Array[] =>
  Array.from({ length: COUNT }, (_, i) =>
    Float64Array.from(draw({ height: SIDE, width: SIDE, channels: 1 }, rng(3, i)).data),
  )

/** Power of a row's discrete Fourier transform, averaged over all rows, at a frequency. */
function power(all: readonly Float64Array[], frequency: number): number {
  let total = 0
  for (const picture of all) {
    for (let row = 0; row < SIDE; row++) {
      let [re, im] = [0, 0]
      for (let x = 0; x < SIDE; x++) {
        re += picture[row * SIDE + x] * Math.cos((2 * Math.PI * frequency * x) / SIDE)
        im += picture[row * SIDE + x] * Math.sin((2 * Math.PI * frequency * x) / SIDE)
      }
      total += re * re + im * im
    }
  }
  return total
}

for (const [kind, draw] of Object.entries(DRAWS)) {
  test(`${kind}: neighbours are alike and power falls with frequency, as in photographs`, () => {
    const all = pictures(draw)
    let [xx, xy, n, mean] = [0, 0, 0, 0]
    for (const picture of all) for (const value of picture) mean += value / (COUNT * SIDE * SIDE)
    for (const picture of all) {
      for (let i = 0; i + 1 < picture.length; i++) {
        if (i % SIDE === SIDE - 1) continue
        xx += (picture[i] - mean) ** 2
        xy += (picture[i] - mean) * (picture[i + 1] - mean)
        n++
      }
    }
    assert.ok(xy / xx > 0.7, `correlation ${xy / xx}`)
    assert.ok(Math.sqrt(xx / n) > 40, `deviation ${Math.sqrt(xx / n)}`)
    const slope = Math.log(power(all, 8) / power(all, 1)) / Math.log(8)
    assert.ok(slope < -1 && slope > -2.6, `power falls with the exponent ${slope}`)
  })

  test(`${kind}: every size is filled, in one or three channels`, () => {
    for (const [height, width, channels] of [
      [1, 1, 1],
      [5, 3, 3],
      [40, 17, 1],
      [130, 200, 3],
    ] as const) {
      const { data } = draw({ height, width, channels }, rng(1))
      assert.equal(data.length, height * width * channels)
    }
    const { data } = draw({ height: 64, width: 64, channels: 3 }, rng(2))
    assert.ok(new Set(data).size > 30)
    assert.ok(
      data.some((value, i) => i % 3 === 0 && value !== data[i + 1]),
      'has colours',
    )
  })
}

test('samples have the layout and range of the input, and the same seed gives the same ones', async () => {
  const input = { name: 'x', dtype: 'float32', shape: ['n', 3, 16, 24] } as const
  for (const kind of SYNTHETIC_KINDS) {
    const preprocess = parsePreprocess('range=-1..1')
    const make = (seed: number) => syntheticSamples(input, { kind, count: 5, seed, preprocess }).batch([4, 0])
    const [batch, again, other] = [await make(7), await make(7), await make(8)]
    assert.deepEqual(batch.shape, [2, 3, 16, 24])
    assert.deepEqual(batch, again)
    assert.notDeepEqual(batch.data, other.data)
    const values = [...batch.data].map(Number)
    assert.ok(Math.min(...values) >= -1 && Math.max(...values) <= 1)
    assert.ok(Math.min(...values) < -0.5 && Math.max(...values) > 0.5)
  }
})

test('an input that takes no pictures is refused', () => {
  assert.throws(
    () => syntheticSamples({ name: 'x', dtype: 'float32', shape: ['n', 640] }, { count: 5 }),
    (error) => {
      assert.ok(error instanceof HardpackError && error.code === 'INVALID_ARGUMENT')
      assert.match(
        error.message,
        /^Synthetic samples expected .*pictures.*\[n,640\].* Give samples of your own, on the command line with --prune-samples\.$/,
      )
      return true
    },
  )
})
