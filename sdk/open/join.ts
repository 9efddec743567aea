/**
 * From a skeleton and its weights back to a graph that a runtime loads. `joinWeights` gives the very same ONNX file.
 * `externalize` gives an equal graph whose large initializers are external data, so that a runtime reads them where they
 * were decoded instead of from a second whole copy: only the length prefixes around them and their own fields change.
 */

import { concat, HardpackError, LENGTH, WireReader, WireWriter } from '../core/index.ts'

/** A weight's place: its bytes belong at `position` of the skeleton. Ascending by position. */
export interface Splice {
  readonly position: number
  readonly bytes: Uint8Array
}

/** A weight that may stay where it is: bytes `[offset, offset + length)` of the external file. */
export interface ExternalSplice extends Splice {
  readonly externalOffset?: number
}

/** The ONNX file of a skeleton and its weights, byte for byte as it was packed. */
export function joinWeights(skeleton: Uint8Array, splices: readonly Splice[]): Uint8Array {
  const parts: Uint8Array[] = []
  let at = 0
  for (const { position, bytes } of splices) {
    parts.push(skeleton.subarray(at, position), bytes)
    at = position
  }
  parts.push(skeleton.subarray(at))
  return concat(parts)
}

// Field numbers of onnx.proto.
const MODEL_GRAPH = 7
const GRAPH_INITIALIZER = 5
const TENSOR_RAW_DATA = 9
const TENSOR_EXTERNAL_DATA = 13
const TENSOR_DATA_LOCATION = 14
const DATA_LOCATION_EXTERNAL = 1

/**
 * An ONNX file in which every weight with an `externalOffset` is external data at `path`, and every other weight is in
 * place.
 *
 * @throws HardpackError `INVALID_FORMAT` when the skeleton is no ONNX file or a weight marked external is not the
 *   `raw_data` of an initializer of the main graph.
 */
export function externalize(skeleton: Uint8Array, splices: readonly ExternalSplice[], path: string): Uint8Array {
  const walk = new SkeletonWalk(skeleton, splices)
  const parts: Uint8Array[] = []
  for (const field of walk.fields(0, skeleton.length)) {
    if (field.number !== MODEL_GRAPH || field.type !== LENGTH) walk.copy(field.start, field.end, parts)
    else pushMessage(parts, MODEL_GRAPH, externalizeGraph(walk, field, path))
  }
  if (walk.next !== splices.length) throw misplaced()
  return concat(parts)
}

function externalizeGraph(walk: SkeletonWalk, graph: Field, path: string): Uint8Array[] {
  const parts: Uint8Array[] = []
  for (const field of walk.fields(graph.content, graph.end)) {
    const splice = walk.splices[walk.next]
    const external = splice?.externalOffset !== undefined && splice.position <= field.end
    if (!external) walk.copy(field.start, field.end, parts)
    else if (field.number !== GRAPH_INITIALIZER) throw misplaced()
    else pushMessage(parts, GRAPH_INITIALIZER, externalizeTensor(walk, field, path))
  }
  return parts
}

function externalizeTensor(walk: SkeletonWalk, tensor: Field, path: string): Uint8Array[] {
  const splice = walk.splices[walk.next]
  const parts: Uint8Array[] = []
  let replaced = false
  for (const field of walk.fields(tensor.content, tensor.end)) {
    if (field.number === TENSOR_RAW_DATA && field.content === splice.position) {
      walk.next++
      replaced = true
    } else if (field.number !== TENSOR_EXTERNAL_DATA) {
      walk.copy(field.start, field.end, parts)
    }
  }
  if (!replaced) throw misplaced()
  const reference = new WireWriter()
  const entry = (key: string, value: string | number) =>
    reference.bytes(
      TENSOR_EXTERNAL_DATA,
      new WireWriter()
        .bytes(1, utf8(key))
        .bytes(2, utf8(String(value)))
        .finish(),
    )
  entry('location', path)
  entry('offset', splice.externalOffset as number)
  entry('length', splice.bytes.length)
  parts.push(reference.uint(TENSOR_DATA_LOCATION, DATA_LOCATION_EXTERNAL).finish())
  return parts
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

const misplaced = (): HardpackError =>
  new HardpackError(
    'INVALID_FORMAT',
    'A weight expected its place in an initializer of the graph, got another place.',
    {
      hint: 'Pack the model again.',
    },
  )

function pushMessage(parts: Uint8Array[], field: number, content: readonly Uint8Array[]): void {
  let length = 0
  for (const part of content) length += part.length
  parts.push(new WireWriter().tag(field, LENGTH).varint(length).finish(), ...content)
}

interface Field {
  readonly number: number
  readonly type: number
  /** Positions in the skeleton: of the tag, of what follows tag and length, and of the end. */
  readonly start: number
  readonly content: number
  readonly end: number
}

/** Walks a message whose length prefixes still count the weights that were taken out. */
class SkeletonWalk {
  readonly skeleton: Uint8Array
  readonly splices: readonly ExternalSplice[]
  /** The first weight that is not yet placed. */
  next = 0

  constructor(skeleton: Uint8Array, splices: readonly ExternalSplice[]) {
    this.skeleton = skeleton
    this.splices = splices
  }

  *fields(start: number, end: number): Generator<Field> {
    let at = start
    while (at < end) {
      const reader = new WireReader(this.skeleton, at, end)
      const { field, type } = reader.tag()
      let content = reader.position
      let stop: number
      if (type === LENGTH) {
        const length = reader.varint()
        content = reader.position
        stop = this.#physicalEnd(content, length)
        if (stop > end) throw misplaced()
      } else {
        reader.skip(type)
        stop = reader.position
      }
      yield { number: field, type, start: at, content, end: stop }
      at = stop
    }
  }

  /** Copies `[start, end)` of the skeleton with the weights that belong in it. */
  copy(start: number, end: number, parts: Uint8Array[]): void {
    let at = start
    // A weight at `end` belongs to this span: what holds it is a field with at least a tag in front.
    while (this.next < this.splices.length && this.splices[this.next].position <= end) {
      const { position, bytes, externalOffset } = this.splices[this.next++]
      if (position <= start || externalOffset !== undefined) throw misplaced()
      parts.push(this.skeleton.subarray(at, position), bytes)
      at = position
    }
    parts.push(this.skeleton.subarray(at, end))
  }

  /** Where `length` bytes from `content` on end in the skeleton, when the weights within them are left out. */
  #physicalEnd(content: number, length: number): number {
    let absent = 0
    for (let i = this.next; i < this.splices.length; i++) {
      const { position, bytes } = this.splices[i]
      if (position - content + absent >= length) break
      absent += bytes.length
    }
    if (absent > length) throw misplaced()
    return content + length - absent
  }
}
