/**
 * The tiny ONNX models of the contract suite, encoded by hand so that the suite needs no ONNX library and runs in a page.
 * Field numbers are those of onnx.proto (ModelProto, GraphProto, NodeProto, TensorProto), IR version 8, opset 13.
 */

import { type Bytes, bytesOf, type DType, onnxOf, type Tensor, WireWriter } from '../sdk/core/index.ts'
import type { Graph } from './types.ts'

interface NodeSpec {
  readonly op: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Integer attributes only. */
  readonly attributes?: Readonly<Record<string, number>>
}

/** ONNX `TensorProto.STRING`, which is no `DType`: it has no fixed size. */
const STRING = 8

interface ValueSpec {
  readonly dtype: DType | 'string'
  /** `''` is a dimension without name or size. */
  readonly shape: readonly (number | string)[]
}

interface GraphSpec {
  readonly nodes: readonly NodeSpec[]
  readonly inputs: Readonly<Record<string, ValueSpec>>
  readonly outputs: Readonly<Record<string, ValueSpec>>
  readonly initializers?: Readonly<Record<string, Tensor>>
  /** Initializers that lie in a file of their own, by path. */
  readonly external?: Readonly<Record<string, { readonly path: string; readonly tensor: Tensor }>>
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const message = (build: (writer: WireWriter) => void): Bytes => {
  const writer = new WireWriter()
  build(writer)
  return writer.finish()
}

const encodeNode = (node: NodeSpec): Bytes =>
  message((w) => {
    for (const name of node.inputs) w.bytes(1, text(name))
    for (const name of node.outputs) w.bytes(2, text(name))
    w.bytes(4, text(node.op))
    for (const [name, value] of Object.entries(node.attributes ?? {})) {
      w.bytes(
        5,
        message((a) => a.bytes(1, text(name)).uint(3, value).uint(20, 2)),
      )
    }
  })

const encodeValue = (name: string, { dtype, shape }: ValueSpec): Bytes => {
  const dims = message((w) => {
    for (const dim of shape) {
      w.bytes(
        1,
        message((d) => (typeof dim === 'number' ? d.uint(1, dim) : dim && d.bytes(2, text(dim)))),
      )
    }
  })
  const tensorType = message((w) => w.uint(1, dtype === 'string' ? STRING : onnxOf(dtype)).bytes(2, dims))
  return message((w) =>
    w.bytes(1, text(name)).bytes(
      2,
      message((t) => t.bytes(1, tensorType)),
    ),
  )
}

const encodeTensor = (name: string, tensor: Tensor, path?: string): Bytes =>
  message((w) => {
    for (const dim of tensor.shape) w.uint(1, dim)
    w.uint(2, onnxOf(tensor.dtype)).bytes(8, text(name))
    if (path === undefined) {
      w.bytes(9, bytesOf(tensor))
      return
    }
    const entries = { location: path, offset: '0', length: String(tensor.data.byteLength) }
    for (const [key, value] of Object.entries(entries)) {
      w.bytes(
        13,
        message((e) => e.bytes(1, text(key)).bytes(2, text(value))),
      )
    }
    w.uint(14, 1)
  })

/** An ONNX file with one graph. */
function encodeGraph(spec: GraphSpec): Graph {
  const graph = message((w) => {
    for (const node of spec.nodes) w.bytes(1, encodeNode(node))
    w.bytes(2, text('contract'))
    for (const [name, tensor] of Object.entries(spec.initializers ?? {})) w.bytes(5, encodeTensor(name, tensor))
    for (const [name, { path, tensor }] of Object.entries(spec.external ?? {})) {
      w.bytes(5, encodeTensor(name, tensor, path))
    }
    for (const [name, value] of Object.entries(spec.inputs)) w.bytes(11, encodeValue(name, value))
    for (const [name, value] of Object.entries(spec.outputs)) w.bytes(12, encodeValue(name, value))
  })
  const opset = message((w) => w.bytes(1, text('')).uint(2, 13))
  const model = message((w) => w.uint(1, 8).bytes(7, graph).bytes(8, opset))
  const externalData = Object.values(spec.external ?? {}).map(({ path, tensor }) => ({ path, data: bytesOf(tensor) }))
  return externalData.length > 0 ? { model, externalData } : { model }
}

/** A float32 tensor. */
export const float32 = (shape: readonly number[], ...values: number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
})

const vector = (length: number | string, dtype: DType = 'float32'): ValueSpec => ({ dtype, shape: [length] })

