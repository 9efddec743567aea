/**
 * A schema for protobuf messages as values: a `Kind` says how one field is written and read, `message` puts fields
 * together. Writing is canonical (fields ascending, shortest varints, no default written, as proto3 has it), so one
 * message has one encoding. No code generation and no reflection: it runs under a Content-Security-Policy without
 * `unsafe-eval`.
 */

import {
  type Bytes,
  type DType,
  dtypeOf,
  FIXED64,
  HardpackError,
  isDType,
  LENGTH,
  onnxOf,
  VARINT,
  viewOf,
  WireReader,
  WireWriter,
} from '../core/index.ts'
import { malformed } from './limits.ts'

/** How a field holds a `T`. */
export interface Kind<T> {
  readonly type: number
  /** True when the field may occur more than once. */
  readonly repeated: boolean
  /** The value of a field that is not there. Throws where the field must be. */
  absent(): T
  /** Writes the field; nothing for its default. */
  write(writer: WireWriter, field: number, value: T): void
  /** Reads one occurrence; `before` is what earlier ones gave. */
  read(reader: WireReader, before: T | undefined): T
}

export interface Message<T> {
  encode(value: T): Bytes
  decode(bytes: Uint8Array): T
}

function expected(what: string, value: unknown): HardpackError {
  return new HardpackError('INVALID_ARGUMENT', `A field of the manifest expected ${what}, got ${String(value)}.`)
}

/** Refuses what a varint cannot hold. */
export function checkUint(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw expected('a whole number from 0 to 2^53 - 1', value)
}

/** An unsigned integer up to 2^53 - 1. */
export const uint: Kind<number> = {
  type: VARINT,
  repeated: false,
  absent: () => 0,
  write(writer, field, value) {
    checkUint(value)
    if (value !== 0) writer.uint(field, value)
  },
  read: (reader) => reader.varint(true),
}

export const bool: Kind<boolean> = {
  type: VARINT,
  repeated: false,
  absent: () => false,
  write(writer, field, value) {
    if (value) writer.uint(field, 1)
  },
  read: (reader) => reader.varint(true) !== 0,
}

/** An element type, by its ONNX number. */
export const dtype: Kind<DType> = {
  type: VARINT,
  repeated: false,
  absent() {
    throw malformed('A tensor of the manifest expected an element type, got none')
  },
  write(writer, field, value) {
    if (!isDType(value)) throw expected('an element type', value)
    writer.uint(field, onnxOf(value))
  },
  read(reader) {
    const number = reader.varint(true)
    const name = dtypeOf(number)
    if (name === undefined) throw malformed(`A tensor of the manifest expected a known element type, got ${number}`)
    return name
  },
}

export const float64: Kind<number> = {
  type: FIXED64,
  repeated: false,
  absent: () => 0,
  write(writer, field, value) {
    if (value === 0) return
    const bytes = new Uint8Array(8)
    viewOf(bytes).setFloat64(0, value, true)
    writer.tag(field, FIXED64).raw(bytes)
  },
  read(reader) {
    const at = reader.position
    reader.skip(FIXED64)
    return viewOf(reader.bytes).getFloat64(at, true)
  },
}

const utf8 = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 of a string that has one: TextEncoder would write another character for a lone surrogate. */
export function encodeText(value: string): Bytes {
  if (typeof value !== 'string' || /\p{Surrogate}/u.test(value)) throw expected('a well-formed string', value)
  return new TextEncoder().encode(value)
}

/** A string of Unicode scalar values. */
export const text: Kind<string> = {
  type: LENGTH,
  repeated: false,
  absent: () => '',
  write(writer, field, value) {
    const bytes = encodeText(value)
    if (bytes.length > 0) writer.bytes(field, bytes)
  },
  read(reader) {
    const bytes = reader.lengthDelimited(true)
    try {
      return utf8.decode(bytes)
    } catch {
      throw malformed('A string of the manifest expected UTF-8, got other bytes')
    }
  },
}

const noDigest = (length: number) => malformed(`A digest of the manifest expected 32 bytes, got ${length}`)

/** A SHA-256 digest; always there. */
export const digest: Kind<Uint8Array> = {
  type: LENGTH,
  repeated: false,
  absent() {
    throw noDigest(0)
  },
  write(writer, field, value) {
    if (!(value instanceof Uint8Array) || value.length !== 32) throw expected('a digest of 32 bytes', value)
    writer.bytes(field, value)
  },
  read(reader) {
    const bytes = reader.lengthDelimited(true)
    if (bytes.length !== 32) throw noDigest(bytes.length)
    return bytes
  },
}

