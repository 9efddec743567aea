import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { node } from '../../targets/node.ts'
import { bytesOf, equal, HardpackError, type Tensor } from '../core/index.ts'
import {
  float,
  floats,
  locateWeights,
  makeGraph,
  makeModel,
  makeNode,
  makeTensor,
  makeValue,
  readModel,
  splitWeights,
  writeModel,
} from '../onnx/index.ts'
import { type ExternalSplice, externalize, joinWeights } from './join.ts'

const f32 = (shape: number[], start = 0): Tensor => {
  const count = shape.reduce((product, dim) => product * dim, 1)
  return {
    dtype: 'float32',
    shape,
    data: Float32Array.from({ length: count }, (_, i) => ((start + i * 37) % 101) / 50 - 1),
  }
}

/** y = relu(x · w + b) · v, with `v` in a Constant node; attributes and names around the weights vary in length. */
function model(width: number, name: string): Uint8Array {
  const graph = makeGraph(name, {
    inputs: [makeValue('x', 'float32', [1, 16])],
    outputs: [makeValue('y', 'float32', [1, 16])],
    initializers: [makeTensor(`${name}.w`, f32([16, width])), makeTensor('b', f32([width], 5))],
    nodes: [
      makeNode('Gemm', ['x', `${name}.w`, 'b'], ['h'], { alpha: float(1) }),
      makeNode('Relu', ['h'], ['r']),
      makeNode('Constant', [], ['v'], { value: makeTensor('', f32([width, 16], 9)) }),
      makeNode('MatMul', ['r', 'v'], ['m']),
      makeNode('Constant', [], ['s'], { value_floats: floats([0.5]) }),
      makeNode('Mul', ['m', 's'], ['y']),
    ],
  })
  return writeModel(makeModel(graph))
}

function split(onnx: Uint8Array): { skeleton: Uint8Array; splices: ExternalSplice[]; arena: Uint8Array } {
  const locations = locateWeights(onnx)
  const arena = new Uint8Array(locations.reduce((sum, { start, end }) => sum + end - start, 0))
  let removed = 0
  const splices = locations.map(({ start, end, external }) => {
    const offset = removed
    removed += end - start
    arena.set(onnx.subarray(start, end), offset)
    const bytes = arena.subarray(offset, removed)
    return { position: start - offset, bytes, ...(external ? { externalOffset: offset } : {}) }
  })
  return { skeleton: splitWeights(onnx, locations), splices, arena }
}

test('skeleton and weights give back the very same file', () => {
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 70 }), fc.string({ maxLength: 40 }), (width, name) => {
      const onnx = model(width, name)
      const { skeleton, splices } = split(onnx)
      assert.ok(splices.length >= 2 && skeleton.length < onnx.length)
      assert.ok(equal(joinWeights(skeleton, splices), onnx))
    }),
    { numRuns: 40 },
  )
})

test('with weights as external data onnxruntime gives the same bits as with the whole file', async () => {
  for (const width of [4, 33, 128]) {
    const onnx = model(width, 'g')
    const { skeleton, splices, arena } = split(onnx)
    assert.ok(splices.some(({ externalOffset }) => externalOffset !== undefined))
    assert.ok(
      splices.some(({ externalOffset }) => externalOffset === undefined),
      'the Constant stays in place',
    )
    const external = externalize(skeleton, splices, 'weights')
    const feeds = { x: f32([1, 16], 3) }
    const outputs = []
    for (const graph of [{ model: onnx }, { model: external, externalData: [{ path: 'weights', data: arena }] }]) {
      const session = await node({ threads: 1 }).create(graph, { optimization: 'all' })
      outputs.push(bytesOf((await session.run(feeds)).y))
      await session.close()
    }
    assert.ok(equal(outputs[0], outputs[1]))
  }
})

test('nothing external: the same file again', () => {
  const onnx = model(20, 'plain')
  const { skeleton, splices } = split(onnx)
  const inPlace = splices.map(({ position, bytes }) => ({ position, bytes }))
  assert.ok(equal(externalize(skeleton, inPlace, 'weights'), onnx))
})

test('a weight at a place that is none is a typed error, whatever the place', () => {
  const onnx = model(12, 'g')
  const { skeleton, splices } = split(onnx)
  fc.assert(
    fc.property(fc.integer({ min: 0, max: skeleton.length }), fc.boolean(), (position, external) => {
      const [first, ...rest] = splices
      const moved = [{ ...first, position, externalOffset: external ? 0 : undefined }, ...rest]
      try {
        externalize(
          skeleton,
          moved.sort((a, b) => a.position - b.position),
          'weights',
        )
      } catch (error) {
        assert.ok(error instanceof HardpackError, String(error))
      }
    }),
    { numRuns: 500 },
  )
})

test('a weight that is made external names our file only, whatever it named before', () => {
  const again = readModel(model(32, 'g'))
  Object.assign(again.graph?.initializer[0] ?? {}, { externalData: [{ key: 'location', value: 'secret.txt' }] })
  const { skeleton, splices } = split(writeModel(again))
  const [tensor] = readModel(externalize(skeleton, splices, 'weights')).graph?.initializer ?? []
  assert.deepEqual(
    tensor.externalData.filter(({ key }) => key === 'location').map(({ value }) => value),
    ['weights'],
  )
})
