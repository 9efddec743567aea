/** For tests: a graph written as code that calls layers, as exporters write them. */

import { elementCount, rng, type Tensor } from '../../sdk/core/index.ts'
import {
  type AttributeValue,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  makeTensor,
  makeUntypedOutput,
  makeValue,
  type NodeProto,
  type TensorProto,
} from '../../sdk/onnx/index.ts'

export class Net {
  readonly nodes: NodeProto[] = []
  readonly initializers: TensorProto[] = []
  readonly #shape: readonly number[]
  readonly #opset: number
  #seed = 0

  /** @param shape of a sample */
  constructor(shape: readonly number[], opset = 17) {
    this.#shape = shape
    this.#opset = opset
  }

  readonly input = 'x'

  node(op: string, inputs: readonly string[], attributes: Record<string, AttributeValue> = {}, domain = ''): string {
    return this.nodes_(op, inputs, attributes, 1, domain)[0]
  }

  nodes_(
    op: string,
    inputs: readonly string[],
    attributes: Record<string, AttributeValue>,
    outputs: number,
    domain = '',
  ) {
    const names = Array.from({ length: outputs }, (_, i) => `${op}_${this.nodes.length}${i ? `_${i}` : ''}`)
    this.nodes.push(makeNode(op, inputs, names, attributes, { name: `node_${this.nodes.length}`, domain }))
    return names
  }

  constant(tensor: Tensor): string {
    const name = `c${this.initializers.length}`
    this.initializers.push(makeTensor(name, tensor))
    return name
  }

  /** Uniform numbers in [−scale, scale), moved by `offset`. */
  weight(shape: readonly number[], scale = 0.5, offset = 0): string {
    const { uniform } = rng(++this.#seed, 5)
    const data = Float32Array.from({ length: elementCount(shape) }, () => scale * (2 * uniform() - 1) + offset)
    return this.constant({ dtype: 'float32', shape, data })
  }

  ints(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.constant({ dtype: 'int64', shape, data: BigInt64Array.from(values, BigInt) })
  }

  scalar(value: number): string {
    return this.constant({ dtype: 'float32', shape: [], data: Float32Array.of(value) })
  }

  conv(x: string, inputs: number, outputs: number, kernel = 3, { group = 1, stride = 1, bias = true } = {}): string {
    const pad = (kernel - 1) >> 1
    const w = this.weight(
      [outputs, inputs / group, kernel, kernel],
      1.2 / Math.sqrt((inputs / group) * kernel * kernel),
    )
    return this.node('Conv', bias ? [x, w, this.weight([outputs])] : [x, w], {
      group,
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      kernel_shape: [kernel, kernel],
    })
  }

  relu(x: string): string {
    return this.node('Relu', [x])
  }

  convRelu(x: string, inputs: number, outputs: number, kernel = 3, options = {}): string {
    return this.relu(this.conv(x, inputs, outputs, kernel, options))
  }

  batchNorm(x: string, channels: number): string {
    const parameters = [this.weight([channels], 0.4, 1), this.weight([channels]), this.weight([channels])]
    return this.node('BatchNormalization', [x, ...parameters, this.weight([channels], 0.4, 1)])
  }

  linear(x: string, inputs: number, outputs: number): string {
    const product = this.node('MatMul', [x, this.weight([inputs, outputs], 1.2 / Math.sqrt(inputs))])
    return this.node('Add', [this.weight([outputs]), product])
  }

  layerNorm(x: string, channels: number): string {
    return this.node('LayerNormalization', [x, this.weight([channels], 0.4, 1), this.weight([channels])], { axis: -1 })
  }

  add(a: string, b: string): string {
    return this.node('Add', [a, b])
  }

  mul(a: string, b: string): string {
    return this.node('Mul', [a, b])
  }

  transpose(x: string, perm: readonly number[]): string {
    return this.node('Transpose', [x], { perm })
  }

  reshape(x: string, shape: readonly number[]): string {
    return this.node('Reshape', [x, this.ints(shape)])
  }

  concat(inputs: readonly string[], axis = 1): string {
    return this.node('Concat', inputs, { axis })
  }

  maxPool(x: string, kernel = 2, stride = 2): string {
    const pad = kernel > 2 ? kernel >> 1 : 0
    return this.node('MaxPool', [x], {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
    })
  }

  slice(x: string, axis: number, start: number, end: number): string {
    return this.node('Slice', [x, this.ints([start]), this.ints([end]), this.ints([axis])])
  }

  /** The length of an axis, as exporters compute it: a scalar in a list of one. */
  size(x: string, axis: number): string {
    const length = this.node('Gather', [this.node('Shape', [x]), this.ints([axis], [])])
    return this.node('Unsqueeze', [length, this.ints([0])])
  }

  /** Reshape to lengths that are computed, or numbers. */
  view(x: string, sizes: readonly (string | number)[]): string {
    const parts = sizes.map((size) => (typeof size === 'number' ? this.ints([size]) : size))
    return this.node('Reshape', [x, this.concat(parts, 0)])
  }

  /** Average over positions, then a classifier. */
  head(x: string, channels: number): string {
    const pooled = this.node('Flatten', [this.node('GlobalAveragePool', [x])])
    return this.node('Gemm', [pooled, this.weight([6, channels]), this.weight([6])], { transB: 1 })
  }

  model(...outputs: readonly string[]): Model {
    const graph = makeGraph('net', {
      nodes: this.nodes,
      inputs: [makeValue('x', 'float32', ['n', ...this.#shape])],
      outputs: outputs.map(makeUntypedOutput),
      initializers: this.initializers,
    })
    return makeModel(graph, { opsets: { '': this.#opset, 'com.microsoft': 1 } })
  }
}
