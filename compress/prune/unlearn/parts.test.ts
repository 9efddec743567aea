import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Matrix, solve } from 'ml-matrix'
import { makeUntypedOutput, readModel, writeModel } from '../../../sdk/onnx/index.ts'
import { analysed } from '../analysed.ts'
import { layersOf, type PrunableLayer } from '../layers.ts'
import { Net } from '../net.fixture.ts'
import { execute, noise, samplesOf } from '../session.fixture.ts'
import { type CrossStatistics, mixture, statisticsOf } from '../statistics.ts'
import { CLASSES, cluster, convNet, FLAT, IMAGE, outputsOf, perceptron, samplesFor } from './classifier.fixture.ts'
import { appendForgetting, directionsOf, FORGET_WEIGHT } from './direction.ts'
import { lowered, mixedMoments } from './moments.ts'
import { logitsOf, predictionsOf, shareDiffering } from './predictions.ts'
import { columnsOfTop, componentShares, editedColumns, editedComponents, energies, inputScores } from './scores.ts'

const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-4): void => {
  assert.equal(actual.length, expected.length)
  for (let i = 0; i < actual.length; i++) {
    assert.ok(
      Math.abs(actual[i] - expected[i]) <= tolerance * (1 + Math.abs(expected[i])),
      `${i}: ${actual[i]}, ${expected[i]}`,
    )
  }
}

/** The second convolution of a small net and what it reads. */
async function convolution(): Promise<{ layer: PrunableLayer; moments: (seed: number) => Promise<CrossStatistics> }> {
  const net = new Net([2, 5, 5])
  const hidden = net.convRelu(net.input, 2, 3)
  const model = net.model(net.conv(hidden, 3, 4))
  const analysis = await analysed(model, samplesOf(noise([4, 2, 5, 5], 1)), execute, {})
  const layer = [...layersOf(analysis).values()][1]
  const moments = async (seed: number) => {
    const samples = samplesOf(noise([12, 2, 5, 5], seed))
    return (await statisticsOf(analysis, [layer.contraction], samples, execute)).get(layer.name) as CrossStatistics
  }
  return { layer, moments }
}

test('the energy of a component is the power of what it alone gives', async () => {
  const x = noise([6, 3, 5, 5], 3)
  const identity = new Net([3, 5, 5])
  const same = identity.model(identity.conv(identity.input, 3, 4))
  const analysis = await analysed(same, samplesOf(x), execute, {})
  const own = [...layersOf(analysis).values()][0]
  const statistics = (await statisticsOf(analysis, [own.contraction], samplesOf(x), execute)).get(own.name)
  assert.ok(statistics)
  const found = energies(own, statistics)
  const { columns, rows } = own.layout
  for (const [row, input] of [
    [0, 0],
    [2, 1],
    [3, 2],
  ]) {
    const data = new Float32Array(rows * columns)
    for (let tap = 0; tap < 9; tap++)
      data[row * columns + input * 9 + tap] = own.weights[row * columns + input * 9 + tap]
    const single = new Net([3, 5, 5])
    const w = single.constant({ dtype: 'float32', shape: [4, 3, 3, 3], data })
    const only = single.model(single.node('Conv', [single.input, w], { pads: [1, 1, 1, 1] }))
    const [{ data: y }] = Object.values(await outputsOf(only, x))
    const power = Array.from(y as Float32Array).reduce((sum, value) => sum + value ** 2, 0) / (6 * 25)
    close([found[row * 3 + input]], [power])
  }
  const shares = componentShares(own, statistics)
  for (let row = 0; row < 4; row++) close([shares.subarray(3 * row, 3 * row + 3).reduce((a, b) => a + b, 0)], [1], 1e-9)
})

