/** For tests: small models, one for each place where ONNX keeps weights. Each holds some weights of 256 bytes or more. */

import { type DType, elementCount, rng, type Tensor, WireWriter } from '../core/index.ts'
import { makeGraph, makeModel, makeNode, makeTensor, makeValue } from './build.ts'
import type { Model } from './model.ts'
import { create, type TensorProto } from './proto.ts'

export interface Sample {
  readonly model: Model
  readonly feeds: Readonly<Record<string, Tensor>>
}

/** Uniform numbers in [-0.5, 0.5). */
export function randomTensor(shape: readonly number[], seed: number): Tensor {
  const { uniform } = rng(seed)
  return { dtype: 'float32', shape, data: Float32Array.from({ length: elementCount(shape) }, () => uniform() - 0.5) }
}

const weight = (name: string, shape: readonly number[], seed: number): TensorProto =>
  makeTensor(name, randomTensor(shape, seed))

const int64s = (name: string, values: readonly number[]): TensorProto =>
  makeTensor(name, { dtype: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) })

const bytesView = (tensor: TensorProto): Uint8Array => tensor.rawData

/** The same tensor with its payload in another field. */
function moved(tensor: TensorProto, field: 'floatData' | 'doubleData' | 'int32Data' | 'int64Data', run: Uint8Array) {
  const { name, dims, dataType } = tensor
  return create('TensorProto', { name, dims, dataType, [field]: [run] })
}

/** A run of varints; a negative number takes ten bytes, as in an int32 or int64 field. */
export function varints(values: Iterable<number | bigint>): Uint8Array {
  const writer = new WireWriter()
  for (const value of values) {
    let rest = BigInt.asUintN(64, BigInt(value))
    const bytes: number[] = []
    for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128)
    writer.raw(Uint8Array.of(...bytes, Number(rest)))
  }
  return writer.finish()
}

