/**
 * Which tensors of a graph ask a runtime to read a file. A package has no paths, but its skeleton is an ONNX file that
 * anybody may have written, and onnxruntime opens what such a tensor names in the folder of the process. So before a
 * graph goes to a runtime, its external tensors are counted: they must be those that hardpack itself made, no more.
 */

import { HardpackError, LENGTH, VARINT, WireReader } from '../core/index.ts'

/** Messages of onnx.proto on the way to a tensor: by field number, the message that the field holds. */
const MESSAGES = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  function: { 7: 'node', 11: 'attribute' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: {},
} as const satisfies Record<string, Readonly<Record<number, string>>>

type Message = keyof typeof MESSAGES

const TENSOR_DATA_LOCATION = 14

/** As deep as protobuf's own readers go. */
const MAX_DEPTH = 100

/**
 * How many tensors of an ONNX file, anywhere in it, are external data.
 *
 * @param model a whole ONNX file
 * @throws HardpackError `INVALID_FORMAT` for what is no protobuf message, or nests too deep.
 * @example
 * countExternalTensors(onnx) // 0: it reads no file
 */
export function countExternalTensors(model: Uint8Array): number {
  return countIn(model, 'model', 0)
}

function countIn(bytes: Uint8Array, message: Message, depth: number): number {
  if (depth > MAX_DEPTH) {
    throw new HardpackError(
      'INVALID_FORMAT',
      `A graph expected at most ${MAX_DEPTH} messages in one another, got more.`,
    )
  }
  const fields: Readonly<Record<number, Message>> = MESSAGES[message]
  const reader = new WireReader(bytes)
  let count = 0
  let isExternal = false
  while (reader.position < reader.end) {
    const { field, type } = reader.tag()
    const inner = fields[field]
    if (inner !== undefined && type === LENGTH) count += countIn(reader.lengthDelimited(), inner, depth + 1)
    else if (message === 'tensor' && field === TENSOR_DATA_LOCATION && type === VARINT) {
      // Any location but the default, in any of its occurrences: readers differ in which one they take.
      if (reader.varint() !== 0) isExternal = true
    } else reader.skip(type)
  }
  return count + (isExternal ? 1 : 0)
}