test('inputs that speak on samples to forget only score highest, and are edited', async () => {
  const { layer, moments } = await convolution()
  const [forget, retain] = [await moments(4), await moments(5)]
  const { columns, columnsOfInput: taps } = layer.layout
  const quiet = { ...retain, gram: retain.gram.map((v, i) => (Math.floor((i % columns) / taps) === 1 ? v * 1e-3 : v)) }
  const scores = inputScores(layer, forget, quiet)
  assert.equal(scores.indexOf(Math.max(...scores)), 1)
  const top = columnsOfTop(layer, scores, 1 / 3)
  assert.deepEqual(
    top,
    Array.from({ length: 9 }, (_, i) => 9 + i),
  )
  for (const [edit, factor] of [
    ['zero', 0],
    ['negate', -1],
  ] as const) {
    const { kept, weights } = editedColumns(layer, top, edit)
    assert.equal(kept.length, edit === 'zero' ? 18 : 27)
    close(
      weights,
      layer.weights.map((w, i) => (top.includes(i % columns) ? factor * w : w)),
      0,
    )
    const components = editedComponents(
      layer,
      Float64Array.from({ length: 12 }, (_, i) => (i === 7 ? 1 : 0)),
      1 / 12,
      edit,
    )
    close(
      components,
      layer.weights.map((w, i) => (Math.floor(i / taps) === 7 ? factor * w : w)),
      0,
    )
  }
  const silent = { ...forget, gram: forget.gram.map(() => 0) }
  assert.ok(componentShares(layer, silent).every((share) => share === 0))
  assert.ok(inputScores(layer, silent, silent).every((score) => score === 0))
})

/** Moments as plain loops over pairs (u, t), each with a weight. */
function naive(pairs: readonly { u: number[]; t: number[]; weight: number }[]): CrossStatistics {
  const total = pairs.reduce((sum, { weight }) => sum + weight, 0)
  const sum = (length: number, value: (pair: { u: number[]; t: number[] }, i: number) => number) =>
    Float64Array.from({ length }, (_, i) => pairs.reduce((s, pair) => s + (pair.weight * value(pair, i)) / total, 0))
  return {
    rows: pairs.length,
    taps: 1,
    size: 2,
    mean: sum(2, ({ u }, i) => u[i]),
    gram: sum(4, ({ u }, i) => u[i >> 1] * u[i & 1]),
    targetMean: sum(3, ({ t }, i) => t[i]),
    targetPower: sum(3, ({ t }, i) => t[i] ** 2),
    cross: sum(6, ({ u, t }, i) => t[i >> 1] * u[i & 1]),
  }
}

test('moments mixed and lowered are those of the mixed and lowered samples', () => {
  const { data } = noise([10, 5], 2)
  const pairs = Array.from({ length: 10 }, (_, row) => {
    const own = Array.from(data.slice(5 * row, 5 * row + 5), Number)
    return { u: own.slice(0, 2), t: own.slice(2), weight: 1 }
  })
  const [a, b] = [pairs.slice(0, 5), pairs.slice(5)]
  const v = Float64Array.of(0.5, -1, 2)
  const lower = b.map(({ u, t }) => ({ u, t: t.map((value, i) => value - 3 * v[i]), weight: 0.2 }))
  const found = mixture(naive(a), lowered(naive(b), v, 3), [1, 0.2])
  const expected = naive([...a, ...lower])
  for (const key of ['mean', 'gram', 'targetMean', 'targetPower', 'cross'] as const)
    close(found[key], expected[key], 1e-9)
  const whole = { whole: naive(a) }
  const parts = { whole: naive(a), halves: [naive(a), naive(b)] as const }
  const keep = (x: CrossStatistics): CrossStatistics => x
  assert.equal(mixedMoments(whole, parts, keep).halves, undefined)
  assert.equal(mixedMoments(parts, whole, keep).halves, undefined)
  assert.equal(mixedMoments(parts, parts, keep).halves?.[1], parts.halves[1])
})

