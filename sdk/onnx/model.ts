/**
 * ONNX files to messages and back. Payloads are never copied on reading: they are views into the file. On writing each
 * is copied once, to its place in the new file.
 */

import protobuf from 'protobufjs'
import { type Bytes, HardpackError, messageOf } from '../core/index.ts'
import { type Int64, type ModelProto, typeOf } from './proto.ts'
import { notOnnx } from './sniff.ts'

export type Model = ModelProto

/** Protobuf messages end at 2 GiB; ONNX Runtime wants a little room below. */
export const MAX_MODEL_BYTES = 2 ** 31 - 2 ** 16

/** Payloads of at least this many bytes are kept aside until `finish`. */
const ASIDE = 1024

/** Gives 64-bit integers as `Int64` instead of protobufjs's `Long`. */
class OnnxReader extends protobuf.Reader {
  override int64(): protobuf.Long {
    const { low, high } = super.int64()
    const value = high * 2 ** 32 + (low >>> 0)
    const exact: Int64 = Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low >>> 0)
    return exact as unknown as protobuf.Long
  }
}

/**
 * Keeps large payloads aside, by reference. protobufjs's own writer would copy each whenever its buffer grows and again
 * for each message around it.
 */
class OnnxWriter extends protobuf.Writer {
  /** Payloads, and where in `buf` each belongs. */
  readonly #aside: { at: number; readonly bytes: Uint8Array }[] = []
  readonly #forks: { readonly at: number; readonly aside: number }[] = []

  override int64(value: protobuf.Long | Int64 | string): protobuf.Writer {
    return super.int64(typeof value === 'bigint' ? value.toString() : value)
  }

  override bytes(value: Uint8Array | string): protobuf.Writer {
    if (typeof value === 'string' || value.length < ASIDE) return super.bytes(value)
    this.uint32(value.length)
    this.#aside.push({ at: this.pos, bytes: value })
    return this
  }

  override fork(): protobuf.Writer {
    this.#forks.push({ at: this.pos, aside: this.#aside.length })
    return this
  }

  /** Puts the length of all since `fork` before it. */
  override ldelim(): protobuf.Writer {
    const fork = this.#forks.pop()
    if (!fork) throw new RangeError('ldelim without fork')
    const { at } = fork
    const aside = this.#aside.slice(fork.aside)
    const end = this.pos
    this.uint32(aside.reduce((length, { bytes }) => length + bytes.length, end - at))
    const prefix = this.buf.slice(end, this.pos)
    this.buf.copyWithin(at + prefix.length, at, end)
    this.buf.set(prefix, at)
    for (const payload of aside) payload.at += prefix.length
    return this
  }

  override finish(): Bytes {
    const length = this.#aside.reduce((sum, { bytes }) => sum + bytes.length, this.pos)
    if (length > MAX_MODEL_BYTES) {
      throw new HardpackError('LIMIT_EXCEEDED', `The model expected at most ${MAX_MODEL_BYTES} bytes, got ${length}.`, {
        hint: 'Write its weights as external data.',
      })
    }
    const out = new Uint8Array(length)
    let from = 0
    let to = 0
    for (const { at, bytes } of this.#aside) {
      out.set(this.buf.subarray(from, at), to)
      to += at - from
      out.set(bytes, to)
      to += bytes.length
      from = at
    }
    out.set(this.buf.subarray(from, this.pos), to)
    return out
  }
}

/**
 * Reads an ONNX file. Tensors are views into `bytes`: leave it as it is while the model is in use.
 *
 * @throws HardpackError `INVALID_MODEL` for bytes that are not an ONNX file, or only a part of one.
 * @example
 * const model = readModel(await readFile('model.onnx'))
 * model.graph.node.map((node) => node.opType) // ['Conv', 'Relu', …]
 */
export function readModel(bytes: Uint8Array): Model {
  // A Buffer's views would be Buffers.
  const reader = new OnnxReader(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length))
  reader.discardUnknown = false
  let model: Partial<Model>
  try {
    model = typeOf('ModelProto').decode(reader) as Partial<Model>
  } catch (error) {
    throw notOnnx(bytes, error)
  }
  if (!model.graph || !Object.hasOwn(model, 'irVersion')) throw notOnnx(bytes)
  return model as Model
}

/**
 * Writes an ONNX file. What was not edited since `readModel` has the same content, unknown fields included.
 *
 * @throws HardpackError `LIMIT_EXCEEDED` when the file would be larger than `MAX_MODEL_BYTES`; `INVALID_MODEL` when a
 *   field holds what it cannot, or subgraphs nest too deep.
 * @example
 * const copy = writeModel(readModel(bytes))
 */
export function writeModel(model: Model): Bytes {
  const writer = new OnnxWriter()
  try {
    typeOf('ModelProto').encode(model, writer)
  } catch (error) {
    const reason = messageOf(error)
    throw new HardpackError('INVALID_MODEL', `The model expected content that ONNX can hold, got "${reason}".`, {
      hint: 'Correct that field.',
      cause: error,
    })
  }
  return writer.finish()
}
