import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Analysis, analyse, observeValues, slice } from '../../compress/prune/index.ts'
import { node } from '../../targets/node.ts'
import type { Target } from '../../targets/types.ts'
import { normal, rng, type Tensor } from '../core/index.ts'
import {
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  makeTensor,
  makeValue,
  readModel,
  writeModel,
} from '../onnx/index.ts'
import { latencyCost } from './latency-cost.ts'
import { bytesByContraction, bytesCost, packedSizes } from './packed-bytes.ts'
import { sharesOf } from './widths.ts'

const random = rng(11)
const weight = (name: string, shape: readonly number[]) =>
  makeTensor(name, {
    dtype: 'float32',
    shape,
    data: Float32Array.from({ length: shape.reduce((product, dim) => product * dim) }, () => normal(random)),
  })

/** A convolution, a depthwise one, and two more: two groups of channels, one of which goes through the depthwise one. */
function network(): Model {
  return makeModel(
    makeGraph('g', {
      nodes: [
        makeNode('Conv', ['x', 'w1'], ['a'], { pads: [1, 1, 1, 1] }),
        makeNode('Relu', ['a'], ['b']),
        makeNode('Conv', ['b', 'w2'], ['c'], { pads: [1, 1, 1, 1], group: 32 }),
        makeNode('Conv', ['c', 'w3'], ['d']),
        makeNode('Relu', ['d'], ['e']),
        makeNode('Conv', ['e', 'w4'], ['y']),
      ],
      inputs: [makeValue('x', 'float32', ['n', 3, 8, 8])],
      outputs: [makeValue('y', 'float32', ['n', 5, 8, 8])],
      initializers: [
        weight('w1', [32, 3, 3, 3]),
        weight('w2', [32, 1, 3, 3]),
        weight('w3', [64, 32, 1, 1]),
        weight('w4', [5, 64, 1, 1]),
      ],
    }),
  )
}

const target = node({ threads: 1 })
const sample: Tensor = { dtype: 'float32', shape: [1, 3, 8, 8], data: new Float32Array(192).fill(0.5) }
const samples = { count: 1, batch: async (rows: readonly number[]) => many(rows.length) }
const many = (count: number): Tensor => ({
  dtype: 'float32',
  shape: [count, 3, 8, 8],
  data: Float32Array.from({ length: 192 * count }, (_, i) => Math.sin(i)),
})

async function analysed(): Promise<Analysis> {
  const model = network()
  return analyse(model, await observeValues(model, samples, (own) => target.create({ model: own })))
}

/** Half of the first group, a quarter of the second. */
function narrowed({ groups }: Analysis): Map<string, number[]> {
  const upTo = (count: number) => Array.from({ length: count }, (_, i) => i)
  return new Map(groups.map(({ name, units }) => [name, upTo(units === 32 ? 16 : 16)]))
}

test('shares of weights are those of the sliced model', async () => {
  const analysis = await analysed()
  assert.equal(analysis.groups.length, 2)
  const kept = narrowed(analysis)
  const sliced = new Map(slice(analysis, kept).graph.initializer.map(({ name, dims }) => [name, dims]))
  const whole = new Map(analysis.model.graph.initializer.map(({ name, dims }) => [name, dims]))
  const elements = (dims: readonly (number | bigint)[] = []) => dims.reduce<number>((n, dim) => n * Number(dim), 1)
  const shares = sharesOf(analysis, kept)
  for (const { output, weight } of analysis.contractions) {
    assert.equal(shares.get(output), elements(sliced.get(weight)) / elements(whole.get(weight)), output)
  }
  assert.deepEqual(
    [...shares.values()],
    [0.5, 0.5, 1 / 8, 1 / 4],
    'half the outputs; half the groups; a quarter of half; a quarter of the inputs',
  )
  assert.deepEqual(new Set(sharesOf(analysis, new Map()).values()), new Set([1]))
})

test('bytes: what the codec says of each tensor, scaled; near what the sliced model is packed to', async () => {
  const analysis = await analysed()
  const original = writeModel(analysis.model)
  const sizes = await packedSizes(original, { name: 'net', what: 'original', target })
  const bytes = bytesByContraction(analysis, sizes)
  const [w1, , w3] = analysis.contractions.map(({ output }) => bytes.get(output) ?? 0)
  // About 26 to 29 bits for float32 of any scale; those below a kilobyte are not packed by themselves.
  assert.ok(w1 > 864 * 3 && w1 < 864 * 4, `${w1}`)
  assert.ok(w3 > 2048 * 3 && w3 < 2048 * 4, `${w3}`)
  const cost = bytesCost(analysis, sizes)
  assert.equal(cost(new Map()), sizes.total)
  const kept = narrowed(analysis)
  const actual = await packedSizes(writeModel(slice(analysis, kept)), { name: 'net', what: 'sliced', target })
  // Weights that become small move into the skeleton, where they are stored less well.
  assert.ok(Math.abs(cost(kept) - actual.total) < 0.12 * sizes.total, `${cost(kept)} for ${actual.total}`)
})

