import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Model, makeGraph, makeModel, makeNode, makeValue, payloadOf } from '../../sdk/onnx/index.ts'
import { movedOn } from './frontier.ts'
import { Net } from './net.fixture.ts'
import { observeValues } from './observe.ts'
import { beside, upstream } from './parts.ts'
import { type Frontier, rowsOf, runOver } from './passes.ts'
import { execute, noise, samplesOf } from './session.fixture.ts'

const SAMPLES = samplesOf(noise([80, 3, 6, 6], 1))
const ORDER = Array.from({ length: 80 }, (_, i) => (i * 7) % 80)

/** A stem, two branches that are added, and a classifier; in the second net the stem is twice as strong. */
async function branched() {
  const net = new Net([3, 6, 6])
  const stem = net.convRelu(net.input, 3, 4)
  const left = net.conv(stem, 4, 4)
  const right = net.conv(net.convRelu(stem, 4, 4), 4, 4)
  const sum = net.add(left, right)
  const model = net.model(net.head(sum, 4))
  const [{ input }] = model.graph.node
  const weight = model.graph.initializer.find(({ name }) => name === input[1])
  assert.ok(weight)
  const payload = payloadOf(weight)
  const twice = { ...payload, data: (payload.data as Float32Array).map((x) => 2 * x) }
  const both = beside(model, new Map([[weight.name, twice]]))
  const namesOf = (value: string): string[] => [value, both.second(value)]
  const analysis = { model, observed: await observeValues(model, SAMPLES, execute) }
  return { analysis, both, namesOf, stem, left, right, sum }
}

/** A value for samples in an order, from a frontier or from the input. */
async function rowsThere(
  model: Model,
  value: string,
  indices: readonly number[],
  frontier?: Frontier,
): Promise<number[]> {
  const part = upstream(model, [value], frontier)
  const rows: number[] = []
  for await (const { outputs } of runOver(part, SAMPLES, execute, { stage: '', indices, batch: 13, frontier })) {
    rows.push(...(outputs[value].data as Float32Array))
  }
  return rows
}

test('what lies behind a frontier is what it is from the input, in both nets, wherever the frontier moves', async () => {
  const { analysis, both, namesOf, stem, left, right, sum } = await branched()
  const { model } = both
  let frontier: Frontier = new Map()
  for (const [before, live, indices] of [
    [left, [stem], ORDER],
    [right, [left], ORDER.slice(0, 40)],
    [sum, [left, right], ORDER.slice(0, 20)],
  ] as const) {
    frontier = await movedOn(analysis, frontier, SAMPLES, execute, { before: [before], indices, model, namesOf })
    for (const name of live.flatMap(namesOf)) assert.ok(frontier.has(name), `${name} before ${before}`)
    assert.ok(rowsOf(frontier) >= indices.length)
    const some = indices.slice(0, 20)
    for (const name of namesOf(sum)) {
      const [from, whole] = [await rowsThere(model, name, some, frontier), await rowsThere(model, name, some)]
      assert.equal(from.length, whole.length)
      assert.ok(from.every((x, i) => Math.abs(x - whole[i]) < 1e-4 * (1 + Math.abs(whole[i]))))
    }
  }
  assert.ok(!frontier.has(stem), 'what nobody reads any more is let go')
  assert.ok((frontier.get(left)?.data.length ?? 0) > (frontier.get(right)?.data.length ?? 0), 'what was there is kept')
  assert.equal(rowsOf(frontier), 20)
  const part = upstream(model, [sum], frontier)
  assert.deepEqual(
    part.graph.input.map(({ name }) => name),
    [left, right],
  )
})

test('a frontier stays where it is before one that would take too much memory, and in a model of a fixed batch', async () => {
  const { analysis, both, namesOf, left } = await branched()
  const { model } = both
  const move = { before: [left], indices: ORDER, model, namesOf }
  const frontier: Frontier = new Map()
  const large = new Map([...analysis.observed].map(([name, seen]) => [name, { ...seen, shape: [2, 2 ** 23] }]))
  assert.equal(await movedOn({ ...analysis, observed: large }, frontier, SAMPLES, execute, move), frontier)
  const { graph } = analysis.model
  const input = [makeValue(graph.input[0].name, 'float32', [2, 3, 6, 6])]
  const fixed = { ...analysis.model, graph: { ...graph, input } } as Model
  assert.equal(await movedOn({ ...analysis, model: fixed }, frontier, SAMPLES, execute, move), frontier)
})

test('a value without a row a sample is computed again', async () => {
  const graph = makeGraph('g', {
    nodes: [
      makeNode('Transpose', ['x'], ['turned'], { perm: [1, 0] }),
      makeNode('Relu', ['x'], ['straight']),
      makeNode('MatMul', ['turned', 'straight'], ['y']),
    ],
    inputs: [makeValue('x', 'float32', ['n', 2])],
    outputs: [makeValue('y', 'float32', [2, 2])],
  })
  const model = makeModel(graph)
  const samples = samplesOf(noise([10, 2], 1))
  const analysis = { model, observed: await observeValues(model, samples, execute) }
  assert.equal(analysis.observed.get('turned')?.shape[0], 2, 'as many as were observed')
  const indices = ORDER.slice(0, 3).map((i) => i % 10)
  const move = { before: ['y'], indices, model, namesOf: (value: string) => [value] }
  assert.deepEqual([...(await movedOn(analysis, new Map(), samples, execute, move)).keys()], ['straight'])
})