for (const [name, make, dims] of [
  ['Gemm', () => perceptron(), FLAT],
  ['convolutions', () => convNet(), IMAGE],
] as const) {
  test(`the direction is the regression of outputs on logits: ${name}`, async () => {
    const [forget, retain] = [cluster([1], 20, dims, 5), cluster([0, 2, 3], 50, dims, 6)]
    const analysis = await analysed(await make(), samplesOf(retain), execute, {})
    const layers = [...layersOf(analysis).values()].slice(1, 3)
    const logits = logitsOf(analysis)
    const all = (count: number): number[] => Array.from({ length: count }, (_, i) => i)
    const plan = { analysis, logits, chosen: 1, execute, calls: {} }
    const sets = { forget: samplesOf(forget), fitted: all(20), retain: samplesOf(retain), retained: all(50) }
    const found = await directionsOf({ ...plan, ...sets }, layers)
    for (const layer of layers) {
      const { model } = analysis
      const open = readModel(writeModel(model))
      open.graph.output.push(makeUntypedOutput(layer.name))
      const rows: { t: number[]; z: number[]; weight: number }[] = []
      for (const [tensor, weight] of [
        [retain, 1 / 50],
        [forget, FORGET_WEIGHT / 20],
      ] as const) {
        const outputs = await outputsOf(open, tensor)
        const [count, channels] = outputs[layer.name].shape
        const positions = outputs[layer.name].data.length / count / channels
        for (let row = 0; row < count; row++) {
          const z = Array.from(outputs[logits].data.slice(row * CLASSES, (row + 1) * CLASSES), Number)
          const mean = z.reduce((a, b) => a + b, 0) / CLASSES
          const t = Array.from({ length: channels }, (_, c) => {
            const from = (row * channels + c) * positions
            return Array.from(outputs[layer.name].data.slice(from, from + positions), Number).reduce(
              (a, b) => a + b / positions,
              0,
            )
          })
          rows.push({ t, z: z.map((value) => value - mean), weight: weight / (1 + FORGET_WEIGHT) })
        }
      }
      const meanOf = (key: 't' | 'z', i: number) => rows.reduce((sum, row) => sum + row.weight * row[key][i], 0)
      const covariance = (a: 't' | 'z', i: number, j: number) =>
        rows.reduce((sum, row) => sum + row.weight * (row[a][i] - meanOf(a, i)) * (row.z[j] - meanOf('z', j)), 0)
      const zz = new Matrix(all(CLASSES).map((i) => all(CLASSES).map((j) => covariance('z', i, j))))
      const ridge = (0.01 * zz.trace()) / CLASSES
      const e = Matrix.columnVector(all(CLASSES).map((i) => (i === 1 ? 1 : 0) - 1 / CLASSES))
      const weights = solve(zz.add(Matrix.eye(CLASSES).mul(ridge)), e).to1DArray()
      const expected = rows[0].t.map((_, i) =>
        all(CLASSES).reduce((sum, k) => sum + covariance('t', i, k) * weights[k], 0),
      )
      const { direction, axis, rank } = found.get(layer.name) as NonNullable<ReturnType<typeof found.get>>
      close(direction, expected, 1e-3)
      assert.equal(axis, 1)
      const target = appendForgetting(open, layer.name, {
        logits,
        classes: CLASSES,
        chosen: 1,
        direction: { direction, axis, rank },
      })
      open.graph.output.push(makeUntypedOutput(target))
      const outputs = await outputsOf(open, forget)
      const z = Array.from(outputs[logits].data.slice(0, CLASSES), Number)
      const margin = z[1] - Math.max(z[0], z[2], z[3])
      const size = outputs[target].data.length / 20
      const positions = size / direction.length
      close(
        Array.from(outputs[target].data.slice(0, size), Number),
        Array.from(
          outputs[layer.name].data.slice(0, size) as Float32Array,
          (t, i) => t - margin * direction[Math.floor(i / positions)],
        ),
        1e-4,
      )
    }
  })
}

test('predictions: the best class, the commonest, and how far it leads', async () => {
  const model = await perceptron()
  const samples = samplesFor([0, 1, 1, 3], 80, FLAT, 8)
  const analysis = await analysed(model, samples, execute, {})
  const all = Array.from({ length: 80 }, (_, i) => i)
  const { classes, columns, mostly, margin } = await predictionsOf(
    analysis.model,
    logitsOf(analysis),
    samples,
    all,
    execute,
    {},
  )
  const { data } = (await outputsOf(model, cluster([0, 1, 1, 3], 80, FLAT, 8)))[model.graph.output[0].name]
  let lead = 0
  for (let row = 0; row < 80; row++) {
    const scores = Array.from(data.slice(4 * row, 4 * row + 4), Number)
    assert.equal(classes[row], scores.indexOf(Math.max(...scores)))
    const [first, second] = scores.toSorted((a, b) => b - a)
    lead += first - second
  }
  assert.equal(columns, 4)
  assert.equal(mostly, 1)
  close([margin], [lead / 80])
  assert.equal(shareDiffering(Int32Array.of(1, 2, 3, 4), Int32Array.of(1, 2, 0, 4)), 0.25)
})
