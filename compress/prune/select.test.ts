import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fullRefit, type Layer, masked, RIDGE, ridge, sequentialRefit } from './refit.ts'
import { powerOf, removals, type System } from './select.ts'
import { noise } from './session.fixture.ts'
import { mixture } from './statistics.ts'
import { cholesky, factorOf, inverseOf, principal, solveRows, withRidge } from './symmetric.ts'

const UNITS = 5
const TAPS = 2
const SIZE = UNITS * TAPS
const ROWS = 3
const SAMPLES = 200

/** Correlated columns, `[SAMPLES, SIZE]`, off zero. */
function columnsOf(seed: number): Float64Array {
  const { data } = noise([SAMPLES, SIZE + 2], seed)
  const columns = new Float64Array(SAMPLES * SIZE)
  for (let n = 0; n < SAMPLES; n++) {
    for (let i = 0; i < SIZE; i++) {
      const own = Number(data[n * (SIZE + 2) + i])
      const shared = Number(data[n * (SIZE + 2) + SIZE + (i % 2)])
      columns[n * SIZE + i] = own + shared * (1 + i / 4) + i / 3
    }
  }
  return columns
}

function momentsOf(columns: Float64Array): { mean: Float64Array; gram: Float64Array; covariance: Float64Array } {
  const mean = new Float64Array(SIZE)
  const gram = new Float64Array(SIZE * SIZE)
  for (let n = 0; n < SAMPLES; n++) {
    for (let i = 0; i < SIZE; i++) {
      mean[i] += columns[n * SIZE + i] / SAMPLES
      for (let j = 0; j < SIZE; j++) gram[i * SIZE + j] += (columns[n * SIZE + i] * columns[n * SIZE + j]) / SAMPLES
    }
  }
  return { mean, gram, covariance: gram.map((value, at) => value - mean[Math.floor(at / SIZE)] * mean[at % SIZE]) }
}

const weights = Float64Array.from(noise([ROWS, SIZE], 9).data as Float32Array)
const bias = Float64Array.of(0.5, -1, 2)
const layout = { groups: 1, rows: ROWS, columns: SIZE, rowsOfOutput: 1, columnsOfInput: TAPS, at: () => 0 }
const layer: Layer = { name: 'layer', layout, weights, bias }

function systemOf(seed: number): System {
  const { covariance } = momentsOf(columnsOf(seed))
  return {
    rows: ROWS,
    size: SIZE,
    weights,
    covariance,
    precision: inverseOf(factorOf(withRidge(covariance, SIZE, RIDGE), SIZE, ''), SIZE),
    columns: Array.from({ length: UNITS }, (_, unit) => [unit * TAPS, unit * TAPS + 1]),
  }
}

/** E‖W u + b − W' ũ − b'‖². */
function errorOf(columns: Float64Array, seen: Float64Array, other: Float64Array, otherBias: ArrayLike<number>): number {
  let error = 0
  for (let n = 0; n < SAMPLES; n++) {
    for (let row = 0; row < ROWS; row++) {
      let lost = bias[row] - otherBias[row]
      for (let i = 0; i < SIZE; i++) {
        lost += weights[row * SIZE + i] * columns[n * SIZE + i] - other[row * SIZE + i] * seen[n * SIZE + i]
      }
      error += lost ** 2 / SAMPLES
    }
  }
  return error
}

const near = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-8): void => {
  assert.equal(actual.length, expected.length)
  for (let i = 0; i < actual.length; i++) {
    assert.ok(Math.abs(actual[i] - expected[i]) <= tolerance, `${i}: ${actual[i]} is not ${expected[i]}`)
  }
}

const keptColumnsOf = (units: readonly number[]): number[] => units.flatMap((unit) => [unit * TAPS, unit * TAPS + 1])

