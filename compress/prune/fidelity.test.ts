import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Components,
  compensated,
  compensation,
  componentScores,
  sharesOf,
  similarityOf,
  subsetFidelity,
  topComponents,
  unitScores,
} from './fidelity.ts'
import { noise } from './session.fixture.ts'

const COMPONENTS = 6
const SAMPLES = 40

/** Contributions of components in samples, correlated; and their similarity. */
function contributions(seed: number): { values: number[][]; similarity: Float64Array } {
  const { data } = noise([COMPONENTS + 3, SAMPLES], seed)
  const row = (i: number): number[] => Array.from(data.subarray(i * SAMPLES, (i + 1) * SAMPLES), Number)
  const shared = [row(COMPONENTS), row(COMPONENTS + 1), row(COMPONENTS + 2)]
  const values = Array.from({ length: COMPONENTS }, (_, i) => row(i).map((value, n) => value + i * shared[i % 3][n]))
  const similarity = new Float64Array(COMPONENTS ** 2)
  for (let i = 0; i < COMPONENTS; i++) {
    for (let j = 0; j < COMPONENTS; j++) {
      similarity[i * COMPONENTS + j] = values[i].reduce((sum, value, n) => sum + value * values[j][n], 0) / SAMPLES
    }
  }
  return { values, similarity }
}

const SUBSETS = Array.from({ length: 2 ** COMPONENTS }, (_, bits) =>
  Array.from({ length: COMPONENTS }, (_, i) => i).filter((i) => (bits >> i) & 1),
)

/** E‖Y − Σ δ A‖² / E‖Y‖². */
function lossOf(values: readonly number[][], subset: readonly number[], delta: ArrayLike<number>): number {
  let error = 0
  let power = 0
  for (let n = 0; n < SAMPLES; n++) {
    const y = values.reduce((sum, component) => sum + component[n], 0)
    const kept = subset.reduce((sum, i, at) => sum + delta[at] * values[i][n], 0)
    error += (y - kept) ** 2
    power += y ** 2
  }
  return error / power
}

test('the fidelity of every subset is what δ* attains, and no δ near it attains more', () => {
  const { values, similarity } = contributions(1)
  for (const subset of SUBSETS) {
    const delta = compensation(similarity, subset, 0)
    const fidelity = subsetFidelity(similarity, subset)
    assert.ok(Math.abs(fidelity - (1 - lossOf(values, subset, delta))) < 1e-9)
    for (const [i] of subset.entries()) {
      for (const step of [-1e-2, 1e-2]) {
        const other = delta.slice()
        other[i] += step
        assert.ok(lossOf(values, subset, other) > 1 - fidelity)
      }
    }
  }
})

test('fidelity lies between 0 and 1, is monotone, and is 1 for all components', () => {
  const { similarity } = contributions(2)
  for (const subset of SUBSETS) {
    const fidelity = subsetFidelity(similarity, subset)
    assert.ok(fidelity > -1e-9 && fidelity < 1 + 1e-9)
    for (const i of subset) {
      assert.ok(
        subsetFidelity(
          similarity,
          subset.filter((other) => other !== i),
        ) <=
          fidelity + 1e-9,
      )
    }
  }
  assert.ok(Math.abs(subsetFidelity(similarity, [0, 1, 2, 3, 4, 5]) - 1) < 1e-9)
  assert.equal(subsetFidelity(similarity, []), 0)
})

test('the score of a component is the fidelity of it alone', () => {
  const { similarity } = contributions(3)
  for (const [i, score] of componentScores(similarity).entries()) {
    assert.ok(Math.abs(score - subsetFidelity(similarity, [i])) < 1e-9)
  }
})

test('where components are uncorrelated, scores are shares of the power, and the best subset of k is the top k (theorem 3.9)', () => {
  const powers = [0.5, 3, 0, 1.5, 2, 1]
  const similarity = new Float64Array(COMPONENTS ** 2)
  for (const [i, power] of powers.entries()) similarity[i * (COMPONENTS + 1)] = power
  const scores = componentScores(similarity)
  assert.deepEqual(
    [...scores],
    powers.map((power) => power / 8),
  )
  for (let k = 1; k <= 4; k++) {
    const fidelityOf = (subset: readonly number[]) =>
      subset.reduce((sum, i) => sum + similarity[i * (COMPONENTS + 1)], 0) / 8
    const best = Math.max(...SUBSETS.filter(({ length }) => length === k).map(fidelityOf))
    const top = topComponents(scores, k)
    assert.equal(subsetFidelity(similarity, top), best)
  }
})

test('a layer of three taps: similarity, scores and compensation come from its weights and the Gram matrix', () => {
  const taps = 3
  const size = 4 * taps
  const inputs = noise([SAMPLES, size], 4).data
  const covariance = new Float64Array(size * size)
  for (let n = 0; n < SAMPLES; n++) {
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        covariance[i * size + j] += (Number(inputs[n * size + i]) * Number(inputs[n * size + j])) / SAMPLES
      }
    }
  }
  const reader: Components = {
    rows: 2,
    size,
    weights: Float64Array.from(noise([2, size], 5).data as Float32Array),
    covariance,
    columns: [0, 1, 2, 3].map((i) => [0, 1, 2].map((tap) => i * taps + tap)),
  }
  const contribution = (output: number, i: number, n: number): number =>
    reader.columns[i].reduce(
      (sum, column) => sum + reader.weights[output * size + column] * Number(inputs[n * size + column]),
      0,
    )
  const highest = unitScores([reader], 4)
  const scored = new Float64Array(4)
  const scaled = compensated(reader, [0, 3])
  for (let output = 0; output < 2; output++) {
    const similarity = similarityOf(reader, output)
    for (let i = 0; i < 4; i++) {
      for (let j = 0; j < 4; j++) {
        let mean = 0
        for (let n = 0; n < SAMPLES; n++) mean += (contribution(output, i, n) * contribution(output, j, n)) / SAMPLES
        assert.ok(Math.abs(similarity[i * 4 + j] - mean) < 1e-9)
      }
      scored[i] = Math.max(scored[i], componentScores(similarity)[i])
    }
    const delta = compensation(similarity, [0, 3])
    for (const [at, i] of [0, 3].entries()) {
      for (const column of reader.columns[i]) {
        assert.equal(scaled[output * size + column], reader.weights[output * size + column] * delta[at])
      }
    }
    for (const i of [1, 2]) for (const column of reader.columns[i]) assert.equal(scaled[output * size + column], 0)
  }
  for (let i = 0; i < 4; i++) assert.ok(Math.abs(highest[i] - scored[i]) < 1e-9)
})

test('components that are always zero score 0, and leave the rest as it is', () => {
  const nothing = new Float64Array(9)
  assert.deepEqual([...componentScores(nothing)], [0, 0, 0])
  assert.deepEqual([...compensation(nothing, [0, 2])], [1, 1])
  assert.equal(subsetFidelity(nothing, [0]), 1)
  assert.deepEqual([...sharesOf(Float64Array.of(1, 2, 2, 5))], [3, 7])
})
