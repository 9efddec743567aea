/** Blind changes of an input: bits, bytes, numbers in the encodings of our formats, cuts, copies and splices. */

import { concat, type Rng } from '../../sdk/core/index.ts'

/** Where formats have their edges: blocks, tables, lanes, limits. */
const NUMBERS = [
  0,
  1,
  2,
  3,
  7,
  15,
  16,
  31,
  32,
  63,
  64,
  127,
  128,
  255,
  256,
  4095,
  4096,
  32767,
  32768,
  65535,
  65536,
  65537,
  1 << 20,
  (1 << 22) - 1,
  1 << 22,
  (1 << 22) + 1,
  (1 << 24) - 2,
  (1 << 24) - 1,
  0x7fffffff,
  0x80000000,
  0xffffffff,
]
/** Half of the changes fall in front, where headers are. */
const FRONT = 64

type Change = (input: Uint8Array, random: Rng, other: Uint8Array) => Uint8Array

/** The variable-length encoding of an unsigned 32-bit number: 7 bits a byte, low ones first. */
export function varint(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value >>> 0; ; rest >>>= 7) {
    bytes.push(rest >= 128 ? (rest & 127) | 128 : rest)
    if (rest < 128) return Uint8Array.from(bytes)
  }
}

const pick = <T>(values: readonly T[], random: Rng): T => values[random.below(values.length)]

/** A place from 0 to `length`. */
function place(length: number, random: Rng): number {
  return random.below(1 + (random.below(2) ? length : Math.min(length, FRONT)))
}

function replace(input: Uint8Array, start: number, removed: number, added: Uint8Array): Uint8Array {
  return concat([input.subarray(0, start), added, input.subarray(start + removed)])
}

function randomBytes(count: number, random: Rng): Uint8Array {
  return Uint8Array.from({ length: count }, () => random.below(256))
}

function littleEndian(value: number, width: number): Uint8Array {
  return Uint8Array.from({ length: width }, (_, i) => value >>> (8 * i))
}

/** A piece of up to 32 bytes. */
function piece(input: Uint8Array, random: Rng): Uint8Array {
  const start = place(input.length, random)
  return input.subarray(start, start + 1 + random.below(32))
}

const CHANGES: readonly Change[] = [
  (input, random) => {
    const at = place(input.length, random)
    return replace(input, at, 1, Uint8Array.of((input[at] ?? 0) ^ (1 << random.below(8))))
  },
  (input, random) => replace(input, place(input.length, random), 1, randomBytes(1, random)),
  (input, random) => {
    const at = place(input.length, random)
    return replace(input, at, 1, Uint8Array.of((input[at] ?? 0) + random.below(33) - 16))
  },
  (input, random) => replace(input, place(input.length, random), 0, randomBytes(1 + random.below(8), random)),
  (input, random) => replace(input, place(input.length, random), 1 + random.below(8), new Uint8Array(0)),
  (input, random) => input.subarray(0, place(input.length, random)),
  (input, random) => {
    const number = varint(pick(NUMBERS, random))
    return replace(input, place(input.length, random), pick([0, number.length], random), number)
  },
  (input, random) => {
    const width = pick([1, 2, 4], random)
    return replace(input, place(input.length, random), width, littleEndian(pick(NUMBERS, random), width))
  },
  (input, random) => {
    const copied = piece(input, random)
    return replace(input, place(input.length, random), pick([0, copied.length], random), copied)
  },
  (input, random, other) => {
    const copied = piece(other, random)
    return replace(input, place(input.length, random), pick([0, copied.length], random), copied)
  },
  (input, random, other) => {
    const at = place(input.length, random)
    return concat([input.subarray(0, at), other.subarray(Math.min(at, other.length))])
  },
]

/** One to eight changes of `input`, which stays as it is; `other` is what pieces are taken from. */
export function mutate(input: Uint8Array, other: Uint8Array, random: Rng, maxLength: number): Uint8Array {
  let mutated = input
  for (let left = 1 << random.below(4); left > 0; left--) mutated = pick(CHANGES, random)(mutated, random, other)
  return mutated.slice(0, maxLength)
}
