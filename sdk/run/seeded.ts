/**
 * Inputs made from a seed: the same bits in every engine, so that a golden case costs a package four bytes instead of
 * an image. Floats are multiples of 2^-23 times the amplitude, exact in float32; how integers are drawn is below.
 * Normative in `sdk/docs/format.md`, "Seeded inputs".
 */

import {
  arrayOf,
  type DType,
  elementCount,
  HardpackError,
  rng,
  type Tensor,
  toBfloat16,
  toFloat16,
} from '../core/index.ts'

/**
 * The seeded tensor of a type and shape.
 *
 * - float16, bfloat16, float32, float64: uniform in [-amplitude, amplitude)
 * - int8, uint8: uniform over all 256 values, whatever the amplitude
 * - other integers: uniform in [0, amplitude); bool: 0 or 1
 *
 * @param seed any unsigned 32-bit integer
 * @param amplitude a positive integer ≤ 2^16
 * @throws HardpackError `UNSUPPORTED_MODEL` for a type that has no seeded form (float8, 4-bit).
 * @example
 * seededTensor('float32', [1, 3], 7, 1).data // three numbers in [-1, 1)
 */
export function seededTensor(dtype: DType, shape: readonly number[], seed: number, amplitude: number): Tensor {
  const random = rng(seed)
  const count = elementCount(shape)
  const real = (): number => ((random.u32() >>> 8) / 0x800000 - 1) * amplitude
  const draw = DRAWS[dtype]
  if (!draw) {
    throw new HardpackError('UNSUPPORTED_MODEL', `A seeded input expected a type such as float32, got ${dtype}.`, {
      hint: 'Give this input with --golden.',
    })
  }
  const data = new (arrayOf(dtype) as unknown as new (count: number) => Tensor['data'])(count)
  for (let i = 0; i < count; i++) data[i] = draw(real, random.below, amplitude) as never
  return { dtype, shape, data }
}

type Draw = (real: () => number, below: (n: number) => number, amplitude: number) => number | bigint

const DRAWS: Partial<Record<DType, Draw>> = {
  float32: (real) => real(),
  float64: (real) => real(),
  float16: (real) => toFloat16(real()),
  bfloat16: (real) => toBfloat16(real()),
  int8: (_, below) => below(256) - 128,
  uint8: (_, below) => below(256),
  int16: (_, below, amplitude) => below(amplitude),
  uint16: (_, below, amplitude) => below(amplitude),
  int32: (_, below, amplitude) => below(amplitude),
  uint32: (_, below, amplitude) => below(amplitude),
  int64: (_, below, amplitude) => BigInt(below(amplitude)),
  uint64: (_, below, amplitude) => BigInt(below(amplitude)),
  bool: (_, below) => below(2),
}
