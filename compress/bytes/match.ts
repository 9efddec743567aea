/** Prediction from the longest earlier match: the byte that followed it then is expected now. */

const MIN_MATCH = 5
const MAX_LENGTH = 47
const HASH_BITS = 15

export interface Match {
  /** To call before the byte at `position`, once all before are in the history. */
  find(position: number): void
  /** The length of the match, 0 for none. */
  readonly length: number
  /** The logit of the bit after `node` (a 1 and the bits of this byte so far); 0 when the match says nothing. */
  predict(node: number, bit: number, stretch: Int16Array): number
  update(bit: number): void
}

export function matchOf(history: Uint8Array): Match {
  const last = new Int32Array(1 << HASH_BITS)
  const models = new Int32Array(MAX_LENGTH + 1).fill(0xe0000000 | 0)
  let at = 0
  let length = 0
  let expected = 0
  let following = false

  return {
    get length() {
      return length
    },
    find(position) {
      if (length > 0 && history[at] === history[position - 1]) {
        at++
        if (length < MAX_LENGTH) length++
      } else length = 0
      if (position < MIN_MATCH) return
      let hash = 0
      for (let i = 1; i <= MIN_MATCH; i++) hash = Math.imul(hash + history[position - i] + 1, 0x2f0b4c47)
      hash >>>= 32 - HASH_BITS
      if (length === 0) {
        at = last[hash]
        while (length < MAX_LENGTH && length < at && history[at - 1 - length] === history[position - 1 - length])
          length++
      }
      last[hash] = position
    },
    predict(node, bit, stretch) {
      const byte = history[at] | 256
      following = length > 0 && byte >>> (bit + 1) === node
      if (!following) return 0
      expected = (byte >>> bit) & 1
      const logit = stretch[models[length] >>> 20]
      return expected ? logit : -logit
    },
    update(bit) {
      if (!following) return
      const model = models[length]
      const hit = bit === expected ? 1 << 16 : 0
      models[length] = (model + (((hit - (model >>> 16)) << 10) & ~1023)) | 0
    },
  }
}
