/**
 * Where the weights lie in an ONNX file. The walk reads the bytes of the protobuf without decoding it into objects, so
 * a model of any size costs no copy, and whatever it does not know stays as it is: the file is its weights and, between
 * them, the skeleton, byte for byte.
 *
 * A weight is a tensor whose elements lie as one run of little-endian bytes: `raw_data`, and packed `float_data` or
 * `double_data`. It may be an initializer (dense or sparse) or an attribute of a node (`Constant` above all), in the
 * main graph, in a subgraph (`If`, `Loop`, `Scan`), in a function or in the training graphs.
 */

import {
  type Bytes,
  byteLength,
  concat,
  type DType,
  dtypeOf,
  elementCount,
  HardpackError,
  LENGTH,
  VARINT,
  WireReader,
} from '../core/index.ts'
import { notOnnx } from './sniff.ts'

export interface WeightLocation {
  /** The tensor's name; for a tensor without one in a node, the name of the node's first output. */
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  /** The payload is bytes `[start, end)` of the file. */
  readonly start: number
  readonly end: number
  /** True for an initializer of the main graph held as `raw_data`: a runtime may take it as external data. */
  readonly external: boolean
}

/** As in protobuf's own parsers: deeper messages are refused by every ONNX runtime. */
const MAX_DEPTH = 100
const MAX_RANK = 8

/** Field numbers of `onnx.proto` on the way to a tensor. */
const MODEL = { irVersion: 1, graph: 7, trainingInfo: 20, functions: 25 }
const TRAINING = { initialization: 1, algorithm: 2 }
const GRAPH = { node: 1, initializer: 5, sparseInitializer: 15 }
const FUNCTION = { node: 7, attributeProto: 11 }
const NODE = { output: 2, attribute: 5 }
const ATTRIBUTE = { t: 5, g: 6, tensors: 10, graphs: 11, sparseTensor: 22, sparseTensors: 23 }
const SPARSE = { values: 1, indices: 2 }
const TENSOR = { dims: 1, dataType: 2, floatData: 4, name: 8, rawData: 9, doubleData: 10, dataLocation: 14 }

/** Fields of a tensor that say what its elements are: segment, the typed data, raw_data. */
const PAYLOADS: ReadonlySet<number> = new Set([3, 4, 5, 6, 7, 9, 10, 11])

interface Walk {
  readonly minBytes: number
  readonly found: WeightLocation[]
}

/** A reader of the length-delimited field at the cursor, which steps over it. Positions stay those of the file. */
function enter(reader: WireReader): WireReader {
  const length = reader.lengthDelimited().length
  return new WireReader(reader.bytes, reader.position - length, reader.position)
}

/** Calls `visit` for each length-delimited field, and steps over all others. */
function eachMessage(reader: WireReader, visit: (field: number, message: WireReader) => void): void {
  while (!reader.done) {
    const { field, type } = reader.tag()
    if (type === LENGTH) visit(field, enter(reader))
    else reader.skip(type)
  }
}

const utf8 = /* @__PURE__ */ new TextDecoder()

const text = (reader: WireReader): string => utf8.decode(reader.bytes.subarray(reader.position, reader.end))

/** A varint as a number; NaN past 2^49 or negative, which no size or type is. */
function smallVarint(reader: WireReader): number {
  const start = reader.position
  reader.skip(VARINT)
  return reader.position - start > 7 ? Number.NaN : new WireReader(reader.bytes, start, reader.position).varint()
}

/** Whether a payload field holds elements of this type as one run of bytes. */
function isRun(field: number, dtype: DType): boolean {
  if (field === TENSOR.floatData) return dtype === 'float32'
  if (field === TENSOR.doubleData) return dtype === 'float64'
  return field === TENSOR.rawData
}

function walkTensor(walk: Walk, tensor: WireReader, fallbackName: string, mainInitializer: boolean): void {
  let name = ''
  let dataType = 0
  let dataLocation = 0
  let payloads = 0
  let payload: { field: number; start: number; end: number } | undefined
  const shape: number[] = []
  while (!tensor.done) {
    const { field, type } = tensor.tag()
    if (PAYLOADS.has(field)) payloads++
    if (type === VARINT) {
      const value = smallVarint(tensor)
      if (field === TENSOR.dims) shape.push(value)
      else if (field === TENSOR.dataType) dataType = value
      else if (field === TENSOR.dataLocation) dataLocation = value
    } else if (type === LENGTH) {
      const content = enter(tensor)
      if (field === TENSOR.dims) while (!content.done) shape.push(smallVarint(content))
      else if (field === TENSOR.name) name = text(content)
      else if (PAYLOADS.has(field)) payload = { field, start: content.position, end: content.end }
    } else {
      tensor.skip(type)
    }
  }
  const dtype = dtypeOf(dataType)
  if (!dtype || !payload || payloads !== 1 || dataLocation !== 0 || !isRun(payload.field, dtype)) return
  const { field, start, end } = payload
  const count = elementCount(shape)
  if (shape.length > MAX_RANK || !Number.isSafeInteger(8 * count)) return
  if (end - start < walk.minBytes || end - start !== byteLength(dtype, count)) return
  const external = mainInitializer && field === TENSOR.rawData && name !== ''
  walk.found.push({ name: name || fallbackName, dtype, shape, start, end, external })
}

