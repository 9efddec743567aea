import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appendToFile } from './append.ts'
import { makeNode, makeTensor, makeValue } from './build.ts'
import { readModel, writeModel } from './model.ts'
import { runOrt } from './ort-oracle.ts'
import { convModel, ir3Model } from './sample-models.ts'
import { signatureOf } from './signature.ts'

const floats = (bytes: Uint8Array): number[] => [...new Float32Array(bytes.slice().buffer)]

for (const [name, sample] of Object.entries({ convModel, ir3Model })) {
  test(`${name}: onnxruntime gives the old outputs bit for bit, and the appended one`, async () => {
    const { model, feeds } = sample()
    const file = writeModel(model)
    const [output] = signatureOf(model).outputs
    const { file: longer } = appendToFile(file, {
      nodes: [makeNode('Mul', [output.name, 'two'], ['twice'])],
      initializers: [makeTensor('two', { dtype: 'float32', shape: [1], data: Float32Array.of(2) })],
      outputs: [makeValue('twice', 'float32', output.shape?.map((dim) => dim) ?? [])],
    })
    const [before, after] = [await runOrt(file, feeds), await runOrt(longer, feeds)]
    for (const [key, { bytes }] of Object.entries(before)) assert.deepEqual(after[key].bytes, bytes)
    assert.deepEqual(
      floats(after.twice.bytes),
      floats(before[output.name].bytes).map((value) => Math.fround(2 * value)),
    )
  })
}

test('the longer file is the shorter one, its length and what was appended: every other byte is shared', () => {
  const file = writeModel(convModel().model)
  const {
    file: longer,
    length,
    content,
    end,
    lengthBytes,
    appendedBytes,
  } = appendToFile(file, {
    nodes: [makeNode('Neg', ['y'], ['z'])],
    outputs: [makeValue('z', 'float32', ['n'])],
  })
  assert.deepEqual(longer.subarray(0, length), file.subarray(0, length))
  assert.deepEqual(longer.subarray(length + lengthBytes).subarray(0, end - content), file.subarray(content, end))
  assert.deepEqual(longer.subarray(length + lengthBytes + end - content + appendedBytes), file.subarray(end))
  assert.equal(readModel(longer).graph.name, readModel(file).graph.name)
})

test('bytes that are no ONNX file, and a graph in pieces, are refused', () => {
  const parts = { nodes: [], outputs: [] }
  assert.throws(() => appendToFile(Uint8Array.of(8, 8), parts), { code: 'INVALID_MODEL' })
  const file = writeModel(convModel().model)
  assert.throws(() => appendToFile(new Uint8Array([...file, 0x3a, 0x00]), parts), {
    code: 'INVALID_MODEL',
    message: /one piece/,
  })
})
