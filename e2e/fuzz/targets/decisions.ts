/**
 * A header of a chunk of weights as the bits that its reader decided. The header is arithmetic coded: a changed byte
 * changes everything behind it, a changed decision changes one number. Reader and writer of a header are one function, so a
 * coder that takes the decisions from a list, and writes them, makes a whole header of any list.
 */

import { bitReader } from '../../../compress/coder/bit-reader.ts'
import { bitWriter } from '../../../compress/coder/bit-writer.ts'
import { corrupt } from '../../../compress/corrupt.ts'
import { codeHeader, type Header } from '../../../compress/weights/header.ts'
import { HardpackError } from '../../../sdk/core/index.ts'

/** Decisions after which a header is refused, so that none goes on for ever. */
const MOST_DECISIONS = 1 << 20

function expectRefusal(error: unknown): void {
  if (!(error instanceof HardpackError)) throw error
}

/** The decisions in an encoded header, up to where it is refused. */
export function decisionsOf(encoded: Uint8Array, rawLength: number): Uint8Array {
  const decisions: number[] = []
  const reader = bitReader(encoded)
  const code = (probability: number): number => {
    const bit = reader.code(probability, 0)
    decisions.push(bit)
    return bit
  }
  try {
    codeHeader({ code }, rawLength)
  } catch (error) {
    expectRefusal(error) // The decisions before it are as good to begin with.
  }
  return Uint8Array.from(decisions)
}

/** Where a header's reader takes its decisions from; `end` says what comes behind the last. */
function decide(decisions: Uint8Array, end: () => number): () => number {
  let position = 0
  return () => {
    if (position === MOST_DECISIONS) throw corrupt('a header with an end, got none')
    const index = position++
    return index < decisions.length ? decisions[index] : end()
  }
}

/**
 * The header that decisions make.
 *
 * @throws HardpackError `CHUNK_CORRUPT` for a header that breaks a rule, or is not whole.
 */
export function headerOf(decisions: Uint8Array, rawLength: number): Header {
  const next = decide(decisions, () => {
    throw corrupt('more decisions, got the end')
  })
  return codeHeader({ code: next }, rawLength)
}

/** The encoded header that decisions make, with zeros behind them; up to where it is refused. */
export function encodeDecisions(decisions: Uint8Array, rawLength: number): Uint8Array {
  const next = decide(decisions, () => 0)
  const writer = bitWriter()
  try {
    codeHeader({ code: (probability) => writer.code(probability, next()) }, rawLength)
  } catch (error) {
    expectRefusal(error)
  }
  return writer.finish()
}

/** An encoded header, whatever rules it breaks, up to where its writer refuses or does not understand it. */
export function encodeHeader(header: Header, rawLength: number): Uint8Array {
  const writer = bitWriter()
  try {
    codeHeader(writer, rawLength, header)
  } catch {
    // What was written before is a header all the same.
  }
  return writer.finish()
}

/** Eight decisions a byte, the first in the lowest bit. */
export function packDecisions(decisions: Uint8Array): Uint8Array {
  const packed = new Uint8Array(Math.ceil(decisions.length / 8))
  for (const [i, bit] of decisions.entries()) packed[i >> 3] |= bit << (i & 7)
  return packed
}

export function unpackDecisions(packed: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: 8 * packed.length }, (_, i) => (packed[i >> 3] >>> (i & 7)) & 1)
}
