import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AttributeValue, float, type Model, makeGraph, makeNode, makeUntypedOutput } from '../../sdk/onnx/index.ts'
import { costOf } from './cost.ts'
import { analyse } from './groups/analyse.ts'
import { Net } from './net.fixture.ts'
import { observeValues } from './observe.ts'
import { randomSamples } from './ort.fixture.ts'
import { preparePruning } from './prepared.ts'
import { prune } from './prune.ts'
import { execute, noise, samplesOf } from './session.fixture.ts'
import { slice } from './slice.ts'
import { standInsOf } from './stand-ins.ts'
import type { Analysis } from './types.ts'

const TOKENS = [5, 6]
const SAMPLES = samplesOf(noise([192, ...TOKENS], 7))

const analysisOf = async (model: Model, shape: readonly number[]): Promise<Analysis> =>
  analyse(model, await observeValues(model, randomSamples(shape), execute))

const opsOf = ({ graph }: Model): string[] => graph.node.map(({ opType }) => opType)

/** `inputs` wide, then a rectifier, then `outputs` wide. */
function mlp(net: Net, x: string, weights: readonly [number[][], number[], number[][]]): string {
  const matrix = (rows: number[][]): string =>
    net.constant({ dtype: 'float32', shape: [rows.length, rows[0].length], data: Float32Array.from(rows.flat()) })
  const vector = (data: number[]): string =>
    net.constant({ dtype: 'float32', shape: [data.length], data: Float32Array.from(data) })
  const [up, bias, down] = weights
  const hidden = net.relu(net.add(net.node('MatMul', [x, matrix(up)]), vector(bias)))
  return net.add(net.node('MatMul', [hidden, matrix(down)]), net.weight([down[0].length]))
}

/**
 * Two blocks on tokens. The first can pass on all that it reads, for x = max(x, 0) − max(−x, 0); the rectifier of the second never
 * closes, so that what it does is linear: the first could do the work of both.
 */
function absorbable(): { model: Model; group: string } {
  const net = new Net(TOKENS)
  const some = (rows: number, columns: number, seed: number): number[][] =>
    Array.from({ length: rows }, (_, i) =>
      Array.from({ length: columns }, (_, j) => 0.5 * Math.sin(seed + 3.1 * i + 7.3 * j)),
    )
  const signs = Array.from({ length: 6 }, (_, i) =>
    Array.from({ length: 12 }, (_, j) => (j % 6 === i ? (j < 6 ? 1 : -1) : 0)),
  )
  const first = net.add(net.input, mlp(net, net.input, [signs, new Array(12).fill(0), some(12, 6, 1)]))
  const before = net.nodes.length
  const second = net.add(first, mlp(net, first, [some(6, 8, 2), new Array(8).fill(30), some(8, 6, 3)]))
  const pooled = net.node('ReduceMean', [net.relu(second)], { axes: [1], keepdims: 0 })
  return { model: net.model(net.linear(pooled, 6, 4)), group: net.nodes[before].output[0] }
}

test('the layer before a branch that is gone does its work, where it can', async () => {
  const { model, group } = absorbable()
  const prepared = await preparePruning(model, SAMPLES, execute)
  const kept = new Map([[group, []]])
  assert.deepEqual([...prepared.net.analysis.branches.keys()].includes(group), true)
  const [fitted, plain] = [await prepared.finish(kept), await prepared.finish(kept, false)]
  assert.ok(plain.difference.distance > 0.05, `${plain.difference.distance} without a refit`)
  assert.ok(fitted.difference.distance < 1e-3 * plain.difference.distance, `${fitted.difference.distance}`)
  assert.deepEqual(opsOf(fitted.model), [
    'MatMul',
    'Add',
    'Relu',
    'MatMul',
    'Add',
    'Add',
    'Relu',
    'ReduceMean',
    'MatMul',
    'Add',
  ])
})

test('without a layer before it, what a branch gave in the mean stays; before a rectifier, nothing does', async () => {
  const net = new Net(TOKENS)
  const block = (x: string): string => net.linear(net.relu(net.linear(x, 6, 16)), 16, 6)
  const sum = net.add(net.input, block(net.layerNorm(net.input, 6)))
  const pooled = net.node('ReduceMean', [net.layerNorm(sum, 6)], { axes: [1], keepdims: 0 })
  const prepared = await preparePruning(net.model(net.linear(pooled, 6, 4)), SAMPLES, execute)
  const [branch] = prepared.net.analysis.branches.keys()
  const { model, difference } = await prepared.finish(new Map([[branch, []]]))
  assert.deepEqual(opsOf(model), ['Add', 'LayerNormalization', 'ReduceMean', 'MatMul', 'Add'])
  const zeroBias = await prepared.finish(new Map([[branch, []]]), false)
  assert.ok(difference.distance < zeroBias.difference.distance)

  const pictures = new Net([3, 4, 4])
  const shortcut = pictures.node('Pad', [pictures.relu(pictures.input), pictures.ints([0, 0, 0, 0, 0, 1, 0, 0])])
  const rectified = pictures.relu(
    pictures.add(shortcut, pictures.conv(pictures.convRelu(pictures.input, 3, 16), 16, 4)),
  )
  const analysis = await analysisOf(pictures.model(pictures.head(rectified, 4)), [3, 4, 4])
  const [[name, { ends }]] = analysis.branches
  assert.deepEqual([...standInsOf(analysis, new Map([[name, []]])).silent], [ends[0].output])
})

