import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Model, makeValue, payloadOf, readModel, writeModel } from '../../sdk/onnx/index.ts'
import { costByContraction, costOf } from './cost.ts'
import { analyse } from './groups/analyse.ts'
import { mask } from './mask.ts'
import { Net } from './net.fixture.ts'
import { observeValues } from './observe.ts'
import { execute, randomSamples } from './ort.fixture.ts'
import { slice } from './slice.ts'
import type { Analysis, Kept } from './types.ts'

async function analysisOf(model: Model, shape: readonly number[]): Promise<Analysis> {
  return analyse(model, await observeValues(model, randomSamples(shape), execute))
}

function twoLayers(): { net: Net; first: string; last: string } {
  const net = new Net([3, 4, 4])
  const first = net.conv(net.input, 3, 4)
  return { net, first, last: net.conv(net.relu(first), 4, 2, 1) }
}

test('weights and biases have the channels that stay, in their order', async () => {
  const { net, first, last } = twoLayers()
  const analysis = await analysisOf(net.model(last), [3, 4, 4])
  const [before, after] = [analysis.model, slice(analysis, new Map([[first, [0, 2, 3]]]))].map(
    ({ graph }) => new Map(graph.initializer.map((tensor) => [tensor.name, payloadOf(tensor)])),
  )
  const [written, read] = analysis.contractions
  const rows = (name: string, size: number) =>
    [0, 2, 3].flatMap((row) => [...(before.get(name)?.data.subarray(row * size, (row + 1) * size) ?? [])])
  assert.deepEqual(after.get(written.weight)?.shape, [3, 3, 3, 3])
  assert.deepEqual([...(after.get(written.weight)?.data ?? [])], rows(written.weight, 27))
  assert.deepEqual([...(after.get(written.bias ?? '')?.data ?? [])], rows(written.bias ?? '', 1))
  assert.deepEqual(after.get(read.weight)?.shape, [2, 3, 1, 1])
  const columns = before.get(read.weight)?.data ?? []
  assert.deepEqual(
    [...(after.get(read.weight)?.data ?? [])],
    [0, 2, 3, 4, 6, 7].map((at) => columns[at]),
  )
})

test('shapes that are no longer true are not said, those that are stay', async () => {
  const { net, first, last } = twoLayers()
  const model = net.model(last)
  model.graph.valueInfo.push(makeValue(first, 'float32', ['n', 4, 4, 4]))
  const analysis = await analysisOf(readModel(writeModel(model)), [3, 4, 4])
  const said = (kept: Kept) => slice(analysis, kept).graph.valueInfo.map(({ name }) => name)
  assert.deepEqual([said(new Map()), said(new Map([[first, [1]]]))], [[first], []])
})

test('copies of a constant are one again where they are always cut alike; nodes that nothing reads are gone', async () => {
  const net = new Net([3, 4, 4])
  const scale = net.weight([4, 1, 1])
  const a = net.mul(net.mul(net.conv(net.input, 3, 4), scale), scale)
  const b = net.mul(net.conv(net.input, 3, 4), scale)
  const unread = net.relu(a)
  const analysis = await analysisOf(net.model(net.head(net.concat([a, b]), 8)), [3, 4, 4])
  const copies = ({ graph }: Model) => graph.initializer.filter(({ name }) => name.startsWith(scale)).length
  const cut = slice(analysis, new Map())
  assert.deepEqual([copies(analysis.model), copies(cut)], [3, 2])
  assert.equal(costOf(analysis).parameters, 2 * 4 + 2 * (4 * 27 + 4) + 8 * 6 + 6)
  assert.equal(cut.graph.node.flatMap(({ output }) => output).includes(unread), false)
})

test('mask: what is removed is zero where it is read, and only there', async () => {
  const { net, first, last } = twoLayers()
  const analysis = await analysisOf(net.model(last), [3, 4, 4])
  const masked = mask(analysis, new Map([[first, [1, 3]]]))
  const [written, read] = analysis.contractions.map(({ weight }) => {
    const [before, after] = [analysis.model, masked].map(({ graph }) =>
      graph.initializer.find(({ name }) => name === weight),
    )
    return [before, after].map((tensor) => tensor && [...payloadOf(tensor).data])
  })
  assert.deepEqual(written[0], written[1])
  assert.deepEqual(
    read[1],
    read[0]?.map((value, i) => (i % 2 ? value : 0)),
  )
})

test('cost: each layer, and what stays of it', async () => {
  const { net, first, last } = twoLayers()
  const analysis = await analysisOf(net.model(last), [3, 4, 4])
  assert.deepEqual(costOf(analysis), { macs: 16 * (4 * 27 + 2 * 4), parameters: 4 * 27 + 4 + 2 * 4 + 2 })
  const kept: Kept = new Map([[first, [0, 2, 3]]])
  assert.deepEqual(
    [...costByContraction(analysis, kept)],
    [
      [first, 16 * 3 * 27],
      [last, 16 * 2 * 3],
    ],
  )
  assert.deepEqual(
    [...costByContraction(analysis)],
    [
      [first, 16 * 4 * 27],
      [last, 16 * 2 * 4],
    ],
  )
})

test('refusals: a group that is not there, a unit that is not, nothing left', async () => {
  const { net, first, last } = twoLayers()
  const analysis = await analysisOf(net.model(last), [3, 4, 4])
  for (const [kept, message] of [
    [
      new Map([['other', [0]]]),
      'Kept units expected a group of the model, got "other". Use the names of analysis.groups.',
    ],
    [
      new Map([[first, []]]),
      `Group "${first}" expected one or more units from 0 to 3, got none. Keep at least one unit of each group that is no residual branch.`,
    ],
    [
      new Map([[first, [0, 4]]]),
      `Group "${first}" expected one or more units from 0 to 3, got 4. Keep at least one unit of each group that is no residual branch.`,
    ],
    [
      new Map([[first, [0.5]]]),
      `Group "${first}" expected one or more units from 0 to 3, got 0.5. Keep at least one unit of each group that is no residual branch.`,
    ],
  ] as const) {
    for (const call of [slice, mask, costOf]) {
      assert.throws(() => call(analysis, kept), { name: 'HardpackError', code: 'INVALID_ARGUMENT', message })
    }
  }
})