test('a factor times its transpose is the matrix, an inverse times the matrix the identity, solved rows times it the rows', () => {
  const { covariance } = momentsOf(columnsOf(1))
  const factor = cholesky(covariance, SIZE)
  assert.ok(factor)
  const inverse = inverseOf(factor, SIZE)
  const rows = Float64Array.from(weights)
  solveRows(factor, SIZE, rows)
  for (let i = 0; i < SIZE; i++) {
    for (let j = 0; j < SIZE; j++) {
      let [square, identity] = [0, 0]
      for (let k = 0; k < SIZE; k++) {
        square += factor[i * SIZE + k] * factor[j * SIZE + k]
        identity += inverse[i * SIZE + k] * covariance[k * SIZE + j]
      }
      near([square, identity], [covariance[i * SIZE + j], i === j ? 1 : 0])
    }
  }
  for (let row = 0; row < ROWS; row++) {
    for (let j = 0; j < SIZE; j++) {
      let product = 0
      for (let k = 0; k < SIZE; k++) product += rows[row * SIZE + k] * covariance[k * SIZE + j]
      near([product], [weights[row * SIZE + j]])
    }
  }
  near(principal(Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), 3, [0, 2]), [1, 3, 7, 9])
})

test('a singular Gram matrix is one sentence that names the layer', () => {
  assert.equal(cholesky(Float64Array.of(1, 1, 1, 1), 2), undefined)
  assert.throws(() => factorOf(new Float64Array(4), 2, 'conv7'), {
    code: 'INVALID_INPUT',
    message:
      'The inputs of layer "conv7" expected a Gram matrix of full rank over the samples, got a singular one. Give more, and more different, samples.',
  })
  const { covariance } = momentsOf(new Float64Array(SAMPLES * SIZE).fill(Number.NaN))
  assert.throws(() => ridge(covariance, weights, weights, [0, 1], 'conv7'), { code: 'INVALID_INPUT' })
})

test('removed one by one, weights are those of the closed form: W_S + W_R Σ_RS (Σ_SS + λI)⁻¹', () => {
  const system = systemOf(2)
  const { mean, gram } = momentsOf(columnsOf(2))
  const moments = { rows: SAMPLES, taps: TAPS, size: SIZE, mean, gram }
  let steps = 0
  for (const { kept, weights: left } of removals([system], UNITS)) {
    const { weights: expected } = fullRefit(layer, moments, [keptColumnsOf(kept)])
    near(left[0], expected, 1e-7)
    steps++
  }
  assert.equal(steps, UNITS)
})

test('each removal loss is the ridge error that the refit leaves, and the unit of the least goes first', () => {
  const system = systemOf(3)
  let trace = 0
  for (let i = 0; i < SIZE; i++) trace += system.covariance[i * (SIZE + 1)] / SIZE
  // E‖(W − W')u‖² + λ‖W − W'‖², as a share of E‖W u‖²: what the block elimination counts.
  const penalised = (other: Float64Array): number => {
    const lost = weights.map((value, i) => value - other[i])
    const norm = lost.reduce((sum, value) => sum + value ** 2, 0)
    return (powerOf({ ...system, weights: lost }) + RIDGE * trace * norm) / powerOf(system)
  }
  const [first] = removals([system], UNITS)
  const losses = Array.from({ length: UNITS }, (_, unit) => {
    const [one] = removals([system], UNITS, [unit, 0])
    return penalised(one.weights[0])
  })
  assert.equal(first.unit, losses.indexOf(Math.min(...losses)))
  near([first.loss], [Math.min(...losses)])
  let total = 0
  for (const { loss, weights: left } of removals([system], UNITS)) {
    total += loss
    near([total], [penalised(left[0])], 1e-7)
  }
})

test('two readers count together, each as a share of its power', () => {
  const [a, b] = [systemOf(4), systemOf(5)]
  const louder = { ...b, weights: b.weights.map((weight) => 100 * weight) }
  const orders = [b, louder].map((other) => Array.from(removals([a, other], UNITS), ({ unit }) => unit))
  assert.deepEqual(orders[0], orders[1])
})

