import assert from 'node:assert/strict'
import { test } from 'node:test'
import { elementCount, rng, type Tensor } from '../../sdk/core/index.ts'
import { type Model, makeValue, payloadOf, writeModel } from '../../sdk/onnx/index.ts'
import { costOf } from './cost.ts'
import { analyse } from './groups/analyse.ts'
import { judgeOf } from './judge.ts'
import { Net } from './net.fixture.ts'
import { observeValues } from './observe.ts'
import type { PruneOptions } from './prepared.ts'
import { prune } from './prune.ts'
import { execute, noise, samplesOf } from './session.fixture.ts'

const HALF: PruneOptions = { budget: { kind: 'flops', remain: 0.5 } }

/** Smooth pictures: positions next to each other are alike, as in photographs. */
function pictures(shape: readonly number[], seed: number): Tensor {
  const { data } = noise(shape, seed)
  const [, , , width] = shape
  const smooth = Float32Array.from(data as Float32Array)
  for (let i = width + 1; i < smooth.length; i++)
    smooth[i] = smooth[i] + 0.7 * smooth[i - 1] + 0.5 * smooth[i - width] - 0.35 * smooth[i - width - 1]
  return { dtype: 'float32', shape, data: smooth.map((value) => value / 3) }
}

const SAMPLES = samplesOf(pictures([96, 3, 8, 8], 1))

/** A residual net: a stem, a block with a shortcut, a pooled classifier. */
function residual(): Model {
  const net = new Net([3, 8, 8])
  const stem = net.convRelu(net.input, 3, 16)
  const inside = net.convRelu(stem, 16, 32)
  const sum = net.add(net.conv(inside, 32, 16), stem)
  return net.model(net.head(net.convRelu(net.relu(sum), 16, 24), 24))
}

/** Two layers over tokens, as in the MLP of a transformer. */
function tokens(): Model {
  const net = new Net([5, 12])
  const hidden = net.relu(net.linear(net.layerNorm(net.input, 12), 12, 48))
  const product = net.node('MatMul', [hidden, net.weight([48, 12])])
  return net.model(net.add(product, net.input))
}

async function run(model: Model, x: Tensor): Promise<Record<string, Tensor>> {
  const execution = await execute(writeModel(model))
  try {
    return await execution.run({ [model.graph.input[0].name]: x })
  } finally {
    await execution.close()
  }
}

test('a net that is pruned to half of its MACs meets the budget, runs, and its report says what it is', async () => {
  const model = residual()
  const before = writeModel(model)
  const stages = new Set<string>()
  const {
    model: narrow,
    report,
    kept,
  } = await prune(model, SAMPLES, execute, {
    ...HALF,
    onProgress: ({ stage }) => stages.add(stage),
  })
  assert.deepEqual([...stages], ['statistics', 'sensitivity', 'refit'])
  assert.deepEqual(writeModel(model), before, 'the model given is as it was')
  assert.ok(report.budget.reached <= 0.5 && report.budget.reached > 0.4, `${report.budget.reached}`)
  const own = analyse(narrow, await observeValues(narrow, SAMPLES, execute))
  assert.equal(costOf(own).macs, report.cost.after.macs)
  assert.equal(report.cost.after.macs / report.cost.before.macs, report.budget.reached)
  assert.equal(
    report.layers.reduce((sum, { macs }) => sum + macs[1], 0),
    report.cost.after.macs,
  )
  for (const { name, units } of report.groups) {
    assert.equal(units[1] % 8, 0)
    assert.equal(kept.get(name)?.length ?? units[0], units[1])
  }
  for (const { fidelity } of report.layers.filter(({ inputs }) => inputs[0] !== inputs[1])) {
    assert.ok(fidelity !== undefined && fidelity > 0.3 && fidelity <= 1, `${fidelity}`)
  }
  assert.equal(report.agreement.samples, 96)
  assert.ok(report.agreement.kl !== undefined && report.agreement.kl < 0.2, `${report.agreement.kl}`)
  assert.deepEqual(
    [report.method, report.criterion, report.refit, report.samples],
    ['default', 'removal-loss', true, 96],
  )
  const remains = report.curve.map(({ remain }) => remain)
  assert.ok(remains.length > 0 && remains.every((remain, i) => i === 0 || remain < remains[i - 1]))
  assert.doesNotThrow(() => JSON.stringify(report))
})