/** A target on which a model takes a millisecond a kilobyte, and some a node, on a clock of its own. */
function byBytes(clock: { mock: { mockImplementation(now: () => number): void } }, aNode = 0): Target {
  let time = 0
  clock.mock.mockImplementation(() => time)
  return {
    name: 'bytes',
    probe: async () => ({ available: true }),
    create: async ({ model }) => ({
      inputs: [],
      outputs: [],
      run: async () => {
        const { initializer: weights, node: nodes } = readModel(model).graph
        time += aNode * nodes.length
        time += weights.reduce((sum, { rawData }) => sum + (rawData?.length ?? 0), 0) / 1024
        return {}
      },
      close: async () => {},
    }),
  }
}

test('latency: fitted to what narrower models take, two groups in one layer included', async ({ mock }) => {
  const analysis = await analysed()
  const fake = byBytes(mock.method(performance, 'now'))
  const cost = await latencyCost(analysis, { x: sample }, fake, { align: 8 })
  assert.equal(cost(new Map()), 1)
  const first = (count: number) => Array.from({ length: count }, (_, i) => i)
  const [a, b] = analysis.groups
  const sizeOf = (kept: Map<string, number[]>): number =>
    slice(analysis, kept).graph.initializer.reduce((sum, { rawData }) => sum + (rawData?.length ?? 0), 0)
  const whole = sizeOf(new Map())
  for (const [unitsOfA, unitsOfB] of [
    [32, 16],
    [8, 64],
    [8, 16],
    [24, 40],
    [4, 8],
  ]) {
    const kept = new Map([
      [a.name, first(unitsOfA)],
      [b.name, first(unitsOfB)],
    ])
    const actual = sizeOf(kept) / whole
    assert.ok(Math.abs(cost(kept) - actual) < 0.03, `${cost(kept)} for ${actual} at ${unitsOfA} and ${unitsOfB}`)
  }
})

/** Two residual blocks of 1 × 1 convolutions. */
function residual(): Model {
  const block = (i: number, x: string) => [
    makeNode('Conv', [x, `u${i}`, `a${i}`], [`h${i}`]),
    makeNode('Relu', [`h${i}`], [`r${i}`]),
    makeNode('Conv', [`r${i}`, `d${i}`, `b${i}`], [`o${i}`]),
    makeNode('Add', [x, `o${i}`], [i === 1 ? 'y' : `s${i}`]),
  ]
  return makeModel(
    makeGraph('g', {
      nodes: [makeNode('Relu', ['x'], ['s']), ...block(0, 's'), makeNode('Relu', ['s0'], ['p']), ...block(1, 'p')],
      inputs: [makeValue('x', 'float32', ['n', 3, 8, 8])],
      outputs: [makeValue('y', 'float32', ['n', 3, 8, 8])],
      initializers: [0, 1].flatMap((i) => [
        weight(`u${i}`, [64, 3, 1, 1]),
        weight(`a${i}`, [64]),
        weight(`d${i}`, [3, 64, 1, 1]),
        weight(`b${i}`, [3]),
      ]),
    }),
  )
}

test('latency: a branch that goes as a whole saves its nodes, too', async ({ mock }) => {
  const model = residual()
  const analysis = analyse(model, await observeValues(model, samples, (own) => target.create({ model: own })))
  assert.deepEqual(
    analysis.groups.map(({ name }) => analysis.branches.has(name)),
    [true, false],
    'the sum of the other is an output of the graph',
  )
  const fake = byBytes(mock.method(performance, 'now'), 0.5)
  const cost = await latencyCost(analysis, { x: sample }, fake, { align: 8 })
  const [{ name }] = analysis.groups
  const bytes = [64 * 3 + 64 + 3 * 64 + 3, 64 * 3 + 64 + 3 * 64].map((count) => (4 * count) / 1024)
  const whole = 10 * 0.5 + 2 * bytes[0]
  // Both convolutions, two rectifiers and the add; what is left of a bias counts as nothing.
  const actual = 1 - (5 * 0.5 + bytes[0]) / whole
  const narrow = 1 - bytes[1] / 2 / whole
  assert.ok(Math.abs(cost(new Map([[name, []]])) - actual) < 0.03, `${cost(new Map([[name, []]]))} for ${actual}`)
  const half = new Map([[name, Array.from({ length: 32 }, (_, i) => i)]])
  assert.ok(Math.abs(cost(half) - narrow) < 0.05, `${cost(half)} for ${narrow}`)
})