test('a layer stands in only where nobody else reads what it gave before', async () => {
  const build = (alsoRead: boolean): { model: Model; first: string; group: string } => {
    const net = new Net([3, 4, 4])
    const x = net.convRelu(net.input, 3, 8)
    const first = net.conv(net.convRelu(x, 8, 12), 12, 8)
    const stream = net.relu(net.add(x, first))
    const group = net.conv(stream, 8, 10)
    const sum = net.add(stream, net.conv(net.relu(group), 10, 8))
    const out = alsoRead ? net.concat([net.relu(sum), net.maxPool(stream, 3, 1)]) : net.relu(sum)
    return { model: net.model(net.head(out, alsoRead ? 16 : 8)), first, group }
  }
  for (const alsoRead of [false, true]) {
    const { model, first, group } = build(alsoRead)
    const { sums } = standInsOf(await analysisOf(model, [3, 4, 4]), new Map([[group, []]]))
    assert.deepEqual([...sums.keys()], alsoRead ? [] : [first])
  }
})

test('a shortcut that is a layer stands in for the branch beside it', async () => {
  const net = new Net([3, 4, 4])
  const x = net.convRelu(net.input, 3, 8)
  const shortcut = net.conv(x, 8, 12, 1)
  const group = net.conv(x, 8, 10)
  const sum = net.add(shortcut, net.conv(net.relu(group), 10, 12))
  const analysis = await analysisOf(net.model(net.head(net.relu(sum), 12)), [3, 4, 4])
  const { sums, silent } = standInsOf(analysis, new Map([[group, []]]))
  assert.deepEqual([[...sums], silent.size], [[[shortcut, sum]], 1])
})

test('a sum that is an output of the graph, or read inside a branch of the program, keeps its branch', async () => {
  const build = (): { net: Net; sum: string } => {
    const net = new Net([3, 4, 4])
    const x = net.convRelu(net.input, 3, 8)
    return { net, sum: net.add(x, net.conv(net.convRelu(x, 8, 12), 12, 8)) }
  }
  const [plain, output] = [build(), build()]
  const of = async (model: Model): Promise<number> => (await analysisOf(model, [3, 4, 4])).branches.size
  assert.equal(await of(plain.net.model(plain.net.head(plain.sum, 8))), 1)
  assert.equal(await of(output.net.model(output.net.head(output.sum, 8), output.sum)), 0)
  const inside = build()
  const body = makeGraph('body', {
    nodes: [makeNode('Identity', [inside.sum], ['inner'])],
    inputs: [],
    outputs: [makeUntypedOutput('inner')],
    initializers: [],
  })
  const always = inside.net.constant({ dtype: 'bool', shape: [], data: Uint8Array.of(1) })
  const chosen = inside.net.node('If', [always], { then_branch: body, else_branch: body })
  assert.equal(await of(inside.net.model(inside.net.head(chosen, 8))), 0)
})

test('of two branches that add up to a sum only one may go, and none where the other side is smaller than the sum', async () => {
  const net = new Net([3, 4, 4])
  const x = net.convRelu(net.input, 3, 8)
  const [a, b] = [0, 1].map(() => net.conv(net.convRelu(x, 8, 12), 12, 8))
  const two = await analysisOf(net.model(net.head(net.relu(net.add(a, b)), 8)), [3, 4, 4])
  assert.deepEqual(
    [...two.branches.values()].flatMap(({ ends }) => ends.map(({ output }) => output)),
    [a],
  )

  const same = new Net([3, 4, 4])
  const hidden = same.convRelu(same.input, 3, 12)
  const both = same.add(same.conv(hidden, 12, 8), same.conv(hidden, 12, 8))
  assert.equal((await analysisOf(same.model(same.head(same.relu(both), 8)), [3, 4, 4])).branches.size, 0)

  const small = new Net([3, 4, 4])
  const y = small.convRelu(small.input, 3, 8)
  const pooled = small.node('GlobalAveragePool', [y])
  for (const other of [pooled, small.weight([8, 1, 1])]) {
    const sum = small.add(other, small.conv(small.convRelu(y, 8, 12), 12, 8))
    assert.equal((await analysisOf(small.model(small.head(sum, 8)), [3, 4, 4])).branches.size, 0)
  }
})

