/**
 * A copy of a model in which every constant is an initializer with one reader. Exporters share identical constants (zero
 * biases, unit scales, shapes), and what two layers share could not be cut in two ways. Constants that are only moved
 * (`Transpose`, `Reshape` … of a weight) are moved here, so that a weight is what its layer reads; sizes that are computed
 * from constants are constants too.
 */

import { type DType, elementCount, type Tensor } from '../../../sdk/core/index.ts'
import {
  type AttributeProto,
  type GraphProto,
  intsOf,
  type Model,
  makeTensor,
  type NodeProto,
  payloadOf,
  type TensorProto,
} from '../../../sdk/onnx/index.ts'
import type { Observed } from '../types.ts'

/** A copy of a message: its fields are the same objects. */
export function copyOf<Message extends object>(message: Message, changes: Partial<Message> = {}): Message {
  return Object.assign(Object.create(Object.getPrototypeOf(message)), message, changes)
}

/** A copy of a model whose nodes and lists may be changed; tensors are shared. */
export function copyModel(model: Model): Model {
  const { graph } = model
  const node = graph.node.map((each) =>
    copyOf(each, { input: [...each.input], output: [...each.output], attribute: [...each.attribute] }),
  )
  const lists = { initializer: [...graph.initializer], input: [...graph.input], valueInfo: [...graph.valueInfo] }
  return copyOf(model, { graph: copyOf(graph, { node, ...lists, output: [...graph.output] }) })
}

/** Every name that the bodies of a node read. */
export function namesInBodies(node: NodeProto): Set<string> {
  const names = new Set<string>()
  const visit = ({ g, graphs }: AttributeProto): void => {
    for (const graph of g ? [g, ...graphs] : graphs) {
      for (const { name } of graph.output) names.add(name)
      for (const inner of graph.node) {
        for (const name of inner.input) names.add(name)
        for (const attribute of inner.attribute) visit(attribute)
      }
    }
  }
  for (const attribute of node.attribute) visit(attribute)
  return names
}

/** The tensor of a `Constant` node, where it has one as such. */
function tensorOfConstant(node: NodeProto): TensorProto | undefined {
  const [attribute] = node.attribute
  const name = node.output[0]
  if (node.opType !== 'Constant' || !attribute) return undefined
  switch (attribute.name) {
    case 'value':
      return attribute.t ? copyOf(attribute.t, { name }) : undefined
    case 'value_float':
      return makeTensor(name, { dtype: 'float32', shape: [], data: Float32Array.of(attribute.f) })
    case 'value_floats':
      return makeTensor(name, {
        dtype: 'float32',
        shape: [attribute.floats.length],
        data: Float32Array.from(attribute.floats),
      })
    case 'value_int':
      return makeTensor(name, { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(attribute.i)) })
    case 'value_ints':
      return makeTensor(name, {
        dtype: 'int64',
        shape: [attribute.ints.length],
        data: BigInt64Array.from(attribute.ints, BigInt),
      })
    default:
      return undefined
  }
}

/** The elements of a tensor with its axes in another order. */
export function transposed(tensor: Tensor, order: readonly number[]): Tensor {
  const shape = order.map((axis) => tensor.shape[axis])
  const strides = order.map((axis) => elementCount(tensor.shape.slice(axis + 1)))
  const data = tensor.data.slice()
  const index = order.map(() => 0)
  for (let to = 0, from = 0; to < data.length; to++) {
    data[to] = tensor.data[from]
    for (let axis = order.length - 1; axis >= 0; axis--) {
      from += strides[axis]
      if (++index[axis] < shape[axis]) break
      from -= strides[axis] * shape[axis]
      index[axis] = 0
    }
  }
  return { dtype: tensor.dtype, shape, data }
}

/** The value of a node that moves constants, or computes integers of them; undefined for other nodes. */
function folded(
  node: NodeProto,
  constants: ReadonlyMap<string, TensorProto>,
  observed: ReadonlyMap<string, Observed>,
): TensorProto | undefined {
  const source = constants.get(node.input[0])
  const [name, ...others] = node.output
  const seen = observed.get(name)
  if (!source || !seen || others.length > 0 || node.input.some((input) => input && !constants.has(input)))
    return undefined
  if (seen.integers) return integerTensor(name, seen.dtype, seen.shape, seen.integers)
  switch (node.opType) {
    case 'Identity':
      return copyOf(source, { name })
    case 'Transpose': {
      const order = intsOf(node, 'perm') ?? source.dims.map((_, i) => source.dims.length - 1 - i)
      return makeTensor(name, transposed(payloadOf(source), order))
    }
    case 'Reshape':
    case 'Flatten':
    case 'Squeeze':
    case 'Unsqueeze':
      return copyOf(source, { name, dims: [...seen.shape] })
    default:
      return undefined
  }
}

/** Sizes, axes, indices or flags as a tensor. */
export function integerTensor(
  name: string,
  dtype: DType,
  shape: readonly number[],
  values: readonly number[],
): TensorProto {
  const data =
    dtype === 'int64'
      ? BigInt64Array.from(values, BigInt)
      : dtype === 'int32'
        ? Int32Array.from(values)
        : Uint8Array.from(values)
  return makeTensor(name, { dtype, shape, data })
}

/** The copy, and which initializer each copied constant is a copy of. */
export function unshare(
  model: Model,
  observed: ReadonlyMap<string, Observed>,
): { model: Model; sources: ReadonlyMap<string, string> } {
  const copy = copyModel(model)
  const { graph } = copy
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]))
  graph.node = graph.node.filter((node) => {
    const tensor = tensorOfConstant(node) ?? folded(node, constants, observed)
    if (tensor) constants.set(tensor.name, tensor)
    return !tensor
  })
  const sources = new Map<string, string>()
  const used = keptByName(graph)
  const initializers = [...used].flatMap((name) => constants.get(name) ?? [])
  const taken = new Set([...constants.keys(), ...graph.node.flatMap(({ output }) => output)])
  for (const node of graph.node) {
    node.input = node.input.map((name) => {
      const tensor = constants.get(name)
      if (!tensor) return name
      let own = name
      for (let copyNumber = 2; used.has(own) || (own !== name && taken.has(own)); copyNumber++)
        own = `${name}/${copyNumber}`
      used.add(own)
      sources.set(own, name)
      initializers.push(own === name ? tensor : copyOf(tensor, { name: own }))
      return own
    })
  }
  graph.initializer = initializers
  // From version 4 of the format on, initializers need not be inputs.
  graph.input = graph.input.filter(({ name }) => !constants.has(name))
  copy.irVersion = Math.max(4, Number(copy.irVersion))
  return { model: copy, sources }
}

/** Constants whose name must stay: outputs of the graph, and what the bodies of nodes read. */
function keptByName(graph: GraphProto): Set<string> {
  return new Set([...graph.output.map(({ name }) => name), ...graph.node.flatMap((node) => [...namesInBodies(node)])])
}
