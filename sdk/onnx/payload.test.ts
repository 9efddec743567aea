import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesOf, type DType, equal, onnxOf, viewOf } from '../core/index.ts'
import { makeTensor } from './build.ts'
import { readModel, writeModel } from './model.ts'
import { runOrt } from './ort-oracle.ts'
import { payloadOf } from './payload.ts'
import { create, type TensorProto } from './proto.ts'
import { identityModel, randomTensor, varints } from './sample-models.ts'

const wide = [0, 1, 127, 128, 255, 256, 32767, 65535, 2 ** 31 - 1]

/** Each way to store each type outside `raw_data`, with values that its varints must carry. */
const cases: [DType, Partial<TensorProto>, number][] = [
  ['int8', { int32Data: [varints([-128, -1, 0, 127])] }, 4],
  ['uint8', { int32Data: [varints([0, 1, 128, 255])] }, 4],
  ['int16', { int32Data: [varints([-32768, -1, 0, 32767])] }, 4],
  ['uint16', { int32Data: [varints([0, 1, 32768, 65535])] }, 4],
  ['int32', { int32Data: [varints([-(2 ** 31), -1, ...wide])] }, 11],
  ['int32', { int32Data: [varints([-5]), varints([]), varints([300, 7])] }, 3],
  ['bool', { int32Data: [varints([0, 1, 1])] }, 3],
  ['float16', { int32Data: [varints([0x3c00, 0xbc00, 0x7bff, 0x0001])] }, 4],
  ['int64', { int64Data: [varints([...wide, -(2n ** 63n), 2n ** 63n - 1n, -1])] }, 12],
  ['uint64', { uint64Data: [varints([...wide, 2n ** 64n - 1n, 2n ** 63n])] }, 11],
  ['uint32', { uint64Data: [varints([...wide, 2 ** 32 - 1])] }, 10],
  ['float32', { floatData: [bytesOf(randomTensor([5], 1)), bytesOf(randomTensor([2], 2))] }, 7],
  ['float64', { doubleData: [new Uint8Array(Float64Array.of(1 / 3, -0, Number.MIN_VALUE).buffer)] }, 3],
]

for (const [dtype, fields, count] of cases) {
  test(`${dtype} from ${Object.keys(fields)[0]} has the bytes that ORT reads there`, async () => {
    const tensor = create('TensorProto', { name: 't', dims: [count], dataType: onnxOf(dtype), ...fields })
    const bytes = writeModel(identityModel(tensor, dtype))
    const payload = payloadOf(readModel(bytes).graph.initializer[0])
    assert.equal(payload.dtype, dtype)
    assert.deepEqual(payload.shape, [count])
    const { y } = await runOrt(bytes, {})
    assert.ok(equal(bytesOf(payload), y.bytes))
  })
}

test('raw_data is a view into the file where it lies aligned', () => {
  const tensor = makeTensor('t', { dtype: 'uint8', shape: [300], data: new Uint8Array(300).fill(7) })
  const bytes = writeModel(identityModel(tensor, 'uint8'))
  const payload = payloadOf(readModel(bytes).graph.initializer[0])
  assert.equal(payload.data.buffer, bytes.buffer)
  assert.equal(viewOf(bytesOf(payload)).getUint8(299), 7)
})

test('a payload of the wrong length, of no fixed size, or elsewhere is refused by name', () => {
  const with_ = (fields: Partial<TensorProto>) =>
    create('TensorProto', { name: 'w', dims: [4], dataType: 1, ...fields })
  const refused: [TensorProto, string][] = [
    [with_({ rawData: new Uint8Array(15) }), 'INVALID_MODEL'],
    [with_({ floatData: [new Uint8Array(17)] }), 'INVALID_MODEL'],
    [with_({}), 'INVALID_MODEL'],
    [with_({ dims: [-4], rawData: new Uint8Array(16) }), 'INVALID_MODEL'],
    [with_({ dims: [2n ** 60n] }), 'INVALID_MODEL'],
    [with_({ dataType: 6, int32Data: [varints([1, 2, 3])] }), 'INVALID_MODEL'],
    [with_({ dataType: 6, dims: [2 ** 40], int32Data: [varints([1, 2, 3])] }), 'INVALID_MODEL'],
    [with_({ dataType: 6, int32Data: [varints([1, 2, 3, 4, 5])] }), 'INVALID_MODEL'],
    [with_({ dataType: 6, int32Data: [Uint8Array.of(1, 2, 3, 0x80)] }), 'INVALID_MODEL'],
    [with_({ dataType: 6, int32Data: [new Uint8Array(20).fill(0x80)] }), 'INVALID_MODEL'],
    [with_({ dataType: 8, stringData: [Uint8Array.of(65)] }), 'UNSUPPORTED_MODEL'],
    [with_({ dataLocation: 1 }), 'EXTERNAL_DATA'],
  ]
  for (const [tensor, code] of refused) assert.throws(() => payloadOf(tensor), { code, message: /"w"/ })
})
