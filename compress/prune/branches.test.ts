import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Model, makeGraph, makeNode, makeUntypedOutput } from '../../sdk/onnx/index.ts'
import { analyse } from './groups/analyse.ts'
import { Net } from './net.fixture.ts'
import { observeValues } from './observe.ts'
import { randomSamples } from './ort.fixture.ts'
import { preparePruning } from './prepared.ts'
import { execute, noise, samplesOf } from './session.fixture.ts'
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
