import assert from 'node:assert/strict'
import { test } from 'node:test'
import { normal, rng } from '../../sdk/core/index.ts'
import { initialParameters, lossAndGradient, makeParameters, type NetworkShape } from './gradient.ts'
import { clipNorm, conformalFactor, distance, exp0, gyroplaneLogit } from './poincare.ts'

const GENUINE = 6

function scene(radius: number, curvature: number, gain: number, rows = 11) {
  const shape: NetworkShape = { sizes: [5, 7, 6, 3], curvature, radius }
  const random = rng(3)
  const parameters = initialParameters(shape, random)
  for (let i = 0; i < parameters.all.length; i++) parameters.all[i] = gain * (parameters.all[i] + 0.1 * normal(random))
  const batch = Float64Array.from({ length: rows * shape.sizes[0] }, () => normal(random))
  return { shape, parameters, batch }
}

const scenes = [
  { name: 'nothing clipped', radius: 100, curvature: 0.1, gain: 0.6, rows: 11 },
  { name: 'all clipped', radius: 0.05, curvature: 0.1, gain: 1, rows: 11 },
  { name: 'some clipped, strongly curved', radius: 1, curvature: 1, gain: 1, rows: 12 },
]

for (const { name, radius, curvature, gain, rows } of scenes) {
  test(`every gradient equals finite differences: ${name}`, () => {
    const { shape, parameters, batch } = scene(radius, curvature, gain, rows)
    const gradient = makeParameters(shape)
    const scratch = makeParameters(shape)
    for (const pairWeight of [0, 0.7]) {
      lossAndGradient(shape, parameters, batch, GENUINE, pairWeight, gradient)
      const step = 1e-6
      let moving = 0
      for (let i = 0; i < parameters.all.length; i++) {
        const [up, down] = [step, -step].map((change) => {
          const moved = makeParameters(shape)
          moved.all.set(parameters.all)
          moved.all[i] += change
          return lossAndGradient(shape, moved, batch, GENUINE, pairWeight, scratch)
        })
        const expected = (up - down) / (2 * step)
        if (Math.abs(expected) > 1e-6) moving++
        const error = Math.abs(gradient.all[i] - expected)
        assert.ok(error <= 1e-8 + 1e-5 * Math.abs(expected), `${i}: ${gradient.all[i]} is not ${expected}`)
      }
      assert.ok(moving > parameters.all.length / 2, `only ${moving} numbers move the loss`)
    }
  })
}

test('the loss is the one that the formulas of the ball give', () => {
  const { shape, parameters, batch } = scene(1, 0.1, 1)
  const { sizes, curvature: c, radius } = shape
  const rows = batch.length / sizes[0]
  const embedded = Array.from({ length: rows }, (_, row) => {
    let x = Array.from(batch.subarray(row * sizes[0], (row + 1) * sizes[0]))
    parameters.weights.forEach((weights, layer) => {
      x = Array.from(parameters.biases[layer], (bias, o) => {
        const sum = x.reduce((total, value, i) => total + value * weights[o * x.length + i], bias)
        return layer < parameters.weights.length - 1 ? Math.max(sum, 0) : sum
      })
    })
    return exp0(clipNorm(x, radius), c)
  })
  const points = parameters.points.map((q) => exp0(q, c))
  const normals = parameters.normals.map((a, k) => a.map((value) => (2 * value) / conformalFactor(points[k], c)))
  let expected = 0
  embedded.forEach((h, row) => {
    const powers = [0, 1].map((k) => Math.exp(gyroplaneLogit(h, points[k], normals[k], c)))
    expected -= Math.log(powers[row < GENUINE ? 0 : 1] / (powers[0] + powers[1])) / rows
  })
  for (let i = 0; i < GENUINE / 2; i++) {
    expected += (0.7 * distance(embedded[i], embedded[i + GENUINE / 2], c)) / GENUINE
  }
  const loss = lossAndGradient(shape, parameters, batch, GENUINE, 0.7, makeParameters(shape))
  assert.ok(Math.abs(loss - expected) <= 1e-12 * expected, `${loss} is not ${expected}`)
})

test('pairs of equal samples, u = 0 and huge u give finite gradients', () => {
  const { shape, parameters, batch } = scene(1, 0.1, 1)
  for (const value of [0, 1e150]) {
    batch.fill(value)
    const gradient = makeParameters(shape)
    const loss = lossAndGradient(shape, parameters, batch, GENUINE, 1, gradient)
    assert.ok(Number.isFinite(loss) && gradient.all.every(Number.isFinite), `${value}`)
  }
  parameters.all.fill(0)
  const gradient = makeParameters(shape)
  lossAndGradient(shape, parameters, batch, GENUINE, 1, gradient)
  assert.ok(gradient.all.every(Number.isFinite))
})