/** Conv → Relu → Reshape → MatMul: initializers as `raw_data`, a symbolic batch. */
export function convModel(): Sample {
  const graph = makeGraph('conv', {
    nodes: [
      makeNode('Conv', ['x', 'kernel', 'bias'], ['features'], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
      makeNode('Relu', ['features'], ['active']),
      makeNode('Reshape', ['active', 'shape'], ['flat']),
      makeNode('MatMul', ['flat', 'dense'], ['y']),
    ],
    inputs: [makeValue('x', 'float32', ['batch', 1, 8, 8])],
    outputs: [makeValue('y', 'float32', ['batch', 10])],
    initializers: [
      weight('kernel', [8, 1, 3, 3], 1),
      weight('bias', [8], 2),
      int64s('shape', [-1, 512]),
      weight('dense', [512, 10], 3),
    ],
  })
  return { model: makeModel(graph), feeds: { x: randomTensor([2, 1, 8, 8], 4) } }
}

/** IR version 3: every initializer is an input too. */
export function ir3Model(): Sample {
  const graph = makeGraph('ir3', {
    nodes: [makeNode('MatMul', ['x', 'w'], ['y'])],
    inputs: [makeValue('x', 'float32', [1, 16]), makeValue('w', 'float32', [16, 8])],
    outputs: [makeValue('y', 'float32', [1, 8])],
    initializers: [weight('w', [16, 8], 5)],
  })
  return { model: makeModel(graph, { irVersion: 3, opsets: { '': 8 } }), feeds: { x: randomTensor([1, 16], 6) } }
}

/** A `Constant` node whose tensor has no name. */
export function constantModel(): Sample {
  const graph = makeGraph('constant', {
    nodes: [makeNode('Constant', [], ['w'], { value: weight('', [16, 8], 7) }), makeNode('MatMul', ['x', 'w'], ['y'])],
    inputs: [makeValue('x', 'float32', [null, 16])],
    outputs: [makeValue('y', 'float32', [null, 8])],
  })
  return { model: makeModel(graph), feeds: { x: randomTensor([3, 16], 8) } }
}

/** `If` with a weight in a `Constant` of one branch and in an initializer of the other; both read the outer `x`. */
export function ifModel(condition = true): Sample {
  const thenBranch = makeGraph('then', {
    nodes: [
      makeNode('Constant', [], ['w_then'], { value: weight('', [16, 8], 9) }),
      makeNode('MatMul', ['x', 'w_then'], ['y_then']),
    ],
    outputs: [makeValue('y_then', 'float32', [1, 8])],
  })
  const elseBranch = makeGraph('else', {
    nodes: [makeNode('MatMul', ['x', 'w_else'], ['y_else'])],
    outputs: [makeValue('y_else', 'float32', [1, 8])],
    initializers: [weight('w_else', [16, 8], 10)],
  })
  const graph = makeGraph('if', {
    nodes: [makeNode('If', ['condition'], ['y'], { then_branch: thenBranch, else_branch: elseBranch })],
    inputs: [makeValue('condition', 'bool', []), makeValue('x', 'float32', [1, 16])],
    outputs: [makeValue('y', 'float32', [1, 8])],
  })
  return {
    model: makeModel(graph),
    feeds: {
      condition: { dtype: 'bool', shape: [], data: Uint8Array.of(condition ? 1 : 0) },
      x: randomTensor([1, 16], 11),
    },
  }
}

/** Quantised weights between QuantizeLinear and DequantizeLinear. */
export function qdqModel(): Sample {
  const { below } = rng(12)
  const quantised: Tensor = { dtype: 'int8', shape: [32, 16], data: Int8Array.from({ length: 512 }, () => below(256)) }
  const graph = makeGraph('qdq', {
    nodes: [
      makeNode('QuantizeLinear', ['x', 'x_scale', 'zero'], ['x_q']),
      makeNode('DequantizeLinear', ['x_q', 'x_scale', 'zero'], ['x_dq']),
      makeNode('DequantizeLinear', ['w_q', 'w_scale', 'zero'], ['w']),
      makeNode('MatMul', ['x_dq', 'w'], ['y']),
    ],
    inputs: [makeValue('x', 'float32', [1, 32])],
    outputs: [makeValue('y', 'float32', [1, 16])],
    initializers: [
      makeTensor('w_q', quantised),
      makeTensor('x_scale', { dtype: 'float32', shape: [], data: Float32Array.of(1 / 128) }),
      makeTensor('w_scale', { dtype: 'float32', shape: [], data: Float32Array.of(1 / 64) }),
      makeTensor('zero', { dtype: 'int8', shape: [], data: Int8Array.of(0) }),
    ],
  })
  return { model: makeModel(graph, { opsets: { '': 13 } }), feeds: { x: randomTensor([1, 32], 13) } }
}

/** Payloads as packed `float_data`, `double_data`, `int32_data` and `int64_data`. */
export function packedModel(): Sample {
  const floats = weight('w', [16, 8], 14)
  const doubles = makeTensor('bias', {
    dtype: 'float64',
    shape: [4, 8],
    data: Float64Array.from(randomTensor([4, 8], 15).data as Float32Array),
  })
  const bytes = makeTensor('mask', {
    dtype: 'int8',
    shape: [4, 8],
    data: Int8Array.from({ length: 32 }, (_, i) => i - 16),
  })
  const graph = makeGraph('packed', {
    nodes: [
      makeNode('Cast', ['bias'], ['bias32'], { to: 1 }),
      makeNode('Cast', ['mask'], ['mask32'], { to: 1 }),
      makeNode('Reshape', ['x', 'shape'], ['rows']),
      makeNode('MatMul', ['rows', 'w'], ['product']),
      makeNode('Add', ['product', 'bias32'], ['sum']),
      makeNode('Mul', ['sum', 'mask32'], ['y']),
    ],
    inputs: [makeValue('x', 'float32', [64])],
    outputs: [makeValue('y', 'float32', [4, 8])],
    initializers: [
      moved(floats, 'floatData', bytesView(floats)),
      moved(doubles, 'doubleData', bytesView(doubles)),
      moved(bytes, 'int32Data', varints(Array.from({ length: 32 }, (_, i) => i - 16))),
      moved(int64s('shape', [4, -1]), 'int64Data', varints([4, -1])),
    ],
  })
  return { model: makeModel(graph), feeds: { x: randomTensor([64], 16) } }
}

/** A function of the model's own, with a weight in a `Constant`. */
export function functionModel(): Sample {
  const graph = makeGraph('main', {
    nodes: [makeNode('Dense', ['x'], ['y'], {}, { domain: 'local' })],
    inputs: [makeValue('x', 'float32', [1, 16])],
    outputs: [makeValue('y', 'float32', [1, 8])],
  })
  const model = makeModel(graph, { opsets: { '': 17, local: 1 } })
  const dense = create('FunctionProto', {
    name: 'Dense',
    domain: 'local',
    input: ['x'],
    output: ['y'],
    node: [makeNode('Constant', [], ['w'], { value: weight('', [16, 8], 17) }), makeNode('MatMul', ['x', 'w'], ['y'])],
    opsetImport: [create('OperatorSetIdProto', { domain: '', version: 17 })],
  })
  model.functions.push(dense)
  return { model, feeds: { x: randomTensor([1, 16], 18) } }
}

/** A sparse initializer: 64 values of a 16 × 8 matrix, by linear index. */
export function sparseModel(): Sample {
  const values = weight('w', [64], 19)
  const indices = int64s(
    '',
    Array.from({ length: 64 }, (_, i) => 2 * i),
  )
  const graph = makeGraph('sparse', {
    nodes: [makeNode('MatMul', ['x', 'w'], ['y'])],
    inputs: [makeValue('x', 'float32', [1, 16])],
    outputs: [makeValue('y', 'float32', [1, 8])],
  })
  graph.sparseInitializer.push(create('SparseTensorProto', { values, indices, dims: [16, 8] }))
  return { model: makeModel(graph), feeds: { x: randomTensor([1, 16], 20) } }
}

/** One input straight to one output, from an initializer. */
export function identityModel(tensor: TensorProto, dtype: DType): Model {
  const graph = makeGraph('identity', {
    nodes: [makeNode('Identity', [tensor.name], ['y'])],
    outputs: [makeValue('y', dtype, tensor.dims.map(Number))],
    initializers: [tensor],
  })
  return makeModel(graph)
}

export const SAMPLES: Readonly<Record<string, () => Sample>> = {
  convolution: convModel,
  'initializers as inputs (IR 3)': ir3Model,
  'Constant node': constantModel,
  'If, then': () => ifModel(true),
  'If, else': () => ifModel(false),
  'QDQ int8': qdqModel,
  'packed payloads': packedModel,
  'local function': functionModel,
  'sparse initializer': sparseModel,
}
