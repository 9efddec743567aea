import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  makeTensor,
  makeValue,
  readModel,
  writeModel,
} from '../../../sdk/onnx/index.ts'
import { Net } from '../net.fixture.ts'
import { observeValues } from '../observe.ts'
import { execute, randomSamples } from '../ort.fixture.ts'
import type { Analysis, Observed, Places } from '../types.ts'
import { analyse } from './analyse.ts'

async function analysisOf(model: Model, shape: readonly number[]): Promise<Analysis> {
  return analyse(model, await observeValues(model, randomSamples(shape), execute))
}

const places = (all: readonly Places[]) => all.map(({ contraction, positions }) => [contraction.output, positions])

test('a chain: who writes a group, who reads it, and where', async () => {
  const net = new Net([2, 4, 4])
  const first = net.conv(net.input, 2, 3)
  const flat = net.node('Flatten', [net.maxPool(net.relu(first))])
  const last = net.node('Gemm', [flat, net.weight([12, 5])])
  const { groups, contractions, frozen } = await analysisOf(net.model(last), [2, 4, 4])
  assert.equal(groups.length, 1)
  const [{ name, units, width, writers, readers }] = groups
  assert.deepEqual([name, units, width], [first, 3, 1])
  assert.deepEqual(places(writers), [[first, [[0], [1], [2]]]])
  // Flattened, each channel is four inputs in a row.
  assert.deepEqual(places(readers), [[last, [0, 4, 8].map((at) => [at, at + 1, at + 2, at + 3])]])
  assert.deepEqual(contractions, [
    {
      ...{ output: first, op: 'Conv', kind: 'conv', input: 'x', channelAxis: 1, weight: 'c0', bias: 'c1' },
      ...{ inputAxis: 1, outputAxis: 0, groups: 1, inputs: 2, outputs: 3 },
    },
    {
      ...{ output: last, op: 'Gemm', kind: 'linear', input: flat, channelAxis: 1, weight: 'c2' },
      ...{ inputAxis: 0, outputAxis: 1, groups: 1, inputs: 12, outputs: 5 },
    },
  ])
  assert.deepEqual(frozen, [{ op: 'Output', node: last, reason: 'an output of the graph', channels: 5, macs: 60 }])
})

test('attention: a unit is a head of q, k and v, and its inputs of the product behind it', async () => {
  const net = new Net([3, 8])
  const qkv = net.node('MatMul', [net.input, net.weight([8, 24])])
  const heads = net.transpose(net.reshape(qkv, [0, 0, 3, 2, 4]), [2, 0, 3, 1, 4])
  const [q, k, v] = [0, 1, 2].map((part) => net.node('Gather', [heads, net.ints([part], [])], { axis: 0 }))
  const scores = net.node('Softmax', [net.node('MatMul', [q, net.transpose(k, [0, 1, 3, 2])])], { axis: -1 })
  const joined = net.reshape(net.transpose(net.node('MatMul', [scores, v]), [0, 2, 1, 3]), [0, 0, 8])
  const out = net.linear(joined, 8, 5)
  const { groups, contractions } = await analysisOf(net.model(out), [3, 8])
  const range = (start: number, count: number) => Array.from({ length: count }, (_, i) => start + i)
  assert.deepEqual([groups.length, groups[0].units, groups[0].width], [1, 2, 4])
  const head = (h: number) => [0, 8, 16].flatMap((part) => range(part + 4 * h, 4))
  assert.deepEqual(places(groups[0].writers), [[qkv, [head(0), head(1)]]])
  assert.deepEqual(places(groups[0].readers), [[contractions[1].output, [range(0, 4), range(4, 4)]]])
  // The bias is the constant of the Add behind the product.
  assert.equal(contractions[1].bias, net.nodes.at(-1)?.input[0])
})

