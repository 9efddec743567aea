import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { normal, type Rng, rng } from '../../sdk/core/index.ts'
import { betaBand } from './beta-band.ts'
import {
  type Calibration,
  type CalibrationRules,
  calibrate,
  checkCalibration,
  judge,
  levelOf,
  runsTier,
} from './calibration.ts'
import type { Combination } from './combine.ts'
import { conformalPValue } from './conformal.ts'
import { packTable, unpackTable } from './thin.ts'

/** Scores of detectors on one clean input: what they share makes them dependent (correlation ½). */
function dependent(random: Rng, detectors: number): number[] {
  const shared = normal(random)
  return Array.from({ length: detectors }, () => shared + normal(random))
}

function columns(rows: readonly (readonly number[])[]): Float64Array[] {
  return rows[0].map((_, d) => Float64Array.from(rows, (row) => row[d]))
}

/** The samples that make up the second table, found from outside: those whose score is missing in the first. */
function secondHalf(samples: number): number[] {
  const index = Float64Array.from({ length: samples }, (_, i) => i)
  const first = new Set(calibrate([index, index]).tables[0])
  return [...index].filter((i) => !first.has(i))
}

test('halves are disjoint, equal and mixed', () => {
  const second = secondHalf(100)
  assert.equal(second.length, 50)
  const early = second.filter((i) => i < 50).length
  assert.ok(early > 15 && early < 35)
})

test('exact: over all exchanges of the input with the second half, at most k have p ≤ k/(n + 1)', () => {
  const row = fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 4, maxLength: 4 })
  const rules: fc.Arbitrary<Partial<CalibrationRules>> = fc.record({
    sides: fc.constantFrom<CalibrationRules['sides']>(
      ['upper', 'both', 'upper', 'upper'],
      ['upper', 'upper', 'upper', 'both'],
    ),
    tiers: fc.constantFrom([0, 0, 0, 0], [0, 0, 1, 1], [1, 0, 0, 2]),
    bands: fc.constantFrom<CalibrationRules['bands']>(
      [
        [0.1, 0.6],
        [0, 0.3],
      ],
      [
        [0, 1],
        [0.2, 0.2],
      ],
      [
        [0, 0.5],
        [0.9, 1],
      ],
    ),
    combine: fc.constantFrom<Combination>('simes', 'cauchy'),
  })
  fc.assert(
    fc.property(fc.array(row, { minLength: 6, maxLength: 40 }), rules, (rows, options) => {
      const samples = rows.length - 1
      const second = secondHalf(samples)
      const p = [samples, ...second].map((test) => {
        const exchanged = rows.slice()
        exchanged[samples] = rows[test]
        exchanged[test] = rows[samples]
        const calibration = calibrate(columns(exchanged.slice(0, samples)), options)
        return judge(calibration, exchanged[samples]).p
      })
      for (const value of p) assert.ok(p.filter((other) => other <= value).length <= value * p.length + 1e-9)
    }),
  )
})

test('simulated: dependent detectors and cascades alarm at α, and Fisher’s χ² table does not', () => {
  const detectors = 4
  const cascade: Partial<CalibrationRules> = { tiers: [0, 0, 1, 1], bands: [[0.02, 0.4]] }
  const kinds: Record<string, Partial<CalibrationRules>> = {
    simes: {},
    cauchy: { combine: 'cauchy' },
    'simes, two sides': { sides: ['both', 'upper', 'both', 'upper'] },
    'simes, cascade': cascade,
    'cauchy, cascade': { ...cascade, combine: 'cauchy' },
  }
  const runs = 3000
  const samples = 78
  const alarms: Record<string, number> = {}
  let fisher = 0
  for (let run = 0; run < runs; run++) {
    const random = rng(2026, run)
    const rows = Array.from({ length: samples }, () => dependent(random, detectors))
    const input = dependent(random, detectors)
    const clean = columns(rows)
    for (const [name, rules] of Object.entries(kinds)) {
      alarms[name] = (alarms[name] ?? 0) + (judge(calibrate(clean, rules), input).p <= 0.05 ? 1 : 0)
    }
    const statistic = clean.reduce((sum, column, d) => sum - 2 * Math.log(conformalPValue(column.sort(), input[d])), 0)
    if (chiSquareTail(statistic, detectors) <= 0.05) fisher++
  }
  // 39 scores in the second table: k = 2 and the expected rate is 0.05 exactly.
  const standardError = Math.sqrt((0.05 * 0.95) / runs)
  for (const [name, count] of Object.entries(alarms)) {
    assert.ok(count / runs <= 0.05 + 4 * standardError, `${name}: ${count / runs}`)
    assert.ok(count / runs >= 0.05 - 4 * standardError, `${name}: ${count / runs}`)
  }
  assert.ok(fisher / runs > 0.09, `Fisher: ${fisher / runs}`)
})

/** P(χ² with 2m degrees of freedom > x). */
function chiSquareTail(x: number, m: number): number {
  let term = Math.exp(-x / 2)
  let sum = 0
  for (let i = 0; i < m; i++) {
    sum += term
    term *= x / 2 / (i + 1)
  }
  return sum
}