test('with unseen samples the model is the same, and is compared on those', async () => {
  const unseen = samplesOf(pictures([40, 3, 8, 8], 2))
  const results = [
    await prune(residual(), SAMPLES, execute, HALF),
    await prune(residual(), SAMPLES, execute, { ...HALF, unseen }),
  ]
  const [seen, other] = results.map(({ report }) => report.agreement)
  assert.deepEqual([seen.unseen, other.unseen, other.samples], [false, true, 40])
  assert.deepEqual(writeModel(results[0].model), writeModel(results[1].model))
  assert.ok((other.kl ?? 0) > (seen.kl ?? 1), `${other.kl} on others, ${seen.kl} on its own`)
})

test('the removal loss with refit is nearer to the original than without, and than other criteria', async () => {
  const distance = async (options: Partial<PruneOptions>): Promise<number> =>
    (await prune(residual(), SAMPLES, execute, { ...HALF, ...options })).report.agreement.kl ?? Number.NaN
  const best = await distance({})
  for (const criterion of ['removal-loss', 'energy', 'fidelity', 'l2', 'wanda', 'random'] as const) {
    const without = await distance({ criterion, refit: false })
    const refitted = await distance({ criterion })
    assert.ok(refitted < without, `${criterion}: ${refitted} with, ${without} without`)
    assert.ok(best <= 1.25 * refitted, `${criterion}: ${refitted}, removal loss: ${best}`)
  }
})

test('weights and costs of other kinds are budgets too', async () => {
  const fewer = await prune(residual(), SAMPLES, execute, { budget: { kind: 'params', remain: 0.6 } })
  assert.ok(fewer.report.cost.after.parameters <= 0.6 * fewer.report.cost.before.parameters)
  const cost = (kept: ReadonlyMap<string, readonly number[]>): number =>
    100 - [...kept.values()].reduce((sum, units) => sum + (units.length === 8 ? 10 : 0), 0)
  const other = await prune(residual(), SAMPLES, execute, { budget: { kind: 'cost', remain: 85, cost } })
  assert.deepEqual(other.report.budget, { kind: 'cost', remain: 85, reached: 80 })
})

test('the paper’s method meets the same budget, by one threshold and δ*', async () => {
  const { report, model } = await prune(residual(), SAMPLES, execute, { ...HALF, method: 'paper' })
  assert.ok(report.budget.reached <= 0.5)
  assert.equal(report.method, 'paper')
  assert.equal(report.curve.length, 1)
  await run(model, await SAMPLES.batch([0, 1]))
})

test('a net without classes is compared by its relative error; a MatMul without a bias gets one', async () => {
  const samples = samplesOf(noise([96, 5, 12], 3))
  const { model, report } = await prune(tokens(), samples, execute, HALF)
  assert.equal(report.agreement.kl, undefined)
  assert.ok(
    report.agreement.disagreement > 0 && report.agreement.disagreement < 0.6,
    `${report.agreement.disagreement}`,
  )
  assert.ok(report.budget.reached <= 0.5)
  assert.equal(model.graph.node.filter(({ opType }) => opType === 'Add').length, 3)
})

test('pruning stops before the disagreement is larger than it may be', async () => {
  const samples = samplesOf(noise([96, 5, 12], 3))
  const least: PruneOptions = { budget: { kind: 'flops', remain: 0.2 } }
  const whole = await prune(tokens(), samples, execute, least)
  const limit = whole.report.agreement.disagreement / 2
  const stopped = await prune(tokens(), samples, execute, { ...least, maxDisagreement: limit })
  assert.ok(stopped.report.agreement.disagreement <= limit)
  assert.ok(stopped.report.budget.reached > whole.report.budget.reached)
  assert.ok(stopped.report.budget.reached < 1)
  assert.ok(stopped.report.curve.some(({ disagreement }) => disagreement !== undefined && disagreement > limit))
  const never = await prune(tokens(), samples, execute, { ...least, maxDisagreement: 0 })
  assert.equal(never.report.budget.reached, 1)
  assert.equal(never.kept.size, 0)
})