function walkSparse(walk: Walk, sparse: WireReader, fallbackName: string): void {
  eachMessage(sparse, (field, message) => {
    if (field === SPARSE.values || field === SPARSE.indices) walkTensor(walk, message, fallbackName, false)
  })
}

function walkAttribute(walk: Walk, attribute: WireReader, depth: number, nodeOutput: string): void {
  eachMessage(attribute, (field, message) => {
    if (field === ATTRIBUTE.t || field === ATTRIBUTE.tensors) walkTensor(walk, message, nodeOutput, false)
    else if (field === ATTRIBUTE.g || field === ATTRIBUTE.graphs) walkGraph(walk, message, depth + 1, false)
    else if (field === ATTRIBUTE.sparseTensor || field === ATTRIBUTE.sparseTensors) {
      walkSparse(walk, message, nodeOutput)
    }
  })
}

function walkNode(walk: Walk, node: WireReader, depth: number): void {
  let output: string | undefined
  const attributes: WireReader[] = []
  eachMessage(node, (field, message) => {
    if (field === NODE.output) output ??= text(message)
    else if (field === NODE.attribute) attributes.push(message)
  })
  for (const attribute of attributes) walkAttribute(walk, attribute, depth + 1, output ?? '')
}

function walkGraph(walk: Walk, graph: WireReader, depth: number, main: boolean): void {
  if (depth > MAX_DEPTH) {
    throw new HardpackError(
      'INVALID_MODEL',
      `The model expected messages nested at most ${MAX_DEPTH} deep, got subgraphs that go deeper.`,
      { hint: 'Export it with fewer nested If, Loop or Scan nodes.' },
    )
  }
  eachMessage(graph, (field, message) => {
    if (field === GRAPH.node) walkNode(walk, message, depth + 1)
    else if (field === GRAPH.initializer) walkTensor(walk, message, '', main)
    else if (field === GRAPH.sparseInitializer) walkSparse(walk, message, '')
  })
}

function walkFunction(walk: Walk, fn: WireReader): void {
  eachMessage(fn, (field, message) => {
    if (field === FUNCTION.node) walkNode(walk, message, 2)
    else if (field === FUNCTION.attributeProto) walkAttribute(walk, message, 2, '')
  })
}

function walkTraining(walk: Walk, training: WireReader): void {
  eachMessage(training, (field, message) => {
    if (field === TRAINING.initialization || field === TRAINING.algorithm) walkGraph(walk, message, 2, false)
  })
}

/** Walks the whole file; whether it has what every ONNX model has. */
function walkModel(walk: Walk, model: WireReader): boolean {
  let hasGraph = false
  let hasVersion = false
  while (!model.done) {
    const { field, type } = model.tag()
    hasVersion ||= field === MODEL.irVersion && type === VARINT
    if (type !== LENGTH) {
      model.skip(type)
      continue
    }
    const message = enter(model)
    if (field === MODEL.graph) {
      hasGraph = true
      walkGraph(walk, message, 1, true)
    } else if (field === MODEL.functions) walkFunction(walk, message)
    else if (field === MODEL.trainingInfo) walkTraining(walk, message)
  }
  return hasGraph && hasVersion
}

/**
 * Finds every weight whose payload lies as one run of bytes in an ONNX file, in ascending order. Tensors of another
 * kind (strings, packed integers, external data, a payload that is not as long as shape × type says, more than eight
 * dimensions) are left out: they stay in the skeleton.
 *
 * @param options.minBytes smaller payloads stay in the skeleton; 256 unless told. Below that, do not hand the external
 *   ones to ONNX Runtime as such: its shape inference reads small constants (the shape of a `Reshape`) only inline.
 * @throws HardpackError `INVALID_MODEL` for bytes that are not an ONNX file, or only a part of one.
 * @example
 * for (const { name, start, end } of locateWeights(model)) show(name, model.subarray(start, end))
 */
export function locateWeights(model: Uint8Array, options: { minBytes?: number } = {}): WeightLocation[] {
  const walk: Walk = { minBytes: options.minBytes ?? 256, found: [] }
  try {
    if (!walkModel(walk, new WireReader(model))) throw notOnnx(model)
  } catch (error) {
    if (error instanceof HardpackError && error.code === 'INVALID_FORMAT') throw notOnnx(model, error)
    throw error
  }
  return walk.found.sort((a, b) => a.start - b.start)
}

/**
 * The skeleton: an ONNX file without the payloads of the given weights. Put back at their places, they give the very
 * same file.
 *
 * @param locations as `locateWeights` gives them, or some of those, in the same order
 * @throws HardpackError `INVALID_ARGUMENT` when the ranges overlap, descend or leave the file.
 * @example
 * const skeleton = splitWeights(model, locateWeights(model))
 */
export function splitWeights(model: Uint8Array, locations: readonly WeightLocation[]): Bytes {
  const parts: Uint8Array[] = []
  let position = 0
  for (const { name, start, end } of locations) {
    if (!(position <= start && start <= end && end <= model.length)) {
      throw new HardpackError(
        'INVALID_ARGUMENT',
        `Weight "${name}" expected a range within ${position} to ${model.length}, got ${start} to ${end}.`,
      )
    }
    parts.push(model.subarray(position, start))
    position = end
  }
  parts.push(model.subarray(position))
  return concat(parts)
}
