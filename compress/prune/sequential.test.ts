import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Model, writeModel } from '../../sdk/onnx/index.ts'
import { analyse } from './groups/analyse.ts'
import { keptColumns, layersOf, tensorsOfRefit } from './layers.ts'
import { Net } from './net.fixture.ts'
import { observeValues } from './observe.ts'
import { beside, upstream } from './parts.ts'
import { sequentialRefit } from './refit.ts'
import { maskedNet, refitNet } from './sequential.ts'
import { execute, noise, samplesOf } from './session.fixture.ts'
import { crossStatisticsOf, statisticsOf } from './statistics.ts'
import { type Tensors, withInitializers } from './weights.ts'

const SAMPLES = samplesOf(noise([128, 3, 6, 6], 1))

/** Two convolutions, each with a rectifier, and a classifier. */
async function setUp() {
  const net = new Net([3, 6, 6])
  const first = net.conv(net.input, 3, 12)
  const second = net.conv(net.relu(first), 12, 16)
  const rectified = net.relu(second)
  const model = net.model(net.head(rectified, 16))
  const analysis = analyse(model, await observeValues(model, SAMPLES, execute))
  const layers = layersOf(analysis)
  const [layer, group] = [layers.get(second), analysis.groups.find(({ name }) => name === first)]
  assert.ok(layer && group)
  const statistics = await statisticsOf(analysis, analysis.contractions, SAMPLES, execute)
  return { analysis, layers, statistics, group, layer, rectified }
}

/** E‖a − b‖² of a value in the net with other weights. */
async function errorOf(model: Model, values: Tensors, value: string): Promise<number> {
  const x = await SAMPLES.batch(Array.from({ length: SAMPLES.count }, (_, i) => i))
  const [before, after] = await Promise.all(
    [model, withInitializers(model, values)].map(async (net) => {
      const execution = await execute(writeModel(upstream(net, [value])))
      const { [value]: result } = await execution.run({ x })
      await execution.close()
      return result.data as Float32Array
    }),
  )
  return before.reduce((sum, number, i) => sum + (number - after[i]) ** 2 / before.length, 0)
}

test('where nothing is removed, nothing is refitted', async () => {
  const { analysis, layers, statistics } = await setUp()
  const { values } = await refitNet(analysis, new Map(), layers, statistics, SAMPLES, execute, { macs: 1e4, seed: 0 })
  assert.equal(values.size, 0)
})

test('a refit before a rectifier leaves less error behind it than one that asks for what is below zero too', async () => {
  const { analysis, layers, statistics, group, layer, rectified } = await setUp()
  const kept = new Map([[group.name, [0, 1, 2, 3, 4, 5]]])
  const { values, fidelity } = await refitNet(analysis, kept, layers, statistics, SAMPLES, execute, {
    macs: 1e4,
    seed: 0,
  })
  const zeroed = maskedNet(analysis, kept, layers)
  const both = beside(analysis.model, zeroed)
  const { contraction } = layer
  const aim = { contraction, input: both.second(contraction.input), target: layer.name }
  const cross = (await crossStatisticsOf(analysis, both.model, [aim], SAMPLES, execute)).get(layer.name)
  assert.ok(cross)
  const once = sequentialRefit(layer, cross, keptColumns(analysis.groups, layer, kept), layer.weights)
  const plain = new Map(tensorsOfRefit(layer, once))
  const [without, before, after] = [zeroed, plain, values].map((tensors) => errorOf(analysis.model, tensors, rectified))
  assert.ok((await before) < 0.8 * (await without), `${await before} of ${await without}`)
  assert.ok((await after) < 0.995 * (await before), `${await after} of ${await before}`)
  const share = fidelity.get(layer.name)
  assert.ok(share !== undefined && share > 0.3 && share < 1)
})
