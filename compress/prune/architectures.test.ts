import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Model, payloadOf, readModel, writeModel } from '../../sdk/onnx/index.ts'
import { ARCHITECTURES, type Architecture } from './architectures.fixture.ts'
import { costOf } from './cost.ts'
import { analyse } from './groups/analyse.ts'
import { mask } from './mask.ts'
import { Net } from './net.fixture.ts'
import { observeValues } from './observe.ts'
import { OPSETS } from './opsets.fixture.ts'
import { errorBetween, randomKept } from './oracle.fixture.ts'
import { execute, randomSamples } from './ort.fixture.ts'
import { slice } from './slice.ts'
import type { Analysis, Cost, Samples } from './types.ts'

async function analysed({
  shape,
  build,
  opset,
}: Architecture): Promise<{ model: Model; samples: Samples; analysis: Analysis }> {
  const model = readModel(writeModel(build(new Net(shape, opset))))
  const samples = randomSamples(shape)
  return { model, samples, analysis: analyse(model, await observeValues(model, samples, execute)) }
}

/** Cost counted from a model as it is: shapes of a run, and the definition of each operator. */
async function countedCost(model: Model, samples: Samples): Promise<Cost> {
  const observed = await observeValues(model, samples, execute)
  const dims = new Map(model.graph.initializer.map((tensor) => [tensor.name, tensor.dims.map(Number)]))
  const product = (sizes: readonly number[]): number => sizes.reduce((all, size) => all * size, 1)
  const shape = (name: string): readonly number[] => dims.get(name) ?? observed.get(name)?.shape ?? []
  const macs = model.graph.node.map(({ opType, input, output, attribute }) => {
    const [x, w, y] = [shape(input[0]), shape(input[1]), shape(output[0])]
    if (opType === 'Conv') return product(y) * product(w.slice(1))
    if (opType === 'ConvTranspose') return product(x) * product(w.slice(1))
    if (opType === 'Gemm')
      return product(y) * w[attribute.some(({ name, i }) => name === 'transB' && Number(i) === 1) ? 1 : 0]
    return opType === 'MatMul' ? product(y) * x[x.length - 1] : 0
  })
  const dequantised = model.graph.node
    .filter(({ opType }) => opType === 'DequantizeLinear')
    .map(({ input }) => input[0])
  const weights = model.graph.initializer
    .filter(({ name, dataType }) => ![6, 7, 9].includes(dataType) || dequantised.includes(name))
    .map(payloadOf)
  const batch = observed.get('x')?.shape[0] ?? 1
  return {
    macs: macs.reduce((a, b) => a + b) / batch,
    parameters: weights.reduce((sum, { data }) => sum + data.length, 0),
  }
}

for (const architecture of [...ARCHITECTURES, ...OPSETS]) {
  test(`${architecture.name}: cut as if the readers of what is removed were zero`, async () => {
    const { model, samples, analysis } = await analysed(architecture)
    // Three samples, where two were observed: no size of a batch may have got into the graph.
    const feeds = { x: await samples.batch([2, 3, 1]) }
    const outputs = async (cut: Model) => (await execute(writeModel(cut))).run(feeds)
    const original = await outputs(model)
    for (const [name, tensor] of Object.entries(await outputs(slice(analysis, new Map())))) {
      assert.ok(errorBetween(tensor, original[name]) < 1e-6, 'nothing removed')
    }
    // Most units, twice; then one of each group, which may leave no axis empty.
    const random = [
      [1, 0.7],
      [2, 0.7],
      [3, 0],
    ].map(([seed, share]) => randomKept(analysis, seed, share))
    // Each residual branch as a whole, alone and with the others.
    const branches = [...analysis.branches.keys()].map((name) => new Map([[name, []]]))
    const all = new Map([...random[0], ...branches.flatMap((kept) => [...kept])])
    for (const kept of [...random, ...branches, all]) {
      const cut = slice(analysis, kept)
      const [narrow, masked] = [await outputs(cut), await outputs(mask(analysis, kept))]
      for (const name of Object.keys(original)) {
        const error = errorBetween(narrow[name], masked[name])
        assert.ok(error <= 1e-5, `output ${name} differs by ${error}`)
      }
      const changed = Object.keys(original).some((name) => errorBetween(narrow[name], original[name]) > 1e-3)
      assert.ok(changed, 'nothing has changed')
      const cost = costOf(analysis, kept)
      assert.deepEqual({ ...cost, macs: Math.round(cost.macs) }, await countedCost(cut, samples))
    }
    const whole = analysis.groups.flatMap(({ name }, i) => (analysis.branches.has(name) ? [i] : []))
    assert.deepEqual(whole, architecture.branches ?? [])
    assert.deepEqual(
      [analysis.groups.map(({ units }) => units), [...new Set(analysis.frozen.map(({ op }) => op))].sort()],
      [architecture.units, [...(architecture.frozen ?? []), 'Output'].sort()],
    )
  })
}

test('sizes whose integers nobody saw freeze, and break nothing', async () => {
  for (const { name, shape, build, opset } of [...ARCHITECTURES, ...OPSETS]) {
    const model = build(new Net(shape, opset))
    const samples = randomSamples(shape)
    const observed = await observeValues(model, samples, execute)
    const blind = new Map(Array.from(observed, ([value, { dtype, shape }]) => [value, { dtype, shape }]))
    const analysis = analyse(model, blind)
    const kept = randomKept(analysis, 3)
    const feeds = { x: await samples.batch([1, 0, 3]) }
    const [narrow, masked] = await Promise.all(
      [slice(analysis, kept), mask(analysis, kept)].map(async (cut) => (await execute(writeModel(cut))).run(feeds)),
    )
    for (const output of Object.keys(masked)) {
      assert.ok(errorBetween(narrow[output], masked[output]) <= 1e-5, `${name}: ${output}`)
    }
  }
})
