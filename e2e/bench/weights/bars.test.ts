/** The verdicts, on figures that are given. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median } from '../../../sdk/core/index.ts'
import { type Bar, barTable, reaches } from '../bar.ts'
import { barsOf, type Measured, percentSmaller } from './bars.ts'
import type { SetType } from './sets.ts'
import type { SizedSet } from './tensors.ts'

const NOTHING: Measured = { sets: [], files: [], deltas: [], decoding: {} }

function measuredBar(measured: Partial<Measured>, what: RegExp): Bar {
  const bars = barsOf({ ...NOTHING, ...measured }).filter((bar) => what.test(bar.what))
  assert.equal(bars.length, 1, `one bar matches ${what}`)
  return bars[0]
}

function sized(type: SetType, bits: SizedSet['bits'], weights = 1000, counts = true): SizedSet {
  const set = { model: 'm', kind: 'conv', type, tensors: [], weights, raw: new Uint8Array(), counts } as const
  return { set, encoded: { chunks: [], tensors: [] }, frames: {}, bits, circuits: {} }
}

test('the median of an odd count is its middle, of an even count between the two', () => {
  assert.equal(median([]), undefined)
  assert.equal(median([9]), 9)
  assert.equal(median([10, 2, 9]), 9)
  assert.equal(median([10, 2, 9, 4]), 6.5)
})

test('a bar is reached from its side, its goal included', () => {
  const small: Bar = { what: '', unit: '', small: true, measured: 10.6 }
  assert.equal(reaches(small, 10.6), true)
  assert.equal(reaches(small, 10.5), false)
  const large: Bar = { what: '', unit: '', measured: 200 }
  assert.equal(reaches(large, 200), true)
  assert.equal(reaches(large, 201), false)
  assert.equal(reaches({ what: '', unit: '' }, 1), undefined)
  assert.equal(reaches(large, undefined), undefined)
})

test('a run that measured nothing claims nothing', () => {
  const lines = barTable(barsOf(NOTHING)).split('\n')
  const claims = lines.slice(1).filter((line) => /\bmet\b|NOT MET/i.test(line))
  assert.deepEqual(claims, [])
})

test('sizes: dense nets are not in the fp32 median, small sets in none, and "together" weighs by size', () => {
  const dense = sized('fp32', { hardpack: 1 })
  const sets = [
    sized('fp32', { hardpack: 26 }),
    sized('fp32', { hardpack: 28 }),
    { ...dense, set: { ...dense.set, kind: 'dense' as const } },
    sized('fp32', { hardpack: 1 }, 10, false),
    sized('int8', { hardpack: 5, 'brotli -11': 10 }, 1000),
    sized('int8', { hardpack: 9, 'brotli -11': 10 }, 3000),
  ]
  assert.equal(measuredBar({ sets }, /^fp32, median of 2/).measured, 27)
  assert.ok(Math.abs((measuredBar({ sets }, /brotli -11, median of 2/).measured ?? 0) - 30) < 1e-9)
  const together = measuredBar({ sets }, /brotli -11, together/).measured ?? 0
  assert.ok(Math.abs(together - percentSmaller(5 + 27, 10 + 30)) < 1e-9)
})

test('whole files: every peer counts, a refused model is not smaller, an absent tool leaves it open', () => {
  const peers = { 'gzip -9': 100, 'zstd -19 --long=27': 100, 'brotli -11': 90, 'xz -9e': 100, 'zpaq -m5': 80 }
  const file = { model: 'm', counts: true, bytes: 200, peers }
  const files = [
    { ...file, packed: 89 },
    { ...file, packed: 90 },
    { ...file, packed: 80 },
    { ...file, refused: 'no' },
    { ...file, packed: 1, counts: false },
  ]
  const each = measuredBar({ files }, /smaller than each/)
  assert.deepEqual([each.measured, each.atLeast], [2, 4])
  const without = [...files, { ...file, packed: 1, peers: { ...peers, 'xz -9e': undefined } }]
  assert.equal(measuredBar({ files: without }, /smaller than each/).measured, undefined)
  assert.ok(Math.abs((measuredBar({ files }, /not larger than zpaq/).measured ?? 0) - 100 / 3) < 1e-9)
  assert.equal(measuredBar({ files }, /files smaller than zpaq/).measured, 0)
})
