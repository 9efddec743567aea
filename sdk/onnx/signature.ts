/** What a model takes and gives: inputs and outputs with element type and shape, opsets, who made it. */

import { type DType, dtypeOf, HardpackError } from '../core/index.ts'
import { feedsOf } from './graph.ts'
import { type Model, readModel } from './model.ts'
import type { DimensionProto, ValueInfoProto } from './proto.ts'

export interface TensorValue {
  readonly name: string
  readonly dtype: DType
  /** A string is a symbolic dimension. One without a name in the model gets a name of its own: `unk__0`, `unk__1`, … */
  readonly shape: readonly (number | string)[]
}

export interface Signature {
  /** What a caller must feed: without those inputs that are initializers. */
  readonly inputs: readonly TensorValue[]
  /** A shape of `null`: the model does not say how many dimensions it has. */
  readonly outputs: readonly (Omit<TensorValue, 'shape'> & { readonly shape: TensorValue['shape'] | null })[]
  readonly opsets: readonly { readonly domain: string; readonly version: number }[]
  readonly irVersion: number
  /** Name and version of the exporter, as `pytorch 2.4.0`; may be empty. */
  readonly producer: string
}

function unsupported(role: string, value: ValueInfoProto, expected: string, got: string, hint: string): HardpackError {
  return new HardpackError('UNSUPPORTED_MODEL', `${role} "${value.name}" expected ${expected}, got ${got}.`, { hint })
}

const KINDS = {
  tensorType: 'a tensor',
  sequenceType: 'a sequence',
  mapType: 'a map',
  opaqueType: 'an opaque value',
  sparseTensorType: 'a sparse tensor',
  optionalType: 'an optional value',
}

const paramOf = (dim: DimensionProto): string => (dim.value === 'dimParam' ? dim.dimParam : '')

/** Names for dimensions that have none, different from all names in the model. */
function nameDimensions(values: readonly ValueInfoProto[]): (dim: DimensionProto) => number | string {
  const taken = new Set(values.flatMap(({ type }) => type?.tensorType?.shape?.dim.map(paramOf) ?? []))
  let next = 0
  return (dim) => {
    if (dim.value === 'dimValue' && dim.dimValue >= 0) return Number(dim.dimValue)
    const name = paramOf(dim)
    if (name !== '') return name
    while (taken.has(`unk__${next}`)) next++
    return `unk__${next++}`
  }
}

/**
 * The signature of a model.
 *
 * @param model an ONNX file, or one that is read already
 * @throws HardpackError `UNSUPPORTED_MODEL` when an input or output is not a tensor or has no element type of a fixed
 *   size, or an input has no known rank, naming it; `INVALID_MODEL` for bytes that are not an ONNX file.
 * @example
 * signatureOf(bytes).inputs // [{ name: 'image', dtype: 'float32', shape: ['batch', 3, 224, 224] }]
 */
export function signatureOf(model: Uint8Array | Model): Signature {
  const { graph, irVersion, opsetImport, producerName, producerVersion } =
    model instanceof Uint8Array ? readModel(model) : model
  const feeds = feedsOf(graph)
  const sizeOf = nameDimensions([...feeds, ...graph.output])
  const describe = (role: string, value: ValueInfoProto): Signature['outputs'][number] => {
    const kind = value.type?.value
    const tensor = value.type?.tensorType
    if (!tensor) {
      const got = kind ? KINDS[kind] : 'no type'
      throw unsupported(role, value, 'a tensor', got, 'Export the model with plain tensors as inputs and outputs.')
    }
    const dtype = dtypeOf(tensor.elemType)
    if (!dtype) {
      const got = tensor.elemType === 8 ? 'strings' : `ONNX data type ${tensor.elemType}`
      throw unsupported(role, value, 'numbers of a fixed size', got, 'Move what makes numbers of it out of the model.')
    }
    return { name: value.name, dtype, shape: tensor.shape?.dim.map(sizeOf) ?? null }
  }
  const describeInput = (value: ValueInfoProto): TensorValue => {
    const { shape, ...rest } = describe('Input', value)
    if (!shape) {
      throw unsupported('Input', value, 'a shape', 'one of unknown rank', 'Run shape inference on the model first.')
    }
    return { ...rest, shape }
  }
  return {
    inputs: feeds.map(describeInput),
    outputs: graph.output.map((value) => describe('Output', value)),
    opsets: opsetImport.map(({ domain, version }) => ({ domain, version: Number(version) })),
    irVersion: Number(irVersion),
    producer: `${producerName} ${producerVersion}`.trim(),
  }
}
