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
  /** Chooses the buckets of the next nibble, one for each hash. */
  select(hashes: Int32Array, salt: number): void
  /** Writes the logits of the next bit to `inputs[0 … count)`. */
  predict(node: number, inputs: Int32Array, stretch: Int16Array): void
  update(bit: number): void
}

/** @param count contexts @param bytes how many bytes will be coded, from which the table gets its size */
export function hashedContexts(count: number, bytes: number): Contexts {
  const buckets = Math.min(MAX_BUCKETS, 1 << (32 - Math.clz32(8 * bytes)))
  const table = new Int32Array(buckets * BUCKET)
  const bases = new Int32Array(count)
  const slots = new Int32Array(count)

  const bucketOf = (hash: number): number => {
    const check = hash | 1
    const at = (Math.imul(hash, 0x2c1b3c6d) >>> 12) & (buckets - 1)
    const first = at * BUCKET
    if (table[first] === check) return first
    const second = (at ^ 1) * BUCKET
    if (table[second] === check) return second
    const victim = (table[first + 1] & 1023) <= (table[second + 1] & 1023) ? first : second
    table[victim] = check
    table.fill(EVEN, victim + 1, victim + BUCKET)
    return victim
  }

  return {
    select(hashes, salt) {
      for (let i = 0; i < count; i++) bases[i] = bucketOf(Math.imul(hashes[i] + salt, 0x9e3779b1))
    },
    predict(node, inputs, stretch) {
      for (let i = 0; i < count; i++) {
        const slot = bases[i] + node
        slots[i] = slot
        inputs[i] = stretch[table[slot] >>> 20]
      }
    },
    update(bit) {
      const target = bit << 16
      for (let i = 0; i < count; i++) {
        const slot = slots[i]
        const model = table[slot]
        const seen = model & 1023
        const delta = Math.imul(target - (model >>> 16), RECIPROCALS[seen]) & ~1023
        table[slot] = (model + delta + (seen < COUNT_LIMIT ? 1 : 0)) | 0
      }
    },
  }
}
