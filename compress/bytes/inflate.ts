/**
 * Inflate (RFC 1951) into a buffer of known length. General-purpose inflaters grow their output, go on past its end, or
 * do not say how much input they used; this one writes inside `out` only, and takes nothing but a stream that fills
 * `out` exactly and ends with the last byte of `bytes`.
 */

import { corrupt } from '../corrupt.ts'

const MAX_BITS = 15

const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
const LENGTH_BASE = LENGTH_EXTRA.map((_, i) =>
  i === 28 ? 258 : LENGTH_EXTRA.slice(0, i).reduce((sum, extra) => sum + (1 << extra), 3),
)
const DISTANCE_EXTRA = Array.from({ length: 30 }, (_, i) => Math.max(0, (i >> 1) - 1))
const DISTANCE_BASE = DISTANCE_EXTRA.map((_, i) =>
  DISTANCE_EXTRA.slice(0, i).reduce((sum, extra) => sum + (1 << extra), 1),
)
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

/** `entries[next bits]` = symbol << 4 | length of its code; 0 where no code begins with these bits. */
interface Huffman {
  readonly bits: number
  readonly entries: Uint16Array
}

function huffman(lengths: Uint8Array): Huffman {
  const counts = new Uint16Array(MAX_BITS + 1)
  let bits = 1
  for (const length of lengths) {
    counts[length]++
    if (length > bits) bits = length
  }
  const next = new Uint16Array(MAX_BITS + 2)
  let code = 0
  let codes = 0
  for (let length = 1; length <= MAX_BITS; length++) {
    next[length] = code
    code = (code + counts[length]) << 1
    codes += counts[length]
  }
  // RFC 1951 allows one incomplete code: a single code of one bit (and none at all, for unused distances).
  const used = code >>> 1
  if (used > 1 << MAX_BITS || (used < 1 << MAX_BITS && (codes > 1 || counts[1] !== codes))) {
    throw corrupt('a complete Huffman code, got another set of lengths')
  }
  const entries = new Uint16Array(1 << bits)
  for (let symbol = 0; symbol < lengths.length; symbol++) {
    const length = lengths[symbol]
    if (length === 0) continue
    let reversed = 0
    for (let bit = 0; bit < length; bit++) reversed |= ((next[length] >>> bit) & 1) << (length - 1 - bit)
    next[length]++
    for (let at = reversed; at < entries.length; at += 1 << length) entries[at] = (symbol << 4) | length
  }
  return { bits, entries }
}

function fixedCodes(): [Huffman, Huffman] {
  const literals = new Uint8Array(288).fill(8).fill(9, 144, 256).fill(7, 256, 280)
  return [huffman(literals), huffman(new Uint8Array(32).fill(5))]
}

/**
 * Fills `out` with the inflated `bytes` (a raw deflate stream, no zlib or gzip frame).
 *
 * @throws HardpackError `CHUNK_CORRUPT` unless the stream is valid, fills `out` exactly and uses all of `bytes`.
 * @example
 * inflate(deflateRawSync(text), new Uint8Array(text.length))
 */
export function inflate(bytes: Uint8Array, out: Uint8Array): void {
  let position = 0
  let buffer = 0
  let available = 0
  let filled = 0
  let fixed: [Huffman, Huffman] | undefined

  const need = (count: number): void => {
    while (available < count) {
      if (position >= bytes.length) throw corrupt('more deflated bytes, got the end')
      buffer |= bytes[position++] << available
      available += 8
    }
  }
  const take = (count: number): number => {
    need(count)
    const value = buffer & ((1 << count) - 1)
    buffer >>>= count
    available -= count
    return value
  }
  const symbolOf = (code: Huffman): number => {
    while (available < code.bits && position < bytes.length) {
      buffer |= bytes[position++] << available
      available += 8
    }
    const entry = code.entries[buffer & (code.entries.length - 1)]
    const length = entry & 15
    if (length === 0 || length > available) throw corrupt('a Huffman code, got bits that are none')
    buffer >>>= length
    available -= length
    return entry >>> 4
  }

  const stored = (): void => {
    buffer >>>= available & 7
    available &= ~7
    const length = take(16)
    if (take(16) !== (~length & 0xffff)) throw corrupt('a stored block with its length twice, got two lengths')
    position -= available >>> 3
    buffer = 0
    available = 0
    if (length > bytes.length - position || length > out.length - filled) {
      throw corrupt(`a stored block that fits, got ${length} bytes`)
    }
    out.set(bytes.subarray(position, position + length), filled)
    position += length
    filled += length
  }

  const dynamicCodes = (): [Huffman, Huffman] => {
    const literals = take(5) + 257
    const distances = take(5) + 1
    const count = take(4) + 4
    const codeLengths = new Uint8Array(19)
    for (let i = 0; i < count; i++) codeLengths[CODE_LENGTH_ORDER[i]] = take(3)
    const code = huffman(codeLengths)
    const lengths = new Uint8Array(literals + distances)
    for (let i = 0; i < lengths.length; ) {
      const symbol = symbolOf(code)
      if (symbol < 16) {
        lengths[i++] = symbol
        continue
      }
      if (symbol === 16 && i === 0) throw corrupt('a length to repeat, got none')
      const value = symbol === 16 ? lengths[i - 1] : 0
      const repeat = symbol === 16 ? take(2) + 3 : symbol === 17 ? take(3) + 3 : take(7) + 11
      if (repeat > lengths.length - i) throw corrupt('code lengths that fit, got too many')
      lengths.fill(value, i, i + repeat)
      i += repeat
    }
    if (lengths[256] === 0) throw corrupt('an end-of-block code, got none')
    return [huffman(lengths.subarray(0, literals)), huffman(lengths.subarray(literals))]
  }

  const compressed = ([literals, distances]: [Huffman, Huffman]): void => {
    for (;;) {
      const symbol = symbolOf(literals)
      if (symbol < 256) {
        if (filled >= out.length) throw corrupt(`${out.length} bytes, got more`)
        out[filled++] = symbol
        continue
      }
      if (symbol === 256) return
      if (symbol > 285) throw corrupt('a match length, got a reserved symbol')
      const length = LENGTH_BASE[symbol - 257] + take(LENGTH_EXTRA[symbol - 257])
      const distanceSymbol = symbolOf(distances)
      if (distanceSymbol > 29) throw corrupt('a match distance, got a reserved symbol')
      const distance = DISTANCE_BASE[distanceSymbol] + take(DISTANCE_EXTRA[distanceSymbol])
      if (distance > filled || length > out.length - filled) throw corrupt('a match inside the output, got one outside')
      for (const end = filled + length; filled < end; filled++) out[filled] = out[filled - distance]
    }
  }

  for (let last = 0; !last; ) {
    last = take(1)
    const type = take(2)
    if (type === 0) stored()
    else if (type === 1) {
      fixed ??= fixedCodes()
      compressed(fixed)
    } else if (type === 2) compressed(dynamicCodes())
    else throw corrupt('block type 0, 1 or 2, got 3')
  }
  position -= available >>> 3
  if (position !== bytes.length) throw corrupt(`${position} bytes, got ${bytes.length}`)
  if (filled !== out.length) throw corrupt(`to fill ${out.length} bytes, got ${filled}`)
}