/** Convolutions with live BatchNormalization. */
function normed(): Model {
  const net = new Net([3, 8, 8])
  const first = net.relu(net.batchNorm(net.conv(net.input, 3, 32, 3, { bias: false }), 32))
  const second = net.relu(net.batchNorm(net.conv(first, 32, 32), 32))
  return net.model(net.head(second, 32))
}

test('statistics of live BatchNormalization are those of the pruned net in the paper’s method, and left alone on synthetic samples', async () => {
  const model = normed()
  const paper = await prune(model, SAMPLES, execute, { ...HALF, method: 'paper' })
  const [, second] = paper.model.graph.node.filter(({ opType }) => opType === 'BatchNormalization')
  const constant = (net: Model, name: string): Tensor =>
    payloadOf(net.graph.initializer.find((tensor) => tensor.name === name) as Model['graph']['initializer'][number])
  const observable = {
    ...paper.model,
    graph: { ...paper.model.graph, output: [makeValue(second.input[0], 'float32', ['n', null, 8, 8])] },
  }
  const all = await SAMPLES.batch(Array.from({ length: 96 }, (_, i) => i))
  const { [second.input[0]]: read } = await run(observable as Model, all)
  const mean = constant(paper.model, second.input[3])
  const channels = elementCount(mean.shape)
  for (let channel = 0; channel < channels; channel++) {
    let sum = 0
    for (let n = 0; n < 96; n++)
      for (let p = 0; p < 64; p++) sum += Number(read.data[(n * channels + channel) * 64 + p])
    assert.ok(Math.abs(sum / (96 * 64) - Number(mean.data[channel])) < 1e-4)
  }
  const synthetic = await prune(model, SAMPLES, execute, { ...HALF, synthetic: true })
  const real = await prune(model, SAMPLES, execute, HALF)
  const [, kept] = synthetic.model.graph.node.filter(({ opType }) => opType === 'BatchNormalization')
  const before = Array.from(
    constant(model, model.graph.node.filter(({ opType }) => opType === 'BatchNormalization')[1].input[3]).data,
    Number,
  )
  const after = Array.from(constant(synthetic.model, kept.input[3]).data, Number)
  assert.ok(after.every((value) => before.includes(value)))
  assert.ok((real.report.agreement.kl ?? 1) <= (synthetic.report.agreement.kl ?? 0) + 1e-3)
})

test('a fixed batch of one stays what the model declares', async () => {
  const model = residual()
  model.graph.input = [makeValue('x', 'float32', [1, 3, 8, 8])]
  model.graph.output = [makeValue(model.graph.output[0].name, 'float32', [1, 6])]
  const { model: narrow } = await prune(model, SAMPLES, execute, HALF)
  assert.deepEqual(narrow.graph.input, model.graph.input)
  assert.deepEqual(narrow.graph.output, model.graph.output)
  const { [model.graph.output[0].name]: y } = await run(narrow, await SAMPLES.batch([0]))
  assert.deepEqual(y.shape, [1, 6])
})

test('a model that takes one sample at a time only is run so', async () => {
  const net = new Net([3, 8, 8])
  const first = net.convRelu(net.convRelu(net.input, 3, 16), 16, 16)
  const flat = net.reshape(net.node('GlobalAveragePool', [first]), [1, 16])
  const model = net.model(net.node('Gemm', [flat, net.weight([16, 5]), net.weight([5])]))
  model.graph.input = [makeValue('x', 'float32', [1, 3, 8, 8])]
  const { report } = await prune(model, SAMPLES, execute, { budget: { kind: 'flops', remain: 0.7 } })
  assert.ok(report.budget.reached <= 0.7)
  assert.equal(report.agreement.samples, 96)
})

