/** Decodes a chunk of copies: the literals by their own codec, then tokens one by one. */

import { viewOf } from '../../sdk/core/index.ts'
import { bitReader } from '../coder/bit-reader.ts'
import { corrupt } from '../corrupt.ts'
import { codeFrame, LENGTH_BYTES, MAX_COPIED, tokenCoder } from './tokens.ts'

/**
 * Decodes a chunk of copies.
 *
 * @param out filled exactly
 * @param decodeLiterals decodes bytes of another codec
 * @throws HardpackError `CHUNK_CORRUPT`.
 */
export function decodeCopies(
  bytes: Uint8Array,
  out: Uint8Array,
  decodeLiterals: (codec: number, bytes: Uint8Array, out: Uint8Array) => void,
): void {
  if (out.length > MAX_COPIED) throw corrupt(`at most ${MAX_COPIED} bytes, got ${out.length}`)
  if (bytes.length < LENGTH_BYTES) throw corrupt('the length of its header, got none')
  const end = LENGTH_BYTES + viewOf(bytes).getUint32(0, true)
  if (end > bytes.length) throw corrupt(`a header up to byte ${end}, got ${bytes.length}`)
  const reader = bitReader(bytes.subarray(LENGTH_BYTES, end))
  const { unit, columns, codec, literals } = codeFrame(reader, out.length)
  const fresh = new Uint8Array(literals * unit)
  decodeLiterals(codec, bytes.subarray(end), fresh)

  const elements = columns === 1 ? out : new Uint8Array(out.length)
  const tokens = tokenCoder(reader)
  let used = 0
  let position = 0
  while (position < out.length) {
    const token = tokens.code(position / unit, (out.length - position) / unit)
    if ('literals' in token) {
      const length = token.literals * unit
      if (used + length > fresh.length) throw corrupt(`${literals} literals, got more`)
      elements.set(fresh.subarray(used, used + length), position)
      used += length
      position += length
      continue
    }
    const flip = token.flipped ? 0x80 : 0
    const step = token.backwards ? -unit : unit
    let from = position - token.distance * unit
    for (let i = 0; i < token.length; i++, from += step, position += unit) {
      for (let byte = 0; byte < unit; byte++) elements[position + byte] = elements[from + byte]
      elements[position + unit - 1] ^= flip
    }
  }
  if (used !== fresh.length) throw corrupt(`${literals} literals, got ${used / unit}`)
  reader.finish()
  if (columns > 1) toRows(elements, out, unit, columns)
}

/** From column by column to row by row. */
function toRows(from: Uint8Array, to: Uint8Array, unit: number, columns: number): void {
  const row = columns * unit
  for (let column = 0, position = 0; column < columns; column++) {
    for (let place = column * unit; place < to.length; place += row) {
      for (let byte = 0; byte < unit; byte++) to[place + byte] = from[position++]
    }
  }
}