/** `sum = a + b` and `product = a * b`, two outputs, both float32[2]. */
export const arithmetic: Graph = encodeGraph({
  nodes: [
    { op: 'Add', inputs: ['a', 'b'], outputs: ['sum'] },
    { op: 'Mul', inputs: ['a', 'b'], outputs: ['product'] },
  ],
  inputs: { a: vector(2), b: vector(2) },
  outputs: { sum: vector(2), product: vector(2) },
})

const weight = float32([3, 2], 1, 2, 3, 4, 5, 6)

const linear = {
  nodes: [
    { op: 'MatMul', inputs: ['x', 'w'], outputs: ['xw'] },
    { op: 'Add', inputs: ['xw', 'bias'], outputs: ['y'] },
  ],
  inputs: { x: { dtype: 'float32', shape: ['batch', 3] } },
  outputs: { y: { dtype: 'float32', shape: ['batch', 2] } },
} as const

/** `y = x · [[1,2],[3,4],[5,6]] + [10,20]` for x of float32[batch, 3]. */
export const dynamicBatch: Graph = encodeGraph({
  ...linear,
  initializers: { w: weight, bias: float32([2], 10, 20) },
})

/** The same as `dynamicBatch`, with the matrix in a file of its own. */
export const externalWeight: Graph = encodeGraph({
  ...linear,
  initializers: { bias: float32([2], 10, 20) },
  external: { w: { path: 'weights.bin', tensor: weight } },
})

/** `y = factor · x` for a scalar and a vector of unnamed length. */
export const scaling: Graph = encodeGraph({
  nodes: [{ op: 'Mul', inputs: ['factor', 'x'], outputs: ['y'] }],
  inputs: { factor: { dtype: 'float32', shape: [] }, x: vector('') },
  outputs: { y: vector('') },
})

/** A 2×2 convolution of all ones over float32[1,1,3,3], then Relu. */
export const convolution: Graph = encodeGraph({
  nodes: [
    { op: 'Conv', inputs: ['image', 'kernel'], outputs: ['map'] },
    { op: 'Relu', inputs: ['map'], outputs: ['y'] },
  ],
  inputs: { image: { dtype: 'float32', shape: [1, 1, 3, 3] } },
  outputs: { y: { dtype: 'float32', shape: [1, 1, 2, 2] } },
  initializers: { kernel: float32([1, 1, 2, 2], 1, 1, 1, 1) },
})

/** `picked = table[index]` (uint8), `doubled = index + index` (int64), `nonzero = cast(index) as bool`; index is int64[n]. */
export const integers: Graph = encodeGraph({
  nodes: [
    { op: 'Gather', inputs: ['table', 'index'], outputs: ['picked'], attributes: { axis: 0 } },
    { op: 'Add', inputs: ['index', 'index'], outputs: ['doubled'] },
    { op: 'Cast', inputs: ['index'], outputs: ['nonzero'], attributes: { to: onnxOf('bool') } },
  ],
  inputs: { table: vector(4, 'uint8'), index: vector('n', 'int64') },
  outputs: { picked: vector('n', 'uint8'), doubled: vector('n', 'int64'), nonzero: vector('n', 'bool') },
})

/** `y = cast(x) as float32` and `same = x` for x of float16[2]. */
export const halfPrecision: Graph = encodeGraph({
  nodes: [
    { op: 'Cast', inputs: ['x'], outputs: ['y'], attributes: { to: onnxOf('float32') } },
    { op: 'Identity', inputs: ['x'], outputs: ['same'] },
  ],
  inputs: { x: vector(2, 'float16') },
  outputs: { y: vector(2), same: vector(2, 'float16') },
})

/** `y = cast(x) as string`: an output that no tensor of ours can hold. */
export const strings: Graph = encodeGraph({
  nodes: [{ op: 'Cast', inputs: ['x'], outputs: ['y'], attributes: { to: STRING } }],
  inputs: { x: vector(2) },
  outputs: { y: { dtype: 'string', shape: [2] } },
})

/** A graph with an operator that does not exist. */
export const unknownOperator: Graph = encodeGraph({
  nodes: [{ op: 'NoSuchOperator', inputs: ['x'], outputs: ['y'] }],
  inputs: { x: vector(2) },
  outputs: { y: vector(2) },
})

/** Bytes that are no ONNX file. */
export const garbage: Graph = { model: text('<!doctype html><title>404</title>') }
