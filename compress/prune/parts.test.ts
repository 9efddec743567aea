import assert from 'node:assert/strict'
import { test } from 'node:test'
import { payloadOf, writeModel } from '../../sdk/onnx/index.ts'
import { Net } from './net.fixture.ts'
import { beside, downstream, upstream, waves } from './parts.ts'
import { execute, noise } from './session.fixture.ts'
import { withInitializers } from './weights.ts'

/** Two branches of convolutions from one stem, added, and a classifier. */
function branched() {
  const net = new Net([3, 6, 6])
  const stem = net.convRelu(net.input, 3, 4)
  const left = net.conv(stem, 4, 4)
  const right = net.convRelu(stem, 4, 4)
  const sum = net.add(left, right)
  return { model: net.model(net.head(sum, 4)), stem, left, right, sum }
}

const weightOf = (model: ReturnType<typeof branched>['model'], output: string): string =>
  model.graph.node.find((node) => node.output[0] === output)?.input[1] ?? ''

test('what is upstream of a value ends there, and computes the same', async () => {
  const { model, left } = branched()
  const part = upstream(model, [left])
  assert.deepEqual(
    part.graph.node.map(({ opType }) => opType),
    ['Conv', 'Relu', 'Conv'],
  )
  assert.equal(part.graph.initializer.length, 4)
  const both = upstream(model, [left, model.graph.output[0].name])
  const x = noise([2, 3, 6, 6], 1)
  const [a, b] = await Promise.all([part, both].map((one) => execute(writeModel(one))))
  assert.deepEqual((await a.run({ x }))[left], (await b.run({ x }))[left])
  await Promise.all([a.close(), b.close()])
})

test('what is downstream of a weight is what it has a part in', () => {
  const { model, stem, left, right, sum } = branched()
  const reached = downstream(model, [weightOf(model, left)])
  assert.deepEqual(
    [stem, left, right, sum].map((name) => reached.has(name)),
    [false, true, false, true],
  )
})

test('two nets in one graph give what each gives alone, and share what is the same in both', async () => {
  const { model, stem, left, sum } = branched()
  const name = weightOf(model, left)
  const before = model.graph.initializer.find((tensor) => tensor.name === name)
  assert.ok(before)
  const value = { ...payloadOf(before), data: (payloadOf(before).data as Float32Array).map((x) => 2 * x) }
  const values = new Map([[name, value]])
  const both = beside(model, values)
  assert.equal(both.second(stem), stem)
  const [output] = model.graph.output
  const x = noise([2, 3, 6, 6], 1)
  const run = async (net: typeof model, wanted: string) => {
    const execution = await execute(writeModel(upstream(net, [wanted])))
    const results = await execution.run({ x })
    await execution.close()
    return results[wanted].data
  }
  const changed = withInitializers(model, values)
  for (const wanted of [left, sum, output.name]) {
    assert.deepEqual(await run(both.model, wanted), await run(model, wanted))
    assert.deepEqual(await run(both.model, both.second(wanted)), await run(changed, wanted))
  }
  assert.notDeepEqual(await run(changed, left), await run(model, left))
  assert.equal(model.graph.node.length + 1, branched().model.graph.node.length + 1, 'the model itself is as it was')
})

test('waves come in the order of the net, and what no other depends on comes together', () => {
  const { model, stem, left, right } = branched()
  const convolutions = model.graph.node.filter(({ opType }) => opType === 'Conv').toReversed()
  const order = [...waves(model, convolutions, ({ input }) => ({ weight: input[1], input: input[0] }))]
  assert.equal(order.length, 2)
  assert.equal(order[0].wave.length, 1)
  assert.ok(order[0].waiting.has(stem))
  assert.equal(order[1].wave.length, 2)
  assert.ok(order[1].waiting.has(left) && order[1].waiting.has(right) && !order[1].waiting.has(stem))
})
