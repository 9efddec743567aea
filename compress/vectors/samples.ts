/** Small tensors that between them need every circuit and every byte codec: golden vectors and fuzzing begin with them. */

import { type DType, type Rng, rng } from '../../sdk/core/index.ts'
import type { WeightTensor } from '../types.ts'

type Value = (index: number, random: Rng) => number

/** Bits of a float as a 16- or 32-bit pattern. */
const PATTERN: Partial<Record<DType, (value: number) => number>> = {
  float32: float32Bits,
  bfloat16: (value) => float32Bits(value) >>> 16,
  float16: float16Bits,
}

function float32Bits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]
}

/** Cuts off what float16 does not hold; values below its normal ones become 0. */
function float16Bits(value: number): number {
  const bits = float32Bits(value)
  const exponent = ((bits >>> 23) & 255) - 112
  return ((bits >>> 16) & 0x8000) | (exponent > 0 ? (exponent << 10) | ((bits >>> 13) & 0x3ff) : 0)
}

function tensor(dtype: DType, shape: readonly number[], seed: number, width: number, value: Value): WeightTensor {
  const random = rng(seed)
  const count = shape.reduce((product, dim) => product * dim, 1)
  const bytes = new Uint8Array(count * width)
  const pattern = PATTERN[dtype] ?? ((number: number) => number)
  for (let i = 0; i < count; i++) {
    const bits = pattern(value(i, random))
    for (let place = 0; place < Math.min(width, 4); place++) bytes[width * i + place] = bits >>> (8 * place)
  }
  return { dtype, shape, bytes }
}

/** Nearly Gaussian: the sum of four uniform numbers. */
function normal(random: Rng): number {
  return random.uniform() + random.uniform() + random.uniform() + random.uniform() - 2
}

/** A scale for each row. */
function scaled(columns: number): Value {
  return (i, random) => normal(random) / (1 + (Math.floor(i / columns) % 7))
}

/** Every fiftieth is 0, −0, subnormal, infinite or no number. */
function withSpecials(value: Value): Value {
  const specials = [0, -0, 1e-42, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]
  return (i, random) => (random.below(50) ? value(i, random) : specials[random.below(specials.length)])
}

/** Some rows are a hundred octaves below the others. */
function withDeadRows(columns: number): Value {
  return (i, random) => normal(random) * (Math.floor(i / columns) % 5 === 3 ? 1e-30 : 1)
}

/** 3 × 3 kernels that are smooth: a tap is like the one before. */
function smoothKernels(): Value {
  let last = 0
  return (i, random) => {
    last = i % 9 === 0 ? normal(random) : 0.9 * last + 0.1 * normal(random)
    return last
  }
}

/** Values of a de-quantized tensor. */
const palette: Value = (_, random) => Math.round(6 * normal(random)) * 0.0123

/** What tensors of differences differ from: nearly Gaussian bfloat16, which other types read as values of their own. */
export function baseBytes(length: number): Uint8Array {
  return tensor('bfloat16', [Math.ceil(length / 2)], 21, 2, (_, random) => normal(random)).bytes.subarray(0, length)
}

/** A tensor that differs from its base by at most `most` last places. */
function changed(dtype: DType, shape: readonly number[], seed: number, width: number, most: number): WeightTensor {
  const random = rng(seed)
  const count = shape.reduce((product, dim) => product * dim, 1)
  const base = baseBytes(width * count)
  const bytes = base.slice()
  for (let i = 0; i < bytes.length; i += width) {
    let carry = random.below(2 * most + 1) - most
    for (let place = 0; place < width; place++) {
      carry += bytes[i + place]
      bytes[i + place] = carry
      carry >>= 8
    }
  }
  return { dtype, shape, bytes, base }
}

/** Cosines over sines: every value many times, mirrored and negated. */
function fourierBasis(size: number): Value {
  return (i) => {
    const row = Math.floor(i / size)
    const angle = (2 * Math.PI * ((row >> 1) * (i % size))) / size
    return row & 1 ? -Math.sin(angle) : Math.cos(angle)
  }
}

export const TEXT = Array.from({ length: 40 }, (_, i) => `/layer${i >> 3}/conv${i & 7}/Conv_output_0`).join('\n')

/** Too little and too varied for deflate. */
const NAMES =
  '/conv1/Conv_output_0 /relu/Relu_output_0 /layer1/layer1.0/Add_output_0 /fc/Gemm/MatMul_output_0 ' +
  'bn.running_mean bn.running_var bn.weight bn.bias /maxpool/MaxPool_output_0 /Flatten_output_0 lstm.weight_ih_l0'

/** By name: what is to be encoded together. */
export function samples(): Record<string, readonly WeightTensor[]> {
  const float32 = tensor('float32', [24, 30], 1, 4, withSpecials(scaled(30)))
  const bfloat16 = tensor('bfloat16', [64, 60], 2, 2, withSpecials(scaled(60)))
  const float16 = tensor('float16', [64, 66], 3, 2, withSpecials(scaled(66)))
  const int8 = tensor('int8', [90, 80], 4, 1, (i, random) => Math.round(15 * scaled(80)(i, random)))
  const int64 = tensor('int64', [40], 5, 8, (_, random) => random.below(4))
  const text = new TextEncoder().encode(TEXT)
  const unique = new TextEncoder().encode(NAMES)
  const names: WeightTensor = { dtype: 'bool', shape: [text.length], bytes: text }
  const noise = tensor('bool', [600], 6, 1, (_, random) => random.below(256))
  const nibble = (random: Rng): number => Math.round(2 * normal(random)) & 15
  const nibbles = tensor('uint8', [3600], 10, 1, (_, random) => nibble(random) | (nibble(random) << 4))
  const runs = tensor('bool', [900], 7, 1, (i) => (i % 90) * (i % 7))
  return {
    float32: [float32],
    bfloat16: [bfloat16],
    float16: [float16],
    int8: [int8],
    uint8: [tensor('uint8', [100, 9, 6], 8, 1, (i, random) => 128 + Math.round(15 * scaled(54)(i, random)))],
    int32: [tensor('int32', [1200], 9, 4, (_, random) => Math.round(3000 * normal(random)))],
    int64: [int64],
    int4: [{ ...nibbles, dtype: 'int4', shape: [72, 100] }],
    kernels: [tensor('float32', [16, 8, 3, 3], 11, 4, smoothKernels())],
    dead: [tensor('float32', [40, 24], 12, 4, withDeadRows(24)), tensor('bfloat16', [60, 40], 13, 2, withDeadRows(40))],
    palette: [tensor('float32', [30, 40], 14, 4, palette), tensor('float16', [30, 40], 15, 2, palette)],
    repeats: [float32, int64, float32],
    copies: [tensor('float32', [66, 64], 18, 4, fourierBasis(64))],
    blocks: [tensor('int8', [280, 256], 16, 1, (_, random) => (random.below(200) ? 0 : 1 + random.below(3)))],
    scalar: [tensor('float32', [], 17, 4, () => 1)],
    bytes: [names, noise, runs],
    named: [float32, { dtype: 'bool', shape: [unique.length], bytes: unique }],
    indices: [tensor('float32', [50, 80], 22, 4, (_, random) => Math.round(99 * normal(random)) * 0.0123)],
    delta16: [changed('bfloat16', [40, 100], 18, 2, 3)],
    delta32: [changed('float32', [30, 60], 19, 4, 900)],
    deltaBytes: [changed('int8', [50, 100], 20, 1, 2)],
  }
}
