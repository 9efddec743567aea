/**
 * Counter-based random numbers: Philox 4×32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011). Integers only, so a seed gives the same numbers in every engine and on every machine.
 */

/** `[high, low]` words of the 64-bit product of two unsigned 32-bit numbers. */
function multiply(a: number, b: number): [number, number] {
  const low = Math.imul(a, b) >>> 0
  const aHigh = a >>> 16
  const aLow = a & 0xffff
  const bHigh = b >>> 16
  const bLow = b & 0xffff
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16)
  const high = aHigh * bHigh + Math.floor((middle + aLow * bHigh) / 0x10000)
  return [high >>> 0, low]
}

/** One Philox 4×32-10 block: four words from a counter of four words and a key of two. */
export function philox(counter: readonly number[], key: readonly number[]): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter
  let [k0, k1] = key
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = multiply(0xd2511f53, c0)
    const [high1, low1] = multiply(0xcd9e8d57, c2)
    c0 = (high1 ^ c1 ^ k0) >>> 0
    c1 = low1
    c2 = (high0 ^ c3 ^ k1) >>> 0
    c3 = low0
    k0 = (k0 + 0x9e3779b9) >>> 0
    k1 = (k1 + 0xbb67ae85) >>> 0
  }
  return [c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0]
}

export interface Rng {
  /** A uniform 32-bit unsigned integer. */
  u32(): number
  /** A uniform number in [0, 1), a multiple of 2^-24: exact in float32. */
  uniform(): number
  /** A uniform integer in [0, n), n ≤ 2^24. */
  below(n: number): number
}

/** A standard normal number (Box, Muller 1958). Engines may differ in its last bits. */
export function normal(random: Rng): number {
  return Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform())
}

/** `0 … count − 1` in an order drawn from a seed (Fisher and Yates). */
export function shuffled(count: number, seed: number): number[] {
  const random = rng(seed)
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const swapped = order[i]
    order[i] = order[j]
    order[j] = swapped
  }
  return order
}

/**
 * The stream of random numbers of a seed.
 *
 * @param seed any unsigned 32-bit integer
 * @param stream a second number, for independent streams under one seed
 * @example
 * const r = rng(42); r.uniform() // the same number everywhere
 */
export function rng(seed: number, stream = 0): Rng {
  let block: number[] = []
  let counter = 0
  const u32 = (): number => {
    if (block.length === 0) {
      block = philox([counter >>> 0, Math.floor(counter / 2 ** 32), 0, 0], [seed >>> 0, stream >>> 0])
      counter++
    }
    return block.shift() as number
  }
  const uniform = (): number => (u32() >>> 8) / 0x1000000
  return { u32, uniform, below: (n) => Math.floor(uniform() * n) }
}