test('a layer that cannot aim at what it gives, or that a rectifier alone separates from the sum, stands in for nobody', async () => {
  const standIns = async (build: (net: Net) => { out: string; group: string }) => {
    const net = new Net([3, 4, 4])
    const { out, group } = build(net)
    return standInsOf(await analysisOf(net.model(net.head(out, 8)), [3, 4, 4]), new Map([[group, []]]))
  }
  const branch = (net: Net, x: string): { group: string; end: string } => {
    const group = net.conv(x, 8, 10)
    return { group, end: net.conv(net.relu(group), 10, 8) }
  }
  // 260 inputs of 3 × 3: fitted by its channels alone.
  const wide = await standIns((net) => {
    const x = net.conv(net.convRelu(net.input, 3, 260), 260, 8)
    const { group, end } = branch(net, x)
    return { out: net.add(x, end), group }
  })
  assert.deepEqual([wide.sums.size, wide.silent.size], [0, 0])
  const rectifiedOnce = await standIns((net) => {
    const x = net.convRelu(net.convRelu(net.input, 3, 8), 8, 8)
    const { group, end } = branch(net, x)
    return { out: net.node('Tanh', [net.add(x, end)]), group }
  })
  assert.deepEqual([rectifiedOnce.sums.size, rectifiedOnce.silent.size], [0, 0])
})

test('a layer whose third input is no plain bias ends no branch, and is left as it is', async () => {
  const gemm = (attributes: Record<string, AttributeValue>, computed: boolean): Model => {
    const net = new Net([6])
    const dense = (x: string, inputs: number, outputs: number): string =>
      net.node('Gemm', [x, net.weight([inputs, outputs]), net.weight([outputs])])
    const x = net.relu(dense(net.input, 6, 8))
    const hidden = net.relu(dense(x, 8, 12))
    const third = computed ? dense(x, 8, 8) : net.weight([8])
    const end = net.node('Gemm', [hidden, net.weight([12, 8]), third], attributes)
    return net.model(dense(net.relu(net.add(x, end)), 8, 4))
  }
  const samples = samplesOf(noise([64, 6], 5))
  for (const [attributes, computed, branches] of [
    [{}, false, 1],
    [{}, true, 0],
    [{ beta: float(0.25) }, false, 0],
    [{ alpha: float(0.5) }, false, 0],
  ] as const) {
    const model = gemm(attributes, computed)
    assert.equal((await analysisOf(model, [6])).branches.size, branches)
    const { net, finish } = await preparePruning(model, samples, execute, { align: 4 })
    const { difference } = await finish(new Map(), false)
    assert.ok(difference.distance < 1e-9, `nothing removed, and ${difference.distance} from the original`)
    assert.equal([...net.layers.values()].length, computed ? 4 : branches === 1 ? 4 : 3)
  }
})

test('parameters that two blocks share stay as long as one of them does', async () => {
  const net = new Net(TOKENS)
  const [scale, shift] = [net.weight([6], 0.4, 1), net.weight([6])]
  let x = net.input
  for (let block = 0; block < 2; block++) {
    const normal = net.node('LayerNormalization', [x, scale, shift], { axis: -1 })
    x = net.add(x, net.linear(net.relu(net.linear(normal, 6, 8)), 8, 6))
  }
  const analysis = await analysisOf(
    net.model(net.linear(net.node('ReduceMean', [x], { axes: [1], keepdims: 0 }), 6, 4)),
    TOKENS,
  )
  const [a, b] = analysis.branches.keys()
  for (const gone of [[a], [b], [a, b]]) {
    const kept = new Map(gone.map((name) => [name, []]))
    const { initializer } = slice(analysis, kept).graph
    const floats = initializer.filter(({ dataType }) => dataType === 1)
    const numbers = floats.reduce((sum, { dims }) => sum + dims.reduce<number>((n, dim) => n * Number(dim), 1), 0)
    assert.equal(costOf(analysis, kept).parameters, numbers)
  }
})

test('what of a branch that is gone would be no number hurts nobody', async () => {
  const net = new Net([3, 4, 4])
  const x = net.convRelu(net.input, 3, 8)
  const inner = net.conv(net.relu(net.conv(x, 8, 6)), 6, 10, 3, { bias: false })
  const scaled = net.node('Div', [inner, net.node('ReduceL2', [inner], { axes: [2, 3], keepdims: 1 })])
  const model = net.model(net.head(net.add(x, net.conv(scaled, 10, 8)), 8))
  const prepared = await preparePruning(model, samplesOf(noise([64, 3, 4, 4], 6)), execute)
  const [name] = prepared.net.analysis.branches.keys()
  const { difference } = await prepared.finish(new Map([[name, []]]))
  assert.ok(Number.isFinite(difference.distance))
})

test('the report says which branches went, and that their last layers did', async () => {
  const { model, group } = absorbable()
  const { net } = await preparePruning(model, SAMPLES, execute)
  const { report } = await prune(model, SAMPLES, execute, {
    budget: { kind: 'cost', remain: 1, cost: (kept) => kept.get(group)?.length ?? 8 },
  })
  assert.deepEqual(report.branches, [group])
  const [end] = net.analysis.branches.get(group)?.ends ?? []
  const last = report.layers.find(({ name }) => name === end.output)
  assert.deepEqual([last?.channels, last?.inputs, last?.macs[1]], [[6, 0], [8, 0], 0])
})