/** Unsigned integers in one packed field. */
export const uints: Kind<readonly number[]> = {
  type: LENGTH,
  repeated: false,
  absent: () => [],
  write(writer, field, values) {
    if (values.length === 0) return
    const packed = new WireWriter()
    for (const value of values) {
      checkUint(value)
      packed.varint(value)
    }
    writer.bytes(field, packed.finish())
  },
  read(reader) {
    const packed = new WireReader(reader.lengthDelimited(true))
    const values: number[] = []
    while (!packed.done) values.push(packed.varint(true))
    return values
  },
}

export const texts: Kind<readonly string[]> = {
  type: LENGTH,
  repeated: true,
  absent: () => [],
  write(writer, field, values) {
    for (const value of values) {
      if (value === '') throw expected('a string that is not empty', '""')
      text.write(writer, field, value)
    }
  },
  read: (reader, before = []) => append(before, text.read(reader, undefined)),
}

/** Any number of messages. */
export function list<T>(item: Message<T>): Kind<readonly T[]> {
  return {
    type: LENGTH,
    repeated: true,
    absent: () => [],
    write(writer, field, values) {
      for (const value of values) writer.bytes(field, item.encode(value))
    },
    read: (reader, before = []) => append(before, item.decode(reader.lengthDelimited(true))),
  }
}

/** A message or nothing. */
export function optional<T>(item: Message<T>): Kind<T | undefined> {
  return {
    type: LENGTH,
    repeated: false,
    absent: () => undefined,
    write(writer, field, value) {
      if (value !== undefined) writer.bytes(field, item.encode(value))
    },
    read: (reader) => item.decode(reader.lengthDelimited(true)),
  }
}

/** A message that is always there, named in errors. */
export function required<T>(what: string, item: Message<T>): Kind<T> {
  return {
    type: LENGTH,
    repeated: false,
    absent() {
      throw malformed(`The manifest expected ${what}, got none`)
    },
    write(writer, field, value) {
      writer.bytes(field, item.encode(value))
    },
    read: (reader) => item.decode(reader.lengthDelimited(true)),
  }
}

// `before` is the array that the first occurrence made, not one that anybody else holds.
function append<T>(before: readonly T[], value: T): readonly T[] {
  const values = before as T[]
  values.push(value)
  return values
}

type Fields<T> = { readonly [Key in keyof T]-?: readonly [field: number, kind: Kind<T[Key]>] }

/**
 * A message with these fields, in ascending order of their numbers. Decoding refuses fields out of order, repeated
 * fields that may not repeat, and overlong varints; it steps over fields that it does not know.
 *
 * @example
 * const range = message<ChunkRange>({ chunk: [1, uint], start: [2, uint], length: [3, uint] })
 */
export function message<T extends object>(fields: Fields<T>): Message<T> {
  const rows = (Object.keys(fields) as (keyof T)[]).map((key) => {
    const [field, kind] = fields[key] as readonly [number, Kind<T[keyof T]>]
    return { key, field, kind }
  })
  const byNumber = new Map(rows.map((row) => [row.field, row]))
  return {
    encode(value) {
      const writer = new WireWriter()
      for (const { key, field, kind } of rows) kind.write(writer, field, value[key])
      return writer.finish()
    },
    decode(bytes) {
      const seen = new Map<keyof T, T[keyof T]>()
      const reader = new WireReader(bytes)
      let last = 0
      while (!reader.done) {
        const { field, type } = reader.tag(true)
        const row = byNumber.get(field)
        if (field < last || (field === last && row && !row.kind.repeated)) {
          throw malformed(`A message of the manifest expected ascending fields, got field ${field} after ${last}`)
        }
        last = field
        if (row === undefined) {
          reader.skip(type)
          continue
        }
        if (type !== row.kind.type) {
          throw malformed(`Field ${field} of the manifest expected wire type ${row.kind.type}, got ${type}`)
        }
        seen.set(row.key, row.kind.read(reader, seen.get(row.key)))
      }
      const value: Partial<T> = {}
      for (const { key, kind } of rows) value[key] = seen.get(key) ?? kind.absent()
      return value as T
    },
  }
}