test('the rate of one calibration set lies in its Beta band', () => {
  const random = rng(7)
  const draw = (n: number): Float64Array[] => columns(Array.from({ length: n }, () => dependent(random, 3)))
  const calibration = calibrate(draw(5000), { tiers: [0, 0, 1], bands: [[0.01, 0.5]] })
  assert.equal(calibration.combined.length, 2500)
  const inputs = draw(20000)
  for (const alpha of [0.01, 0.05]) {
    const { level } = levelOf(calibration, alpha)
    let alarms = 0
    for (let i = 0; i < 20000; i++) {
      if (judge(calibration, [inputs[0][i], inputs[1][i], inputs[2][i]]).p <= level) alarms++
    }
    const { low, high } = betaBand(2500, alpha)
    assert.ok(alarms / 20000 > low && alarms / 20000 < high, `${alpha}: ${alarms / 20000}`)
  }
})

test('a cascade asks for a tier in its band, and ignores what it did not ask for', () => {
  const scores = Float64Array.from({ length: 200 }, (_, i) => i)
  const calibration = calibrate([scores, scores], { tiers: [0, 1], bands: [[0.1, 0.5]] })
  assert.equal(runsTier(calibration, [0], 0), true)
  assert.equal(runsTier(calibration, [50], 1), false)
  assert.equal(runsTier(calibration, [150], 1), true)
  assert.equal(runsTier(calibration, [500], 1), false)
  const spared = judge(calibration, [500])
  assert.equal(spared.p, 1 / 101)
  assert.ok(Number.isNaN(spared.perDetector[1]))
  assert.deepEqual(judge(calibration, [500, 3]), spared)
  assert.throws(() => judge(calibration, [150]), { code: 'INVALID_INPUT' })
  assert.throws(() => judge(calibration, [150, Number.NaN]), { code: 'INVALID_INPUT' })
  assert.throws(() => judge(calibration, [1e39, 1]), { code: 'INVALID_INPUT' })
})

test('one detector keeps all samples, and its level knows its side', () => {
  const scores = Float64Array.from({ length: 99 }, (_, i) => i)
  const calibration = calibrate([scores], { sides: ['both'] })
  assert.equal(judge(calibration, [100]).p, 0.02)
  assert.equal(levelOf(calibration, 0.05).rank, 4)
  assert.throws(() => levelOf(calibrate([scores, scores]), 0.01), { message: /197 calibration samples for several/ })
  assert.throws(() => levelOf(calibration, 0.01), {
    code: 'INVALID_ARGUMENT',
    message: /at least 199 calibration samples/,
  })
})

test('what cannot be calibrated is refused in a sentence', () => {
  const scores = Float64Array.of(1, 2, 3)
  const refused = (message: RegExp, columns: readonly Float64Array[], rules?: Partial<CalibrationRules>): void =>
    assert.throws(() => calibrate(columns, rules), { code: 'INVALID_ARGUMENT', message })
  refused(/at least one detector, got 0/, [])
  refused(/at least 2 samples, got 1/, [Float64Array.of(1), Float64Array.of(1)])
  refused(/detector 1 expected 3 numbers, got 2/, [scores, Float64Array.of(1, 2)])
  refused(/detector 0 expected finite numbers, got NaN for sample 1/, [
    Float64Array.of(1, Number.NaN),
    Float64Array.of(1, 2),
  ])
  refused(/finite numbers, got 1e\+39/, [Float64Array.of(1e39)])
  refused(/Sides expected one a detector \(1\), got 2/, [scores], { sides: ['upper', 'both'] })
  refused(/Tiers expected one a detector/, [scores], { tiers: [] })
  refused(/whole numbers from 0 to 0, got 1/, [scores, scores], { tiers: [0, 1] })
  refused(/always runs/, [scores], { tiers: [1], bands: [[0, 1]] })
  refused(/low ≤ high, got 0.5 and 0.1/, [scores, scores], { tiers: [0, 1], bands: [[0.5, 0.1]] })
})

test('a calibration judges the same after it was stored, and a broken one is refused', () => {
  const random = rng(8)
  const rows = Array.from({ length: 300 }, () => dependent(random, 3))
  const calibration = calibrate(columns(rows), { tiers: [0, 0, 1], bands: [[0, 0.5]], combine: 'cauchy' })
  const { tables, combined, ...rules } = calibration
  const restored: Calibration = {
    ...JSON.parse(JSON.stringify(rules)),
    tables: tables.map((table) => unpackTable(packTable(table))),
    combined: unpackTable(packTable(combined)),
  }
  checkCalibration(restored)
  for (const row of rows) assert.deepEqual(judge(restored, row), judge(calibration, row))
  const refused = (message: RegExp, change: object): void =>
    assert.throws(() => checkCalibration({ ...calibration, ...change }), { code: 'INVALID_ARGUMENT', message })
  refused(/Sides expected one a detector \(2\), got 3/, { tables: tables.slice(1) })
  refused(/at least one score, got 0/, { combined: new Float32Array(0) })
  refused(/ascend, got 1 at 1/, { combined: Float32Array.of(2, 1) })
  refused(/ascend, got NaN at 0/, { combined: Float32Array.of(Number.NaN) })
  refused(/upper or both, got lower/, { sides: ['upper', 'upper', 'lower'] })
  refused(/simes or cauchy, got fisher/, { combine: 'fisher' })
})
