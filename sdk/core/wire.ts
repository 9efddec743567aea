/**
 * The protobuf wire format (varints, 64-bit, length-delimited, 32-bit), without schema and without reflection, so that
 * it runs under a Content-Security-Policy without `unsafe-eval` and costs a browser one kilobyte. The manifest is
 * written with it; ONNX files are walked with it where decoding every tensor would copy too much.
 */

import { type Bytes, concat } from './bytes.ts'
import { HardpackError } from './errors.ts'

export const VARINT = 0
export const FIXED64 = 1
export const LENGTH = 2
export const FIXED32 = 5

const malformed = (what: string): HardpackError =>
  new HardpackError('INVALID_FORMAT', `The protobuf message expected ${what}.`)

/** A cursor over one message. `end` bounds every read. */
export class WireReader {
  readonly bytes: Uint8Array
  position: number
  readonly end: number

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes
    this.position = position
    this.end = end
  }

  get done(): boolean {
    return this.position >= this.end
  }

  /**
   * An unsigned varint that fits a safe integer.
   *
   * @param canonical refuse an encoding longer than needed
   */
  varint(canonical = false): number {
    let value = 0
    let scale = 1
    for (let length = 1; length <= 8; length++) {
      if (this.position >= this.end) throw malformed('a whole varint, got the end of the message')
      const byte = this.bytes[this.position++]
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (canonical && byte === 0 && length > 1) throw malformed('a varint in its shortest form, got a longer one')
        if (!Number.isSafeInteger(value)) break
        return value
      }
      scale *= 128
    }
    throw malformed('a varint below 2^53, got a larger one')
  }

  /** The next field's number and wire type. */
  tag(canonical = false): { field: number; type: number } {
    const key = this.varint(canonical)
    if (key > 0xffffffff || key < 8) throw malformed(`a field number from 1 to 2^29 - 1, got key ${key}`)
    return { field: Math.floor(key / 8), type: key % 8 }
  }

  /** The bytes of a length-delimited field, as a view. */
  lengthDelimited(canonical = false): Uint8Array {
    const length = this.varint(canonical)
    if (length > this.end - this.position)
      throw malformed(`a field of ${length} bytes, got ${this.end - this.position}`)
    const start = this.position
    this.position += length
    return this.bytes.subarray(start, this.position)
  }

  /** Steps over a field's value. */
  skip(type: number): void {
    if (type === VARINT) {
      // A negative int64 takes ten bytes, so its value cannot go through varint().
      for (let length = 1; ; length++) {
        if (this.position >= this.end || length > 10) throw malformed('a whole varint')
        if (this.bytes[this.position++] < 0x80) return
      }
    }
    const length = type === FIXED64 ? 8 : type === FIXED32 ? 4 : type === LENGTH ? this.varint() : -1
    if (length < 0) throw malformed(`wire type 0, 1, 2 or 5, got ${type}`)
    if (length > this.end - this.position)
      throw malformed(`a field of ${length} bytes, got ${this.end - this.position}`)
    this.position += length
  }
}

/** Builds one message; fields are written in the order of the calls. */
export class WireWriter {
  readonly #parts: Uint8Array[] = []
  #small: number[] = []

  /** A bare varint: `value` is a non-negative safe integer. */
  varint(value: number): this {
    let rest = value
    while (rest >= 128) {
      this.#small.push((rest % 128) + 128)
      rest = Math.floor(rest / 128)
    }
    this.#small.push(rest)
    return this
  }

  tag(field: number, type: number): this {
    return this.varint(field * 8 + type)
  }

  /** A length-delimited field: bytes, a string's UTF-8, or a message. The bytes are kept, not copied, until `finish`. */
  bytes(field: number, bytes: Uint8Array): this {
    this.tag(field, LENGTH).varint(bytes.length)
    return this.raw(bytes)
  }

  /** A varint field. */
  uint(field: number, value: number): this {
    return this.tag(field, VARINT).varint(value)
  }

  /** Bytes as they are, without tag or length. */
  raw(bytes: Uint8Array): this {
    this.#flush()
    this.#parts.push(bytes)
    return this
  }

  finish(): Bytes {
    this.#flush()
    return concat(this.#parts)
  }

  #flush(): void {
    if (this.#small.length === 0) return
    this.#parts.push(Uint8Array.from(this.#small))
    this.#small = []
  }
}
