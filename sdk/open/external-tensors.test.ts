import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WireWriter } from '../core/index.ts'
import { readModel, tensorsOf, writeModel } from '../onnx/index.ts'
import { SAMPLES } from '../onnx/sample-models.ts'
import { countExternalTensors } from './external-tensors.ts'

/** A tensor at the end of a path of field numbers from the model down. */
const at = (path: readonly number[], location = 1): Uint8Array =>
  path.reduceRight(
    (inner, field) => new WireWriter().bytes(field, inner).finish(),
    new WireWriter().uint(14, location).finish(),
  )

test('an external tensor is found wherever onnx.proto has room for one', () => {
  const graphs = [[7], [7, 1, 5, 6], [7, 1, 5, 11], [20, 1], [20, 2], [25, 7, 5, 6]]
  const attributes = [...graphs.map((graph) => [...graph, 1, 5]), [25, 7, 5], [25, 11]]
  const paths = [
    ...graphs.flatMap((graph) => [
      [...graph, 5],
      [...graph, 15, 1],
      [...graph, 15, 2],
    ]),
    ...attributes.flatMap((attribute) => [[5], [10], [22, 1], [23, 2]].map((rest) => [...attribute, ...rest])),
  ]
  for (const path of paths) {
    assert.equal(countExternalTensors(at(path)), 1, path.join('.'))
    assert.equal(countExternalTensors(at(path, 0)), 0)
  }
})

test('each tensor of real graphs is seen, and none is external until it is made so', () => {
  for (const [name, sample] of Object.entries(SAMPLES)) {
    const { model } = sample()
    assert.equal(countExternalTensors(writeModel(model)), 0, name)
    const again = readModel(writeModel(model))
    let tensors = 0
    for (const tensor of tensorsOf(again)) {
      Object.assign(tensor, { dataLocation: 1 })
      tensors++
    }
    assert.equal(countExternalTensors(writeModel(again)), tensors, name)
  }
})

test('a location that is taken back still counts, and depth has a limit', () => {
  const tensor = new WireWriter().uint(14, 1).uint(14, 0).finish()
  const graph = new WireWriter().bytes(5, tensor).finish()
  assert.equal(countExternalTensors(new WireWriter().bytes(7, graph).finish()), 1)
  const deep = at([7, ...Array.from({ length: 5000 }, () => [1, 5, 6]).flat(), 5])
  assert.throws(() => countExternalTensors(deep), { code: 'INVALID_FORMAT' })
})