test('a given order is kept', () => {
  assert.deepEqual(
    Array.from(removals([systemOf(6)], UNITS, [4, 2, 0, 3, 1]), ({ unit }) => unit),
    [4, 2, 0, 3, 1],
  )
})

test('no other weights on the kept columns lose less than the full refit, and its outputs keep their mean', () => {
  const columns = columnsOf(7)
  const { mean, gram } = momentsOf(columns)
  const kept = keptColumnsOf([0, 2, 3])
  const refit = fullRefit(layer, { rows: SAMPLES, taps: TAPS, size: SIZE, mean, gram }, [kept])
  const least = errorOf(columns, columns, refit.weights, refit.bias)
  const zeroed = masked(layer, [kept])
  assert.ok(least < 0.5 * errorOf(columns, columns, zeroed.weights, zeroed.bias))
  const nudged = (at: number, by: number): Float64Array => {
    const other = refit.weights.slice()
    other[at] += by
    return other
  }
  for (const at of kept)
    for (const by of [-0.1, 0.1]) assert.ok(errorOf(columns, columns, nudged(at, by), refit.bias) > least)
  for (let row = 0; row < ROWS; row++) {
    let [before, after] = [bias[row], refit.bias[row]]
    for (let i = 0; i < SIZE; i++) {
      before += weights[row * SIZE + i] * mean[i]
      after += refit.weights[row * SIZE + i] * mean[i]
    }
    near([after], [before])
  }
})

/** Moments of columns and targets. */
function momentsWith(columns: Float64Array, targets: Float64Array, rows: number) {
  const moments = {
    rows,
    taps: TAPS,
    size: SIZE,
    mean: new Float64Array(SIZE),
    gram: new Float64Array(SIZE * SIZE),
    targetMean: new Float64Array(ROWS),
    targetPower: new Float64Array(ROWS),
    cross: new Float64Array(ROWS * SIZE),
  }
  for (let n = 0; n < rows; n++) {
    for (let i = 0; i < SIZE; i++) {
      moments.mean[i] += columns[n * SIZE + i] / rows
      for (let j = 0; j < SIZE; j++)
        moments.gram[i * SIZE + j] += (columns[n * SIZE + i] * columns[n * SIZE + j]) / rows
    }
    for (let row = 0; row < ROWS; row++) {
      const t = targets[n * ROWS + row]
      moments.targetMean[row] += t / rows
      moments.targetPower[row] += t ** 2 / rows
      for (let i = 0; i < SIZE; i++) moments.cross[row * SIZE + i] += (t * columns[n * SIZE + i]) / rows
    }
  }
  return moments
}

/** Moments of ũ and of what the layer should give. */
function crossOf(columns: Float64Array, seen: Float64Array, added: Float64Array) {
  const { mean, gram } = momentsOf(seen)
  const targetMean = new Float64Array(ROWS)
  const targetPower = new Float64Array(ROWS)
  const cross = new Float64Array(ROWS * SIZE)
  for (let n = 0; n < SAMPLES; n++) {
    for (let row = 0; row < ROWS; row++) {
      let t = added[row]
      for (let i = 0; i < SIZE; i++) t += weights[row * SIZE + i] * columns[n * SIZE + i]
      targetMean[row] += t / SAMPLES
      targetPower[row] += t ** 2 / SAMPLES
      for (let i = 0; i < SIZE; i++) cross[row * SIZE + i] += (t * seen[n * SIZE + i]) / SAMPLES
    }
  }
  return { whole: { rows: SAMPLES, taps: TAPS, size: SIZE, mean, gram, targetMean, targetPower, cross } }
}

