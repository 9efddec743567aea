/**
 * Building ONNX: values, tensors, nodes, graphs, models. The names follow `onnx.helper`, so that code which builds
 * graphs reads as it does elsewhere.
 */

import { bytesOf, type DType, HardpackError, onnxOf, type Tensor } from '../core/index.ts'
import {
  ATTRIBUTE_TYPES,
  type AttributeProto,
  create,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type OperatorSetIdProto,
  type TensorProto,
  type ValueInfoProto,
} from './proto.ts'

/** A float attribute; plain numbers are integers. */
export interface FloatAttribute {
  readonly float: number
}

/** A list of floats; plain lists of numbers are integers. */
export interface FloatsAttribute {
  readonly floats: readonly number[]
}

export type AttributeValue =
  | number
  | bigint
  | string
  | readonly (number | bigint)[]
  | readonly string[]
  | FloatAttribute
  | FloatsAttribute
  | TensorProto
  | GraphProto

export const float = (value: number): FloatAttribute => ({ float: value })
export const floats = (values: readonly number[]): FloatsAttribute => ({ floats: values })

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

const isText = (values: readonly unknown[]): values is readonly string[] => typeof values[0] === 'string'

function attributeFields(value: AttributeValue): Partial<AttributeProto> {
  const { float, floats, int, ints, string, strings, tensor, graph } = ATTRIBUTE_TYPES
  if (typeof value === 'number' || typeof value === 'bigint') return { type: int, i: value }
  if (typeof value === 'string') return { type: string, s: utf8(value) }
  if (Array.isArray(value)) {
    return isText(value) ? { type: strings, strings: value.map(utf8) } : { type: ints, ints: [...value] }
  }
  if ('float' in value) return { type: float, f: value.float }
  if ('floats' in value) return { type: floats, floats: [...value.floats] }
  if ('node' in value) return { type: graph, g: value }
  return { type: tensor, t: value as TensorProto }
}

function makeAttribute(name: string, value: AttributeValue): AttributeProto {
  const whole = typeof value === 'number' ? [value] : Array.isArray(value) ? value : []
  const fraction = whole.find((item) => typeof item === 'number' && !Number.isSafeInteger(item))
  if (fraction !== undefined) {
    throw new HardpackError('INVALID_ARGUMENT', `Attribute "${name}" expected integers, got ${fraction}.`, {
      hint: 'Wrap it in float() or floats().',
    })
  }
  return create('AttributeProto', { name, ...attributeFields(value) })
}

/**
 * A tensor with its elements as `raw_data`: a view of those given.
 *
 * @example
 * makeTensor('bias', { dtype: 'float32', shape: [2], data: Float32Array.of(0.5, -0.5) })
 */
export function makeTensor(name: string, tensor: Tensor): TensorProto {
  return create('TensorProto', {
    name,
    dims: [...tensor.shape],
    dataType: onnxOf(tensor.dtype),
    rawData: bytesOf(tensor),
  })
}

/**
 * An input or output of a graph. A string in the shape is a symbolic dimension, null one without a name.
 *
 * @example
 * makeValue('image', 'float32', ['batch', 3, 224, 224])
 */
export function makeValue(name: string, dtype: DType, shape: readonly (number | string | null)[]): ValueInfoProto {
  const dim = shape.map((size) =>
    create(
      'TensorShapeProto.Dimension',
      typeof size === 'number' ? { dimValue: size } : size === null ? {} : { dimParam: size },
    ),
  )
  const tensorType = create('TypeProto.Tensor', { elemType: onnxOf(dtype), shape: create('TensorShapeProto', { dim }) })
  return create('ValueInfoProto', { name, type: create('TypeProto', { tensorType }) })
}

/** An output of a graph that a runtime is to find the type and shape of. */
export function makeUntypedOutput(name: string): ValueInfoProto {
  return create('ValueInfoProto', { name })
}

/**
 * A node. Attributes are integers, strings, lists of those, tensors and graphs as they are; floats by `float`, `floats`.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for a number that is not an integer and not wrapped.
 * @example
 * makeNode('Gemm', ['x', 'w', 'b'], ['y'], { transB: 1, alpha: float(0.5) })
 */
export function makeNode(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  options: { name?: string; domain?: string } = {},
): NodeProto {
  const attribute = Object.entries(attributes).map(([name, value]) => makeAttribute(name, value))
  return create('NodeProto', { opType, input: [...input], output: [...output], attribute, ...options })
}

export interface GraphParts {
  readonly nodes: readonly NodeProto[]
  readonly inputs?: readonly ValueInfoProto[]
  readonly outputs: readonly ValueInfoProto[]
  readonly initializers?: readonly TensorProto[]
}

/**
 * A graph: the main graph of a model, or the body of a node.
 *
 * @example
 * makeGraph('double', { nodes: [makeNode('Add', ['x', 'x'], ['y'])], inputs: [x], outputs: [y] })
 */
export function makeGraph(name: string, { nodes, inputs = [], outputs, initializers = [] }: GraphParts): GraphProto {
  return create('GraphProto', {
    name,
    node: [...nodes],
    input: [...inputs],
    output: [...outputs],
    initializer: [...initializers],
  })
}

export interface ModelOptions {
  /** 8 unless told. */
  irVersion?: number
  /** Version by domain; '' is ai.onnx, 17 unless told. */
  opsets?: Readonly<Record<string, number>>
}

/**
 * A model around a graph, ready for `writeModel`.
 *
 * @example
 * writeModel(makeModel(graph, { opsets: { '': 17, 'com.microsoft': 1 } }))
 */
export function makeModel(graph: GraphProto, { irVersion = 8, opsets = { '': 17 } }: ModelOptions = {}): ModelProto {
  const opsetImport: OperatorSetIdProto[] = Object.entries(opsets).map(([domain, version]) =>
    create('OperatorSetIdProto', { domain, version }),
  )
  return create('ModelProto', { irVersion, producerName: 'hardpack', graph, opsetImport })
}
