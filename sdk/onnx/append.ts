/**
 * Appending to the main graph of an ONNX file. Nothing that the file has is written again: the appended nodes follow its last
 * node, and only the length of the graph changes. So a package stores the longer file as the shorter one and a few ranges.
 */

import { type Bytes, concat, dtypeOf, HardpackError, LENGTH, VARINT, WireReader, WireWriter } from '../core/index.ts'
import { type GraphParts, makeValue } from './build.ts'
import { create, typeOf } from './proto.ts'
import { notOnnx } from './sniff.ts'

const MODEL_IR_VERSION = 1
const MODEL_GRAPH = 7

/** The oldest version of ONNX whose initializers need not be inputs. */
const FREE_INITIALIZERS = 4

export interface Appended {
  /** The longer file: `head`, the new length of the graph, what was between `head` and `end`, the appended bytes, the rest. */
  readonly file: Bytes
  /** Positions in the shorter file: where the length of the graph lies, where its content begins, and where it ends. */
  readonly length: number
  readonly content: number
  readonly end: number
  /** Bytes of the new length and of what was appended. */
  readonly lengthBytes: number
  readonly appendedBytes: number
}

/**
 * Appends nodes, initializers, inputs and outputs to the main graph of an ONNX file.
 *
 * @param parts nodes may read every value of the main graph; names must be new
 * @throws HardpackError `INVALID_MODEL` for bytes that are no ONNX file, or that hold its graph in pieces.
 * @example
 * const { file } = appendToFile(model, { nodes: [makeNode('Neg', ['logits'], ['y'])], outputs: [makeValue('y', 'float32', ['n'])] })
 */
export function appendToFile(model: Uint8Array, parts: GraphParts): Appended {
  const reader = new WireReader(model)
  let graph: { length: number; content: number; end: number } | undefined
  let irVersion = 0
  while (!reader.done) {
    const { field, type } = reader.tag()
    const at = reader.position
    if (field === MODEL_IR_VERSION && type === VARINT) irVersion = reader.varint()
    else if (field === MODEL_GRAPH && type === LENGTH) {
      if (graph) {
        throw new HardpackError('INVALID_MODEL', 'The ONNX file expected its graph in one piece, got several.', {
          hint: 'Load and save it with onnx once.',
        })
      }
      const content = reader.lengthDelimited()
      graph = { length: at, content: reader.position - content.length, end: reader.position }
    } else reader.skip(type)
  }
  if (!graph) throw notOnnx(model)
  const appended = encodeParts(irVersion < FREE_INITIALIZERS ? withInputs(parts) : parts)
  const { length, content, end } = graph
  const prefix = new WireWriter().varint(end - content + appended.length).finish()
  const file = concat([model.subarray(0, length), prefix, model.subarray(content, end), appended, model.subarray(end)])
  return { file, length, content, end, lengthBytes: prefix.length, appendedBytes: appended.length }
}

/** The fields of a graph without a name: a name would take the place of the one that is there. */
function encodeParts({ nodes, inputs = [], outputs, initializers = [] }: GraphParts): Uint8Array {
  const fields = { node: [...nodes], initializer: [...initializers], input: [...inputs], output: [...outputs] }
  return typeOf('GraphProto').encode(create('GraphProto', fields)).finish()
}

function withInputs(parts: GraphParts): GraphParts {
  const initializers = (parts.initializers ?? []).map(({ name, dataType, dims }) =>
    makeValue(name, dtypeOf(dataType) ?? 'float32', dims.map(Number)),
  )
  return { ...parts, inputs: [...(parts.inputs ?? []), ...initializers] }
}
