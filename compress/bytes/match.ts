/** Prediction from the longest earlier match: the byte that followed it then is expected now. */

const MIN_MATCH = 5
const MAX_LENGTH = 47
const HASH_BITS = 15

export interface Match {
  readonly last: Int32Array
  readonly models: Int32Array
  /** Where the match goes on, its length (0 for none), the expected bit, and whether it is still followed in this byte. */
  at: number
  length: number
  expected: number
  following: boolean
}

export function matchOf(): Match {
  return {
    last: new Int32Array(1 << HASH_BITS),
    models: new Int32Array(MAX_LENGTH + 1).fill(0xe0000000 | 0),
    at: 0,
    length: 0,
    expected: 0,
    following: false,
  }
}

/** To call before the byte at `position`, once all before are in the history. */
export function findMatch(match: Match, history: Uint8Array, position: number): void {
  let { at, length } = match
  if (length > 0 && history[at] === history[position - 1]) {
    at++
    if (length < MAX_LENGTH) length++
  } else length = 0
  if (position >= MIN_MATCH) {
    let hash = 0
    for (let i = 1; i <= MIN_MATCH; i++) hash = Math.imul(hash + history[position - i] + 1, 0x2f0b4c47)
    hash >>>= 32 - HASH_BITS
    if (length === 0) {
      at = match.last[hash]
      while (length < MAX_LENGTH && length < at && history[at - 1 - length] === history[position - 1 - length]) length++
    }
    match.last[hash] = position
  }
  match.at = at
  match.length = length
}

/** The logit of the bit after `node` (a 1 and the bits of this byte so far); 0 when the match says nothing. */
export function predictMatch(
  match: Match,
  history: Uint8Array,
  node: number,
  bit: number,
  stretch: Int16Array,
): number {
  const byte = history[match.at] | 256
  match.following = match.length > 0 && byte >>> (bit + 1) === node
  if (!match.following) return 0
  match.expected = (byte >>> bit) & 1
  const logit = stretch[match.models[match.length] >>> 20]
  return match.expected ? logit : -logit
}

export function learnMatch(match: Match, bit: number): void {
  if (!match.following) return
  const { models, length } = match
  const hit = bit === match.expected ? 1 << 16 : 0
  models[length] = (models[length] + (((hit - (models[length] >>> 16)) << 10) & ~1023)) | 0
}