test('a depthwise convolution writes a group and does not read it; one in groups reads what other outputs need', async () => {
  const net = new Net([3, 4, 4])
  const first = net.conv(net.input, 3, 6)
  const depthwise = net.conv(first, 6, 6, 3, { group: 6 })
  const grouped = net.conv(depthwise, 6, 8, 1, { group: 2 })
  const { groups } = await analysisOf(net.model(net.head(grouped, 8)), [3, 4, 4])
  assert.deepEqual(places(groups[0].writers), [
    [
      first,
      [
        [0, 3],
        [1, 4],
        [2, 5],
      ],
    ],
    [
      depthwise,
      [
        [0, 3],
        [1, 4],
        [2, 5],
      ],
    ],
  ])
  assert.deepEqual(places(groups[0].readers), [
    [
      grouped,
      [
        [0, 3],
        [1, 4],
        [2, 5],
      ],
    ],
  ])
  assert.deepEqual([groups[0].width, groups[1].width], [2, 2])
})

test('what two layers share is theirs alone afterwards, and the model that was given is as it was', async () => {
  const net = new Net([3, 4, 4])
  const [weight, bias] = [net.weight([4, 3, 1, 1]), net.weight([4])]
  const [a, b] = [0, 1].map(() => net.relu(net.node('Conv', [net.input, weight, bias])))
  const scale = net.node('Constant', [], {
    value: makeTensor('', { dtype: 'float32', shape: [4, 1, 1], data: Float32Array.of(1, 2, 3, 4) }),
  })
  const y = net.concat([net.mul(a, scale), net.mul(b, scale)])
  const model = net.model(net.head(y, 8))
  const before = writeModel(model)
  const { model: own, groups, contractions } = await analysisOf(model, [3, 4, 4])
  assert.deepEqual(Buffer.from(writeModel(model)), Buffer.from(before))
  assert.deepEqual(
    groups.map(({ units }) => units),
    [4, 4],
  )
  const read = own.graph.node.flatMap(({ input }) => input)
  for (const { name } of own.graph.initializer) assert.equal(read.filter((input) => input === name).length, 1)
  assert.equal(
    own.graph.node.some(({ opType }) => opType === 'Constant'),
    false,
  )
  assert.deepEqual(
    contractions.slice(0, 2).map(({ weight, bias }) => [weight, bias]),
    [
      [weight, bias],
      [`${weight}/2`, `${bias}/2`],
    ],
  )
})

test('constants of every kind are initializers, and weights that are moved before use are moved', async () => {
  const net = new Net([6])
  const weight = net.node('Identity', [net.transpose(net.reshape(net.weight([10, 3, 2]), [10, 6]), [1, 0])])
  const kinds = [
    net.node('Constant', [], { value_float: { float: 2 } }),
    net.node('Constant', [], { value_floats: { floats: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] } }),
    net.node('Cast', [net.node('Constant', [], { value_int: 3 })], { to: 1 }),
    net.node('Cast', [net.node('Constant', [], { value_ints: [1, 2, 1, 2, 1, 2, 1, 2, 1, 2] })], { to: 1 }),
  ]
  const hidden = kinds.reduce((x, constant) => net.mul(x, constant), net.node('MatMul', [net.input, weight]))
  net.node('Constant', [], { value_string: 'unread' })
  const { contractions, groups, model } = await analysisOf(net.model(net.linear(hidden, 10, 4)), [6])
  assert.equal(contractions[0].weight, weight)
  // Integers have no atoms, so what they are multiplied with stays.
  assert.deepEqual(groups, [])
  assert.equal(
    model.graph.node.some(({ opType }) => opType === 'Constant'),
    false,
  )
})

test('format version 3: initializers that are listed as inputs', async () => {
  const tensor = (name: string, shape: number[]) =>
    makeTensor(name, { dtype: 'float32', shape, data: new Float32Array(shape[0] * shape[1]).fill(0.25) })
  const graph = makeGraph('old', {
    nodes: [makeNode('MatMul', ['x', 'a'], ['h']), makeNode('MatMul', ['h', 'b'], ['y'])],
    inputs: [makeValue('a', 'float32', [3, 4]), makeValue('x', 'float32', [1, 3]), makeValue('b', 'float32', [4, 2])],
    outputs: [makeValue('y', 'float32', [1, 2])],
    initializers: [tensor('a', [3, 4]), tensor('b', [4, 2])],
  })
  const model = readModel(writeModel(makeModel(graph, { irVersion: 3, opsets: { '': 9 } })))
  const analysis = await analysisOf(model, [3])
  assert.deepEqual(
    analysis.groups.map(({ units }) => units),
    [4],
  )
  assert.deepEqual([analysis.model.graph.input.map(({ name }) => name), analysis.model.irVersion], [['x'], 4])
})

