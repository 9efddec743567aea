import assert from 'node:assert/strict'
import { test } from 'node:test'
import { labelsOf } from '../../../detectors/class-probabilities.ts'
import { agreement, areaOf } from './accuracy.ts'
import { sheetImages } from './data.ts'
import { probeArea } from './probe.ts'
import { meanOf } from './unlearning.ts'

test('the area is the share of pairs in order, ties counted half', () => {
  const scores = [0.1, 0.4, 0.4, 0.8, 0.2]
  const positive = [false, true, false, true, false]
  let pairs = 0
  let won = 0
  for (const [i, p] of positive.entries()) {
    for (const [j, q] of positive.entries()) {
      if (!p || q) continue
      pairs++
      won += scores[i] > scores[j] ? 1 : scores[i] === scores[j] ? 0.5 : 0
    }
  }
  assert.equal(
    areaOf(scores, (i) => positive[i]),
    (100 * won) / pairs,
  )
})

test('a probe finds what one feature says, and nothing where none does', () => {
  const is = Array.from({ length: 60 }, (_, i) => i % 3 === 0)
  const telling = is.map((yes, i) => Float64Array.of(i % 7, yes ? 2 : -1, 1))
  const silent = is.map(() => Float64Array.of(4, 1, 1))
  assert.equal(probeArea(telling, is, telling, is), 100)
  assert.equal(probeArea(silent, is, silent, is), 50)
})

test('best classes and agreement', () => {
  assert.deepEqual(labelsOf({ rows: 2, columns: 3, data: Float32Array.of(1, 3, 2, 9, 0, 8) }), [1, 0])
  assert.equal(agreement([1, 2, 3, 4], [1, 0, 3, 0]), 50)
  assert.equal(
    agreement([1, 2, 3, 4], [1, 0, 3, 0], (i) => i > 1),
    50,
  )
  assert.equal(
    meanOf([1, 2, 6], (n) => n),
    3,
  )
  assert.equal(
    meanOf([], () => 1),
    undefined,
  )
})

test('a row of a sheet is an image, planes one after another', () => {
  const width = 1024
  const data = new Uint8Array(2 * width * 4)
  data[4 * (width + 5) + 1] = 255 // second image, pixel 5, green
  const values = sheetImages({ width, height: 2, data })
  assert.equal(values.length, 2 * 3 * 1024)
  assert.ok(Math.abs(values[3 * 1024 + 1024 + 5] - (1 - 0.456) / 0.224) < 1e-6)
  assert.ok(Math.abs(values[0] - (0 - 0.485) / 0.229) < 1e-6)
})
