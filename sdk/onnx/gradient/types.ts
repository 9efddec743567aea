/**
 * The element type of every value of a graph, as far as operators tell it. A gradient needs it twice: integers and
 * booleans have none, and the constants of a rule must have the type of the values that they meet.
 */

import { type DType, dtypeOf } from '../../core/index.ts'
import { intOf } from '../attributes.ts'
import type { GraphProto, NodeProto } from '../proto.ts'

export type TypeOf = (value: string) => DType | undefined

const FLOATS: ReadonlySet<DType | undefined> = new Set(['float32', 'float64', 'float16', 'bfloat16'])

export const isFloat = (dtype: DType | undefined): boolean => FLOATS.has(dtype)

const always = (dtype: DType) => (): DType => dtype
const of = (input: number) => (node: NodeProto, typeOf: TypeOf) => typeOf(node.input[input] ?? '')

function constantType({ attribute }: NodeProto): DType | undefined {
  const [{ name = '', t = null } = {}] = attribute
  if (t) return dtypeOf(t.dataType)
  if (name.startsWith('value_float')) return 'float32'
  return name.startsWith('value_int') ? 'int64' : undefined
}

/** Operators whose outputs do not have the type of the first input; the others do. */
const TYPES: Readonly<Record<string, (node: NodeProto, typeOf: TypeOf) => DType | undefined>> = {
  Constant: constantType,
  ConstantOfShape: (node) => dtypeOf(node.attribute[0]?.t?.dataType ?? 1),
  Cast: (node) => dtypeOf(intOf(node, 'to', 0)),
  CastLike: of(1),
  Where: of(1),
  OneHot: of(2),
  DequantizeLinear: of(1),
  QuantizeLinear: (node, typeOf) => typeOf(node.input[2] ?? '') ?? 'uint8',
  DynamicQuantizeLinear: always('uint8'),
  ConvInteger: always('int32'),
  MatMulInteger: always('int32'),
  ...Object.fromEntries(['ArgMax', 'ArgMin', 'NonZero', 'Shape', 'Size'].map((op) => [op, always('int64')])),
  ...Object.fromEntries(
    [
      ['And', 'Equal', 'Greater', 'GreaterOrEqual', 'IsInf', 'IsNaN', 'Less', 'LessOrEqual', 'Not', 'Or', 'Xor'],
    ].flatMap((ops) => ops.map((op) => [op, always('bool')])),
  ),
}

/** Operators whose second output is a tensor of indices. */
const INDICES: ReadonlySet<string> = new Set(['MaxPool', 'TopK'])

/** Values that only subgraphs or operators of other domains make are left undefined. */
export function typesOf(graph: GraphProto): TypeOf {
  const types = new Map<string, DType | undefined>()
  const typeOf: TypeOf = (value) => types.get(value)
  for (const { name, type } of [...graph.valueInfo, ...graph.input, ...graph.output]) {
    types.set(name, dtypeOf(type?.tensorType?.elemType ?? 0))
  }
  for (const { name, dataType } of graph.initializer) types.set(name, dtypeOf(dataType))
  for (const { values } of graph.sparseInitializer) if (values) types.set(values.name, dtypeOf(values.dataType))
  for (const node of graph.node) {
    if (node.domain !== '' && node.domain !== 'ai.onnx') continue
    const dtype = (TYPES[node.opType] ?? of(0))(node, typeOf)
    for (const [i, output] of node.output.entries()) {
      if (!types.has(output)) types.set(output, i > 0 && INDICES.has(node.opType) ? 'int64' : dtype)
    }
  }
  return typeOf
}