test('what cannot be is one sentence', async () => {
  const refused = async (
    model: Model,
    samples: typeof SAMPLES,
    options: PruneOptions,
    expected: object,
  ): Promise<void> => {
    await assert.rejects(prune(model, samples, execute, options), expected)
  }
  const flops = (remain: number): PruneOptions => ({ budget: { kind: 'flops', remain } })
  await refused(residual(), SAMPLES, flops(1.5), { message: /expected a budget between 0 and 1, got 1.5/ })
  await refused(residual(), SAMPLES, flops(0.001), {
    code: 'INVALID_ARGUMENT',
    message: /budget that the model can meet/,
  })
  const nothing = { budget: { kind: 'cost' as const, remain: 0, cost: () => 1 } }
  await refused(residual(), SAMPLES, nothing, { message: /expected a positive budget, got 0/ })
  await refused(residual(), SAMPLES, { ...HALF, align: 0 }, { message: /align to be a positive integer, got 0/ })
  await refused(residual(), SAMPLES, { ...HALF, maxDisagreement: -1 }, { message: /maxDisagreement from 0 up, got -1/ })
  await refused(residual(), samplesOf(noise([4, 5, 8, 8], 1)), HALF, { code: 'UNSUPPORTED_MODEL' })
  const same = samplesOf({ dtype: 'float32', shape: [96, 3, 8, 8], data: new Float32Array(96 * 192) })
  await refused(residual(), same, HALF, { code: 'INVALID_INPUT', message: /Gram matrix of full rank/ })
  const net = new Net([3, 8, 8])
  const only = net.model(net.conv(net.input, 3, 16))
  await refused(only, SAMPLES, HALF, {
    code: 'UNSUPPORTED_MODEL',
    message: /channels that can go, got none, because of/,
  })
  const bare = new Net([3, 8, 8])
  await refused(bare.model(bare.relu(bare.input)), SAMPLES, HALF, { message: /channels that can go, got none\./ })
  const controller = new AbortController()
  controller.abort()
  await refused(residual(), SAMPLES, { ...HALF, signal: controller.signal }, { code: 'ABORTED' })
})

test('a judge tells probabilities from scores, and compares several outputs by their errors', async () => {
  const net = new Net([6])
  const scores = net.linear(net.input, 6, 4)
  const probabilities = net.node('Softmax', [scores], { axis: -1 })
  const samples = samplesOf(noise([20, 6], 1))
  const indices = Array.from({ length: 20 }, (_, i) => i)
  const { uniform } = rng(3)
  const change = (model: Model): Model => {
    const copy = { ...model, graph: { ...model.graph } }
    copy.graph.initializer = model.graph.initializer.map((tensor) => {
      const value = payloadOf(tensor)
      const data = Float32Array.from(value.data as Float32Array, (x) => x + 0.2 * uniform())
      return { ...tensor, rawData: new Uint8Array(data.buffer) }
    })
    return copy as Model
  }
  const [a, b] = [net.model(scores), net.model(probabilities)]
  const changed = change(a)
  const byScores = await judgeOf(a, samples, indices, execute)
  const byProbabilities = await judgeOf(b, samples, indices, execute)
  const other = { ...b, graph: { ...b.graph, initializer: changed.graph.initializer } } as Model
  const [one, two] = [await byScores.compare(changed), await byProbabilities.compare(other)]
  assert.ok(one.distance > 0 && Math.abs(one.distance - two.distance) < 1e-5)
  assert.equal(one.disagreement, two.disagreement)
  assert.deepEqual(await byScores.compare(a), { distance: 0, disagreement: 0 })
  const both = net.model(scores, probabilities)
  const byError = await judgeOf(both, samples, indices, execute)
  assert.equal(byError.classes, false)
  assert.deepEqual(await byError.compare(both), { distance: 0, disagreement: 0 })
  const { distance, disagreement } = await byError.compare({
    ...both,
    graph: { ...both.graph, initializer: changed.graph.initializer },
  } as Model)
  assert.ok(distance > 0 && Math.abs(disagreement - Math.sqrt(distance)) < 1e-12)
})
