/**
 * Predictions from hashed contexts. A context leads, a nibble at a time, to a bucket of 16 words: a check, and a model for
 * each of the 15 nodes of the nibble's binary tree, so that a context touches two cache lines a byte. A model is 32 bits: 22
 * bits of probability that the next bit is 1 and a count in the low 10, moving by 1 / (count + 1.6).
 */

const BUCKET = 16
const COUNT_LIMIT = 255
const EVEN = 0x80000000 | 0
const MAX_BUCKETS = 1 << 18

const RECIPROCALS = /* @__PURE__ */ Int32Array.from({ length: COUNT_LIMIT + 1 }, (_, n) =>
  Math.floor(65536 / (n + 1.6)),
)

export interface Contexts {
  readonly table: Int32Array
  /** Of each context: its bucket for this nibble, and the word of the bit that is predicted. */
  readonly bases: Int32Array
  readonly slots: Int32Array
}

/** @param count contexts @param bytes how many bytes will be coded, from which the table gets its size */
export function contextsOf(count: number, bytes: number): Contexts {
  const buckets = Math.min(MAX_BUCKETS, 1 << (32 - Math.clz32(8 * bytes)))
  return { table: new Int32Array(buckets * BUCKET), bases: new Int32Array(count), slots: new Int32Array(count) }
}

function bucketOf(table: Int32Array, hash: number): number {
  const check = hash | 1
  const first = (Math.imul(hash, 0x2c1b3c6d) >>> 8) & (table.length - BUCKET)
  if (table[first] === check) return first
  const second = first ^ BUCKET
  if (table[second] === check) return second
  const victim = (table[first + 1] & 1023) <= (table[second + 1] & 1023) ? first : second
  table[victim] = check
  for (let i = 1; i < BUCKET; i++) table[victim + i] = EVEN
  return victim
}

/** Chooses the buckets of the next nibble, one for each hash. */
export function selectBuckets({ table, bases }: Contexts, hashes: Int32Array, salt: number): void {
  for (let i = 0; i < bases.length; i++) bases[i] = bucketOf(table, Math.imul(hashes[i] + salt, 0x9e3779b1))
}

/** Writes the logits of the next bit to the first inputs. */
export function predictBit(
  { table, bases, slots }: Contexts,
  node: number,
  inputs: Int32Array,
  stretch: Int16Array,
): void {
  for (let i = 0; i < bases.length; i++) {
    const slot = bases[i] + node
    slots[i] = slot
    inputs[i] = stretch[table[slot] >>> 20]
  }
}

/** Moves the models that predicted a bit towards it. */
export function learnBit({ table, slots }: Contexts, bit: number): void {
  const target = bit << 16
  for (let i = 0; i < slots.length; i++) {
    const slot = slots[i]
    const model = table[slot]
    const seen = model & COUNT_LIMIT
    const delta = Math.imul(target - (model >>> 16), RECIPROCALS[seen]) & ~1023
    // One more, up to the limit, without a branch.
    table[slot] = (model + delta + ((seen - COUNT_LIMIT) >>> 31)) | 0
  }
}
