/**
 * Element types, by the numbers of ONNX `TensorProto.DataType`, with their size in bits and the typed array that holds
 * them in memory. float16 and bfloat16 are held as their bit patterns in a `Uint16Array`: no engine needs `Float16Array`.
 */

import { HardpackError } from './errors.ts'

interface DTypeInfo {
  /** ONNX `TensorProto.DataType`. */
  readonly onnx: number
  readonly bits: number
}

const DTYPES = {
  float32: { onnx: 1, bits: 32 },
  uint8: { onnx: 2, bits: 8 },
  int8: { onnx: 3, bits: 8 },
  uint16: { onnx: 4, bits: 16 },
  int16: { onnx: 5, bits: 16 },
  int32: { onnx: 6, bits: 32 },
  int64: { onnx: 7, bits: 64 },
  bool: { onnx: 9, bits: 8 },
  float16: { onnx: 10, bits: 16 },
  float64: { onnx: 11, bits: 64 },
  uint32: { onnx: 12, bits: 32 },
  uint64: { onnx: 13, bits: 64 },
  bfloat16: { onnx: 16, bits: 16 },
  float8e4m3fn: { onnx: 17, bits: 8 },
  float8e4m3fnuz: { onnx: 18, bits: 8 },
  float8e5m2: { onnx: 19, bits: 8 },
  float8e5m2fnuz: { onnx: 20, bits: 8 },
  uint4: { onnx: 21, bits: 4 },
  int4: { onnx: 22, bits: 4 },
} as const satisfies Record<string, DTypeInfo>

export type DType = keyof typeof DTYPES

const BY_NUMBER: ReadonlyMap<number, DType> = new Map(
  (Object.keys(DTYPES) as DType[]).map((name) => [DTYPES[name].onnx, name]),
)

/** The name of an ONNX `TensorProto.DataType` number; `undefined` for one without a fixed size (string) or unknown. */
export function dtypeOf(onnx: number): DType | undefined {
  return BY_NUMBER.get(onnx)
}

/** The ONNX `TensorProto.DataType` number of a type. */
export function onnxOf(dtype: DType): number {
  return DTYPES[dtype].onnx
}

/** Whether a string names an element type. */
export function isDType(name: string): name is DType {
  return Object.hasOwn(DTYPES, name)
}

/** The number of elements of a shape. An empty shape is a scalar: 1. */
export function elementCount(shape: readonly number[]): number {
  let count = 1
  for (const dim of shape) count *= dim
  return count
}

/**
 * Bytes that `count` elements take; 4-bit types are packed two a byte.
 *
 * @throws HardpackError `LIMIT_EXCEEDED` when the product is not a safe integer.
 */
export function byteLength(dtype: DType, count: number): number {
  const bytes = Math.ceil((count * DTYPES[dtype].bits) / 8)
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(bytes)) {
    throw new HardpackError(
      'LIMIT_EXCEEDED',
      `A tensor expected a size that a number can hold, got ${count} × ${dtype}.`,
    )
  }
  return bytes
}

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array

type TypedArrayConstructor = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => TypedArray

const ARRAYS: Partial<Record<DType, TypedArrayConstructor>> = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
}

/** The typed array that holds elements of a type: bits as integers where JavaScript has no such number. */
export function arrayOf(dtype: DType): TypedArrayConstructor {
  return ARRAYS[dtype] ?? Uint8Array
}

const f32 = /* @__PURE__ */ new Float32Array(1)
const u32 = /* @__PURE__ */ new Uint32Array(f32.buffer)

/** The float32 value of a float16 bit pattern (IEEE 754 binary16); exact. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  if (exponent === 0) return sign * fraction * 2 ** -24
  u32[0] = ((exponent + 112) << 23) | (fraction << 13)
  return sign * f32[0]
}

/** The float16 bit pattern nearest to a number; ties to even. */
export function toFloat16(value: number): number {
  f32[0] = value
  const bits = u32[0]
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00
  if (magnitude >= 0x47800000) return sign | 0x7c00
  if (magnitude < 0x38800000) {
    // Subnormal: adding 0.5 in float32 rounds to multiples of 2^-24, ties to even.
    u32[0] = magnitude
    f32[0] = f32[0] + 0.5
    return sign | (u32[0] - 0x3f000000)
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1)
  return sign | ((rounded - 0x38000000) >>> 13)
}

/** The float32 value of a bfloat16 bit pattern; exact. */
export function fromBfloat16(bits: number): number {
  u32[0] = bits << 16
  return f32[0]
}

/** The bfloat16 bit pattern nearest to a number; ties to even. */
export function toBfloat16(value: number): number {
  f32[0] = value
  const bits = u32[0]
  if ((bits & 0x7fffffff) > 0x7f800000) return ((bits >>> 16) & 0x8000) | 0x7fc0
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}