test('a model of which nothing can be removed has no groups', async () => {
  const net = new Net([4])
  assert.deepEqual((await analysisOf(net.model(net.linear(net.input, 4, 3)), [4])).groups, [])
})

test('a value whose shape nobody saw stays as it is', async () => {
  const net = new Net([3, 4, 4])
  const y = net.relu(net.conv(net.input, 3, 4))
  const model = net.model(net.head(y, 4))
  const observed = await observeValues(model, randomSamples([3, 4, 4]), execute)
  observed.delete(y)
  const { groups, frozen } = analyse(model, observed)
  assert.deepEqual(groups, [])
  assert.equal(frozen[0].reason, 'its shape is not known')
})

test('a model of which nothing was seen has no groups', async () => {
  const net = new Net([3, 4, 4])
  const { groups } = analyse(net.model(net.head(net.relu(net.conv(net.input, 3, 4)), 4)), new Map())
  assert.deepEqual(groups, [])
})

test('a shape that is not what the operator makes: both stay whole', async () => {
  const net = new Net([3, 4, 4])
  const y = net.relu(net.conv(net.input, 3, 4))
  const model = net.model(net.head(y, 4))
  const observed = await observeValues(model, randomSamples([3, 4, 4]), execute)
  observed.set(y, { dtype: 'float32', shape: [2, 5, 4, 4] })
  assert.deepEqual(analyse(model, observed).groups, [])
})

test('a bias that is added behind a convolution, and what is no bias', async () => {
  const net = new Net([3, 4, 4])
  const bare = () => net.conv(net.input, 3, 4, 3, { bias: false })
  const biased = net.add(bare(), net.weight([1, 4, 1, 1]))
  const map = net.add(bare(), net.weight([4, 4, 4]))
  const rows = net.add(bare(), net.weight([4]))
  const twice = bare()
  const others = net.add(net.add(twice, net.weight([4, 1, 1])), net.relu(twice))
  const multiplied = net.mul(bare(), net.weight([4, 1, 1]))
  const seen = bare()
  const behind = net.add(seen, net.weight([4, 1, 1]))
  const sum = net.add(
    net.add(net.add(bare(), behind), multiplied),
    net.add(net.add(biased, map), net.add(rows, others)),
  )
  const { contractions } = await analysisOf(net.model(net.head(sum, 4), seen), [3, 4, 4])
  const biases = contractions.map(({ bias }) => bias !== undefined)
  assert.deepEqual(biases, [true, false, false, false, false, false, false, true])
})

test('operators of other domains are not understood, whatever they are called', async () => {
  const net = new Net([3, 4, 4])
  const x = net.conv(net.input, 3, 4)
  const y = net.node('Relu', [x], {}, 'local')
  const model = net.model(net.head(y, 4))
  const observed = new Map<string, Observed>([
    ['x', { dtype: 'float32', shape: [2, 3, 4, 4] }],
    ...[x, y].map((name): [string, Observed] => [name, { dtype: 'float32', shape: [2, 4, 4, 4] }]),
  ])
  const { frozen } = analyse(model, observed)
  assert.deepEqual([frozen[0].op, frozen[0].reason, frozen[0].channels], ['Relu', 'the operator is not understood', 4])
})

test('channels that can only go together stay, and it is said', async () => {
  const net = new Net([3, 4, 4])
  const x = net.conv(net.input, 3, 4)
  // Normalised in pairs, and shuffled so that the pairs are of each other's channels.
  const paired = net.node('GroupNormalization', [x, net.weight([2]), net.weight([2])], { num_groups: 2 })
  const mixed = net.node('Gather', [paired, net.ints([0, 2, 1, 3])], { axis: 1 })
  const again = net.node('GroupNormalization', [mixed, net.weight([2]), net.weight([2])], { num_groups: 2 })
  const model = net.model(net.head(again, 4))
  model.opsetImport[0].version = 18
  const { groups, frozen } = await analysisOf(model, [3, 4, 4])
  assert.deepEqual(groups, [])
  assert.deepEqual(frozen[0], {
    ...{ op: 'Conv', node: x, reason: 'its channels can only go together' },
    ...{ channels: 4, macs: 16 * 4 * 27 },
  })
})
