/**
 * A small context-mixing coder for graph skeletons and small arrays (Mahoney's lpaq family): contexts of earlier bytes and
 * a match model each predict the next bit, a mixer adds their logits, and a binary arithmetic coder codes the bit.
 * Integers only. One function serves both directions: see `coder/bits.ts`.
 */

import { bitReader } from '../coder/bit-reader.ts'
import type { BitCoder } from '../coder/bits.ts'
import { corrupt } from '../corrupt.ts'
import { contextsOf, learnBit, predictBit, selectBuckets } from './contexts.ts'
import { stretchTable } from './logistic.ts'
import { findMatch, learnMatch, matchOf, predictMatch } from './match.ts'
import { mixBit, mixerOf, trainMixer } from './mixer.ts'
import { PRIMER } from './primer.ts'

/** The largest number of bytes that `codeMixed` takes: beyond it decoding would be felt. */
export const MAX_MIXED = 1 << 18

const CONTEXTS = 7
const MAP_BITS = 14

const isLetter = (byte: number): boolean => (byte >= 97 && byte <= 122) || (byte >= 65 && byte <= 90)

interface Words {
  word: number
  before: number
}

/** Hashes of the contexts of the byte at `position`: orders 1 to 6, words, and places in records of four bytes. */
function hashContexts(words: Words, history: Uint8Array, position: number, hashes: Int32Array): void {
  const c1 = position >= 1 ? history[position - 1] : 0
  const c2 = position >= 2 ? history[position - 2] : 0
  const c3 = position >= 3 ? history[position - 3] : 0
  const c4 = position >= 4 ? history[position - 4] : 0
  const c5 = position >= 5 ? history[position - 5] : 0
  const c6 = position >= 6 ? history[position - 6] : 0
  const c8 = position >= 8 ? history[position - 8] : 0
  const two = c1 | (c2 << 8)
  const four = two | (c3 << 16) | (c4 << 24)
  if (isLetter(c1)) words.word = Math.imul(words.word + c1, 0x2f0b4c47)
  else if (words.word !== 0) {
    words.before = words.word
    words.word = 0
  }
  hashes[0] = two
  hashes[1] = four & 0xffffff
  hashes[2] = four
  hashes[3] = Math.imul(four, 0x1b873593) ^ (c5 << 8) ^ c6
  hashes[4] = (words.word + Math.imul(words.before, 0x61c88647)) ^ c1
  hashes[5] = (c4 << 8) | (c8 << 16) | (position & 3)
  hashes[6] = c1 | (c3 << 8) | (c4 << 16)
  for (let i = 0; i < CONTEXTS; i++) {
    const hash = Math.imul(hashes[i] ^ Math.imul(i + 1, 0x9e3779b1), 0x85ebca6b)
    hashes[i] = Math.imul(hash ^ (hash >>> 15), 0xc2b2ae35)
  }
}

/**
 * Reads or writes `bytes`, at most `MAX_MIXED` of them.
 *
 * @param bytes what to write; filled when `coder` reads
 */
export function codeMixed(coder: BitCoder, bytes: Uint8Array): void {
  const primed = PRIMER.length
  const total = primed + bytes.length
  const history = new Uint8Array(total)
  for (let i = 0; i < primed; i++) history[i] = PRIMER.charCodeAt(i)

  const stretch = stretchTable()
  const contexts = contextsOf(CONTEXTS, total)
  const hashes = new Int32Array(CONTEXTS)
  const words = { word: 0, before: 0 }
  const match = matchOf()
  const mixer = mixerOf(CONTEXTS + 2, [256, 8 * 25], [256, 1 << MAP_BITS])
  const { inputs } = mixer
  inputs[CONTEXTS + 1] = 256

  for (let position = 0; position < total; position++) {
    hashContexts(words, history, position, hashes)
    findMatch(match, history, position)
    const value = position < primed ? history[position] : bytes[position - primed]
    const last = position > 0 ? history[position - 1] << 8 : 0
    let node = 1
    for (let bit = 7; bit >= 0; bit--) {
      if (bit === 7) selectBuckets(contexts, hashes, 0)
      else if (bit === 3) selectBuckets(contexts, hashes, node)
      predictBit(contexts, bit > 3 ? node : (node & ((1 << (3 - bit)) - 1)) | (1 << (3 - bit)), inputs, stretch)
      const logit = predictMatch(match, history, node, bit, stretch)
      inputs[CONTEXTS] = logit
      const probability = mixBit(
        mixer,
        node,
        (logit === 0 ? 0 : 1 + (match.length >> 1)) * 8 + bit,
        node,
        Math.imul(last | node, 0x9e3779b1) >>> (32 - MAP_BITS),
      )
      const given = (value >>> bit) & 1
      const coded = position < primed ? given : coder.code(probability, given)
      trainMixer(mixer, coded)
      learnBit(contexts, coded)
      learnMatch(match, coded)
      node = 2 * node + coded
    }
    history[position] = node
    if (position >= primed) bytes[position - primed] = node
  }
}

/**
 * Fills `out` from mixed bytes.
 *
 * @throws HardpackError `CHUNK_CORRUPT` for more than `MAX_MIXED` bytes, or when `bytes` end too early or too late.
 */
export function unmix(bytes: Uint8Array, out: Uint8Array): void {
  if (out.length > MAX_MIXED) throw corrupt(`at most ${MAX_MIXED} mixed bytes, got ${out.length}`)
  const reader = bitReader(bytes)
  codeMixed(reader, out)
  reader.finish()
}
