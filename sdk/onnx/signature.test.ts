import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import ort from 'onnxruntime-node'
import { makeGraph, makeModel, makeNode, makeValue } from './build.ts'
import { writeModel } from './model.ts'
import { create, type TypeProto } from './proto.ts'
import { SAMPLES } from './sample-models.ts'
import { type Signature, signatureOf } from './signature.ts'

const silero = readFileSync(createRequire(import.meta.url).resolve('@ricky0123/vad-web/dist/silero_vad_v5.onnx'))
const files: [string, Uint8Array][] = [
  ...Object.entries(SAMPLES).map(([name, make]): [string, Uint8Array] => [name, writeModel(make().model)]),
  ['Silero VAD', silero],
]

/** ONNX Runtime gives a dimension without a name as ''. */
const asOrt = (values: Signature['outputs']) =>
  values.map(({ name, dtype, shape }) => ({
    name,
    isTensor: true,
    type: dtype,
    shape: shape?.map((size) => (typeof size === 'string' && size.startsWith('unk__') ? '' : size)),
  }))

for (const [name, bytes] of files) {
  test(`${name}: inputs and outputs are those that ORT reports`, async () => {
    const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 })
    const { inputs, outputs } = signatureOf(bytes)
    assert.deepEqual(asOrt(inputs), session.inputMetadata)
    assert.deepEqual(asOrt(outputs), session.outputMetadata)
    await session.release()
  })
}

test('opsets, IR version and producer are read', () => {
  const { opsets, irVersion, producer } = signatureOf(silero)
  assert.deepEqual(opsets, [{ domain: '', version: 16 }])
  assert.equal(irVersion, 8)
  assert.equal(producer, 'spox')
})

const passing = (value: ReturnType<typeof makeValue>) =>
  makeModel(makeGraph('g', { nodes: [makeNode('Identity', ['x'], ['y'])], inputs: [value], outputs: [value] }))

test('a dimension without a name gets one that is unique in the model', () => {
  const value = makeValue('x', 'float32', [null, 'unk__0', null, -1, 3])
  const { inputs, outputs } = signatureOf(passing(value))
  assert.deepEqual(inputs[0].shape, ['unk__1', 'unk__0', 'unk__2', 'unk__3', 3])
  assert.deepEqual(outputs[0].shape, ['unk__4', 'unk__0', 'unk__5', 'unk__6', 3])
})

test('an output of unknown rank has no shape', () => {
  const model = passing(makeValue('x', 'float32', [2]))
  const y = create('ValueInfoProto', {
    name: 'y',
    type: create('TypeProto', { tensorType: create('TypeProto.Tensor', { elemType: 1 }) }),
  })
  model.graph.output = [y]
  assert.deepEqual(signatureOf(writeModel(model)).outputs, [{ name: 'y', dtype: 'float32', shape: null }])
})

test('an input that is not a tensor of numbers is refused by name', () => {
  const typed = (type: Partial<TypeProto> | null) =>
    passing(create('ValueInfoProto', { name: 'x', type: type && create('TypeProto', type) }))
  const tensor = (elemType: number) => create('TypeProto.Tensor', { elemType, shape: create('TensorShapeProto', {}) })
  const sequence = { sequenceType: {} } as Partial<TypeProto>
  const refused: [Partial<TypeProto> | null, RegExp][] = [
    [sequence, /Input "x" expected a tensor, got a sequence/],
    [{}, /Input "x" expected a tensor, got no type/],
    [null, /Input "x" expected a tensor, got no type/],
    [{ tensorType: tensor(8) }, /Input "x" .* got strings/],
    [{ tensorType: tensor(14) }, /Input "x" .* got ONNX data type 14/],
    [{ tensorType: create('TypeProto.Tensor', { elemType: 1 }) }, /Input "x" .* unknown rank/],
  ]
  for (const [type, message] of refused) {
    assert.throws(() => signatureOf(writeModel(typed(type))), { code: 'UNSUPPORTED_MODEL', message })
  }
})