test('on what the layer reads in the pruned net, the sequential refit loses less than the full one', () => {
  const columns = columnsOf(8)
  const { data } = noise([SAMPLES, SIZE], 10)
  const seen = columns.map((value, i) => 0.8 * value + 0.3 * Number(data[i]) + 0.1)
  const kept = keptColumnsOf([0, 1, 4])
  const { mean, gram } = momentsOf(columns)
  const before = fullRefit(layer, { rows: SAMPLES, taps: TAPS, size: SIZE, mean, gram }, [kept])
  const after = sequentialRefit(layer, crossOf(columns, seen, bias), [kept], weights)
  const error = errorOf(columns, seen, after.weights, after.bias)
  assert.ok(error < 0.8 * errorOf(columns, seen, before.weights, before.bias))
  for (const at of kept) {
    for (const by of [-0.1, 0.1]) {
      const other = after.weights.slice()
      other[at] += by
      assert.ok(errorOf(columns, seen, other, after.bias) > error)
    }
  }
  const unbiased = sequentialRefit(layer, crossOf(columns, seen, new Float64Array(ROWS)), [kept], weights, bias)
  near(unbiased.weights, after.weights)
  near(unbiased.bias, after.bias)
})

test('where nothing has changed yet, both refits are the same', () => {
  const columns = columnsOf(11)
  const { mean, gram } = momentsOf(columns)
  const kept = keptColumnsOf([1, 2])
  const full = fullRefit(layer, { rows: SAMPLES, taps: TAPS, size: SIZE, mean, gram }, [kept])
  const sequential = sequentialRefit(layer, crossOf(columns, columns, bias), [kept], weights)
  near(sequential.weights, full.weights)
  near(sequential.bias, full.bias)
})

test('for channels only, kernels move with the channels that stand in for them', () => {
  // Two taps as rows: W is [outputs · taps, channels]; channel 1 is twice channel 0, so its weights go there.
  const narrow = { groups: 1, rows: 4, columns: 2, rowsOfOutput: 2, columnsOfInput: 1, at: () => 0 }
  const own: Layer = {
    name: 'wide',
    layout: narrow,
    weights: Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    bias: Float64Array.of(0.5, 0.25),
  }
  const mean = Float64Array.of(1, 2)
  const gram = Float64Array.of(2, 4, 4, 8)
  const moments = {
    rows: 9,
    taps: 1,
    size: 2,
    mean,
    gram,
    targets: 2,
    targetMean: mean,
    targetPower: mean,
    cross: gram,
  }
  for (const refit of [fullRefit(own, moments, [[0]]), sequentialRefit(own, { whole: moments }, [[0]], own.weights)]) {
    near(refit.weights, [5, 0, 11, 0, 17, 0, 23, 0], 0.05)
    near(refit.bias, own.bias, 0.1)
  }
})

test('where samples are few, the ridge that does best on the other half loses less on new samples', () => {
  const kept = keptColumnsOf([0, 1, 2, 3, 4])
  // Columns that say nothing of the target beyond what the prior gives: less is to be learned than the samples seem to say.
  const half = (seed: number) => {
    const columns = columnsOf(seed).subarray(0, 14 * SIZE)
    const { data } = noise([14, ROWS], seed + 50)
    const targets = Float64Array.from({ length: 14 * ROWS }, (_, at) => {
      let t = 4 * Number(data[at])
      for (let i = 0; i < SIZE; i++) t += weights[(at % ROWS) * SIZE + i] * columns[Math.floor(at / ROWS) * SIZE + i]
      return t
    })
    return momentsWith(columns, targets, 14)
  }
  const fresh = columnsOf(60)
  const error = (refit: { weights: Float64Array }): number => {
    const { covariance } = momentsOf(fresh)
    const lost = refit.weights.map((weight, i) => weight - weights[i])
    return powerOf({ rows: ROWS, size: SIZE, weights: lost, covariance, precision: covariance, columns: [] })
  }
  const [first, second] = [half(20), half(30)]
  const both = mixture(first, second)
  const tried = sequentialRefit(layer, { whole: both, halves: [first, second] }, [kept], weights)
  const plain = sequentialRefit(layer, { whole: both }, [kept], weights)
  assert.ok(error(tried) < 0.7 * error(plain), `${error(tried)} of ${error(plain)}`)
})
