import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import { concat, equal, type Tensor, WireWriter } from '../core/index.ts'
import { float, floats, makeGraph, makeModel, makeNode, makeTensor, makeValue } from './build.ts'
import { tensorsOf } from './graph.ts'
import { readModel, writeModel } from './model.ts'
import { runOrt } from './ort-oracle.ts'
import { type ModelProto, typeOf } from './proto.ts'
import { convModel, randomTensor, SAMPLES } from './sample-models.ts'

const SILERO = createRequire(import.meta.url).resolve('@ricky0123/vad-web/dist/silero_vad_v5.onnx')
const sileroFeeds: Record<string, Tensor> = {
  input: randomTensor([1, 512], 1),
  state: { dtype: 'float32', shape: [2, 1, 128], data: new Float32Array(256) },
  sr: { dtype: 'int64', shape: [], data: BigInt64Array.of(16000n) },
}

for (const [name, make] of Object.entries(SAMPLES)) {
  test(`${name}: read and written unchanged, the model has the same tensors and the same ORT outputs`, async () => {
    const { model, feeds } = make()
    const bytes = writeModel(model)
    const again = writeModel(readModel(bytes))
    assert.ok(equal(again, bytes))
    const before = await runOrt(bytes, feeds)
    assert.deepEqual(await runOrt(again, feeds), before)
    assert.ok(Object.values(before).every((output) => output.bytes.some((byte) => byte !== 0)))
  })
}

test('Silero VAD, written by another protobuf library, comes back byte for byte', async () => {
  const bytes = readFileSync(SILERO)
  const again = writeModel(readModel(bytes))
  assert.ok(equal(again, bytes))
  assert.deepEqual(await runOrt(again, sileroFeeds), await runOrt(bytes, sileroFeeds))
})

test('64-bit integers keep every bit, and are numbers where that is exact', async () => {
  const ints = [0, -1, 2 ** 53 - 1, -(2 ** 53) + 1, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)]
  const node = makeNode('Slice', ['x'], ['y'], { starts: [1], ends: [2n ** 63n - 1n], axes: [0] })
  const graph = makeGraph('slice', {
    nodes: [node, makeNode('Constant', [], ['unused'], { value_ints: ints })],
    inputs: [makeValue('x', 'float32', [4])],
    outputs: [makeValue('y', 'float32', [3])],
  })
  const bytes = writeModel(makeModel(graph, { irVersion: 4, opsets: { '': 9 } }))
  const read = readModel(bytes).graph.node
  assert.deepEqual(read[0].attribute[1].ints, [2n ** 63n - 1n])
  assert.deepEqual(read[1].attribute[0].ints, ints)
  // protobufjs's own reader, with Long, as the judge of the bits.
  const judge = typeOf('ModelProto').decode(bytes) as unknown as ModelProto
  assert.deepEqual(judge.graph.node[1].attribute[0].ints.map(String), ints.map(String))
  graph.node.pop()
  const x: Tensor = { dtype: 'float32', shape: [4], data: Float32Array.of(1, 2, 3, 4) }
  const { y } = await runOrt(writeModel(makeModel(graph, { irVersion: 4, opsets: { '': 9 } })), { x })
  assert.deepEqual([...new Float32Array(y.bytes.buffer)], [2, 3, 4])
})

test('fields that no schema knows yet are written back', () => {
  const future = new WireWriter()
    .uint(1000, 7)
    .bytes(1001, Uint8Array.of(1, 2, 3))
    .finish()
  const { model } = convModel()
  const plain = writeModel(model)
  // At the end of the model, and in an initializer of a second graph field, which protobuf merges into the first.
  const initializer = new WireWriter().bytes(5, concat([new WireWriter().bytes(8, new Uint8Array()).finish(), future]))
  const graph = new WireWriter().bytes(7, initializer.finish()).finish()
  const bytes = concat([plain, graph, future])
  const read = readModel(bytes)
  assert.equal(read.graph.initializer.length, model.graph.initializer.length + 1)
  const again = writeModel(read)
  const count = (haystack: Uint8Array): number =>
    Buffer.from(haystack).toString('latin1').split('\x03\x01\x02\x03').length - 1
  assert.equal(count(again), count(bytes))
  assert.ok(count(bytes) >= 2)
  assert.ok(equal(writeModel(readModel(again)), again))
})

