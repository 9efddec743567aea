/**
 * ONNX messages in memory: what protobufjs decodes a file into, typed for the parts that hardpack reads and edits. Every
 * other field of the schema is in the objects too, and fields that the schema does not know are kept and written back,
 * so reading and writing loses nothing.
 *
 * Repeated fields are always arrays of the message's own. An absent scalar reads as its default ('' or 0), an absent
 * message as null; delete a field to make it absent again.
 */

import protobuf from 'protobufjs'
import { ONNX_SCHEMA } from './schema.ts'

/** A 64-bit integer: a number where that is exact, else a bigint. */
export type Int64 = number | bigint

export interface StringStringEntryProto {
  key: string
  value: string
}

export interface TensorProto {
  name: string
  dims: Int64[]
  /** `TensorProto.DataType`; `dtypeOf` in sdk/core names it. */
  dataType: number
  rawData: Uint8Array
  /** Runs of packed little-endian float32 or float64. */
  floatData: Uint8Array[]
  doubleData: Uint8Array[]
  /** Runs of packed varints. */
  int32Data: Uint8Array[]
  int64Data: Uint8Array[]
  uint64Data: Uint8Array[]
  stringData: Uint8Array[]
  externalData: StringStringEntryProto[]
  /** 1: the payload is in another file. */
  dataLocation: number
}

export interface SparseTensorProto {
  values: TensorProto | null
  indices: TensorProto | null
  dims: Int64[]
}

/** `AttributeProto.AttributeType`. */
export const ATTRIBUTE_TYPES = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  sparseTensor: 11,
  sparseTensors: 12,
} as const

export interface AttributeProto {
  name: string
  /** One of `ATTRIBUTE_TYPES`: which of the fields below holds the value. */
  type: number
  f: number
  i: Int64
  s: Uint8Array
  t: TensorProto | null
  g: GraphProto | null
  floats: number[]
  ints: Int64[]
  strings: Uint8Array[]
  tensors: TensorProto[]
  graphs: GraphProto[]
  sparseTensor: SparseTensorProto | null
  sparseTensors: SparseTensorProto[]
  refAttrName: string
}

export interface NodeProto {
  name: string
  opType: string
  domain: string
  /** '' is an optional input that is not given. */
  input: string[]
  output: string[]
  attribute: AttributeProto[]
}

export interface DimensionProto {
  dimValue: Int64
  dimParam: string
  /** Which of the two is set. */
  value?: 'dimValue' | 'dimParam'
}

export interface TensorShapeProto {
  dim: DimensionProto[]
}

export interface TensorTypeProto {
  elemType: number
  /** null: not even the rank is known. */
  shape: TensorShapeProto | null
}

export interface TypeProto {
  tensorType: TensorTypeProto | null
  value?: 'tensorType' | 'sequenceType' | 'mapType' | 'opaqueType' | 'sparseTensorType' | 'optionalType'
}

export interface ValueInfoProto {
  name: string
  type: TypeProto | null
}

export interface GraphProto {
  name: string
  node: NodeProto[]
  initializer: TensorProto[]
  sparseInitializer: SparseTensorProto[]
  /** Up to IR version 3 initializers are listed here too; later they may be. */
  input: ValueInfoProto[]
  output: ValueInfoProto[]
  valueInfo: ValueInfoProto[]
}

export interface OperatorSetIdProto {
  /** '' is ai.onnx. */
  domain: string
  version: Int64
}

export interface FunctionProto {
  name: string
  domain: string
  input: string[]
  output: string[]
  attribute: string[]
  attributeProto: AttributeProto[]
  node: NodeProto[]
  opsetImport: OperatorSetIdProto[]
}

export interface TrainingInfoProto {
  initialization: GraphProto | null
  algorithm: GraphProto | null
}

export interface ModelProto {
  irVersion: Int64
  opsetImport: OperatorSetIdProto[]
  producerName: string
  producerVersion: string
  graph: GraphProto
  functions: FunctionProto[]
  trainingInfo: TrainingInfoProto[]
  metadataProps: StringStringEntryProto[]
}

interface Messages {
  AttributeProto: AttributeProto
  FunctionProto: FunctionProto
  GraphProto: GraphProto
  ModelProto: ModelProto
  NodeProto: NodeProto
  OperatorSetIdProto: OperatorSetIdProto
  SparseTensorProto: SparseTensorProto
  StringStringEntryProto: StringStringEntryProto
  TensorProto: TensorProto
  TensorShapeProto: TensorShapeProto
  TrainingInfoProto: TrainingInfoProto
  'TensorShapeProto.Dimension': DimensionProto
  TypeProto: TypeProto
  'TypeProto.Tensor': TensorTypeProto
  ValueInfoProto: ValueInfoProto
}

const { root } = protobuf.parse(ONNX_SCHEMA)
root.resolveAll()
setDefaults(root)

/** protobufjs would give absent int64 and bytes fields a `Long` and an array. */
function setDefaults(namespace: protobuf.NamespaceBase): void {
  for (const type of namespace.nestedArray) {
    if (!(type instanceof protobuf.Type)) {
      if (type instanceof protobuf.Namespace) setDefaults(type)
      continue
    }
    for (const { name, type: fieldType, repeated } of type.fieldsArray) {
      if (repeated) continue
      if (fieldType === 'int64') Object.assign(type.ctor.prototype, { [name]: 0 })
      else if (fieldType === 'bytes') Object.assign(type.ctor.prototype, { [name]: new Uint8Array(0) })
    }
    setDefaults(type)
  }
}

/** The protobufjs type of a message. */
export function typeOf(name: keyof Messages): protobuf.Type {
  return root.lookupType(`onnx.${name}`)
}

/** A new message with the given fields; the others are absent. */
export function create<Name extends keyof Messages>(name: Name, fields: Partial<Messages[Name]>): Messages[Name] {
  return typeOf(name).create(fields) as unknown as Messages[Name]
}
