import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Model, makeNode, payloadOf } from '../../sdk/onnx/index.ts'
import { Net } from './net.fixture.ts'
import type { PruneOptions } from './prepared.ts'
import { prune } from './prune.ts'
import { execute, noise, samplesOf } from './session.fixture.ts'

const PICTURES = samplesOf(noise([96, 3, 4, 4], 1))
const flops = (remain: number): PruneOptions => ({ budget: { kind: 'flops', remain } })

test('a layer whose columns would be too long is refitted by channels', async () => {
  const net = new Net([3, 4, 4])
  const wide = net.convRelu(net.input, 3, 264)
  const model = net.model(net.head(net.convRelu(net.convRelu(wide, 264, 16), 16, 16), 16))
  const { report } = await prune(model, PICTURES, execute, { ...flops(0.5), align: 64 })
  const [, reader] = report.layers
  assert.ok(reader.inputs[1] < 264)
  assert.equal(reader.fidelity, undefined)
  const { report: without } = await prune(model, PICTURES, execute, { ...flops(0.5), align: 64, refit: false })
  assert.ok((report.agreement.kl ?? 1) < 0.5 * (without.agreement.kl ?? 0))
})

test('depthwise layers go with their channels; a channel that is always zero hurts nothing', async () => {
  const net = new Net([3, 4, 4])
  const first = net.conv(net.input, 3, 32)
  const depthwise = net.convRelu(net.relu(first), 32, 32, 3, { group: 32 })
  const model = net.model(net.head(net.convRelu(depthwise, 32, 16, 1), 16))
  const [conv] = model.graph.node
  for (const name of conv.input.slice(1)) {
    const tensor = model.graph.initializer.find((one) => one.name === name)
    assert.ok(tensor)
    const { data } = payloadOf(tensor)
    const dead = Float32Array.from(data as Float32Array)
    dead.fill(0, 0, dead.length / 32)
    tensor.rawData = new Uint8Array(dead.buffer)
  }
  const { report, kept } = await prune(model, PICTURES, execute, flops(0.6))
  assert.ok(report.budget.reached <= 0.6)
  const [[, units]] = kept
  assert.ok(!units.includes(0), 'the dead channel goes first')
  assert.deepEqual(report.layers[1].channels, report.layers[1].inputs)
})

/** Blocks of an MLP over tokens with shortcuts. */
function blocks(): Model {
  const net = new Net([5, 12])
  let x = net.input
  for (let i = 0; i < 3; i++) x = net.add(net.linear(net.relu(net.linear(net.layerNorm(x, 12), 12, 48)), 48, 12), x)
  return net.model(net.linear(net.node('ReduceMean', [x], { axes: [1], keepdims: 0 }), 12, 4))
}

test('the second MatMul of each block takes back what the blocks before it have lost', async () => {
  const samples = samplesOf(noise([192, 5, 12], 3))
  const { report } = await prune(blocks(), samples, execute, flops(0.5))
  const { report: without } = await prune(blocks(), samples, execute, { ...flops(0.5), refit: false })
  assert.ok((report.agreement.kl ?? 1) < 0.2 * (without.agreement.kl ?? 0))
  assert.equal(report.layers.filter(({ fidelity }) => fidelity !== undefined).length, 6)
})

test('groups of no more units than the alignment stay whole, and integer weights are left alone', async () => {
  const net = new Net([3, 4, 4])
  const narrow = net.convRelu(net.convRelu(net.input, 3, 8), 8, 32)
  const pooled = net.head(net.convRelu(narrow, 32, 8), 8)
  const codes = net.constant({
    dtype: 'int8',
    shape: [6, 5],
    data: Int8Array.from({ length: 30 }, (_, i) => (i * 7) % 11),
  })
  const weight = net.node('DequantizeLinear', [codes, net.scalar(0.1)])
  const model = net.model(net.node('MatMul', [pooled, weight]))
  const { report } = await prune(model, PICTURES, execute, flops(0.6))
  assert.deepEqual(
    report.groups.map(({ units }) => units[1] === units[0]),
    report.groups.map(({ units }) => units[0] <= 8),
  )
})

test('outputs of other types than float do not count', async () => {
  const net = new Net([3, 4, 4])
  const scores = net.head(net.convRelu(net.convRelu(net.input, 3, 16), 16, 16), 16)
  const model = net.model(scores)
  model.graph.node.push(makeNode('ArgMax', [scores], ['best'], { axis: 1 }))
  model.graph.output.push({ ...model.graph.output[0], name: 'best' })
  const { report } = await prune(model, PICTURES, execute, flops(0.7))
  assert.equal(report.agreement.kl, undefined)
  assert.ok(report.agreement.disagreement < 0.7)
})

test('no threshold of the paper’s method meets an impossible budget', async () => {
  const net = new Net([3, 4, 4])
  const model = net.model(net.head(net.convRelu(net.convRelu(net.input, 3, 16), 16, 16), 16))
  await assert.rejects(prune(model, PICTURES, execute, { ...flops(0.01), method: 'paper' }), {
    code: 'INVALID_ARGUMENT',
    message: /budget that the model can meet/,
  })
})