test('attributes of every kind that build knows read back', () => {
  const tensor = makeTensor('t', randomTensor([2], 2))
  const graph = makeGraph('g', { nodes: [], outputs: [] })
  const node = makeNode('Op', ['a', ''], ['b'], {
    int: 3,
    float: float(0.5),
    string: 'näme',
    ints: [1, 2n],
    floats: floats([0.25, -1]),
    strings: ['a', 'b'],
    tensor,
    graph,
  })
  const outer = makeGraph('outer', { nodes: [node], outputs: [] })
  const [read] = readModel(writeModel(makeModel(outer))).graph.node
  assert.deepEqual(read.input, ['a', ''])
  const byName = Object.fromEntries(read.attribute.map((attribute) => [attribute.name, attribute]))
  assert.deepEqual(
    read.attribute.map(({ type }) => type),
    [2, 1, 3, 7, 6, 8, 4, 5],
  )
  assert.equal(byName.int.i, 3)
  assert.equal(byName.float.f, 0.5)
  assert.equal(new TextDecoder().decode(byName.string.s), 'näme')
  assert.deepEqual(byName.ints.ints, [1, 2])
  assert.deepEqual(byName.floats.floats, [0.25, -1])
  assert.deepEqual(
    byName.strings.strings.map((text) => new TextDecoder().decode(text)),
    ['a', 'b'],
  )
  assert.ok(equal(byName.tensor.t?.rawData as Uint8Array, tensor.rawData))
  assert.equal(byName.graph.g?.name, 'g')
  assert.throws(() => makeNode('Op', [], [], { alpha: 0.5 }), { code: 'INVALID_ARGUMENT', message: /Wrap it in float/ })
  assert.throws(() => makeNode('Op', [], [], { scales: [1, 0.5] }), { code: 'INVALID_ARGUMENT' })
})

test('tensors of a model of over 100 MB are views into the file, and are written in full', () => {
  const shape = [4 << 20]
  const initializers = Array.from({ length: 7 }, (_, i) => {
    const data = new Float32Array(shape[0])
    const words = new Uint32Array(data.buffer)
    for (let k = 0, state = i + 1; k < words.length; k++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      words[k] = state
    }
    return makeTensor(`w${i}`, { dtype: 'float32', shape, data })
  })
  const node = makeNode('Identity', ['w0'], ['y'])
  const graph = makeGraph('large', { nodes: [node], outputs: [makeValue('y', 'float32', shape)], initializers })
  const bytes = writeModel(makeModel(graph))
  assert.ok(bytes.length > 100e6)
  const read = readModel(bytes)
  for (const [i, tensor] of [...tensorsOf(read)].entries()) {
    assert.equal(tensor.rawData.buffer, bytes.buffer)
    assert.equal(Buffer.compare(tensor.rawData, initializers[i].rawData), 0)
  }
  assert.equal(Buffer.compare(writeModel(read), bytes), 0)
})

test('a model past 2 GiB is refused before it is allocated', () => {
  const data = new Uint8Array(2 ** 30)
  const initializers = ['a', 'b'].map((name) => makeTensor(name, { dtype: 'uint8', shape: [2 ** 30], data }))
  const model = makeModel(makeGraph('huge', { nodes: [], outputs: [], initializers }))
  assert.throws(() => writeModel(model), { code: 'LIMIT_EXCEEDED', message: /external data/ })
})

test('names that are not UTF-8 are refused rather than changed', () => {
  const bytes = writeModel(convModel().model)
  const at = Buffer.from(bytes).indexOf('kernel')
  bytes[at] = 0xff
  assert.throws(() => readModel(bytes), { code: 'INVALID_MODEL' })
})
