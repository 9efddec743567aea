/** What the checks of a manifest share: its chunk table, the limits, and the ranges that were seen. */

import { checkLimit, type Limits, malformed } from './limits.ts'
import type { ChunkEntry, ChunkRange } from './manifest.ts'

export interface Scope {
  readonly chunks: readonly ChunkEntry[]
  readonly limits: Limits
  readonly ranges: ChunkRange[]
}

/** Refuses a text that is too long or too short, or that holds control characters. */
export function checkText(what: string, text: string, limits: Limits, minLength = 0): void {
  checkLimit(limits, 'nameBytes', what, new TextEncoder().encode(text).length)
  if (text.length < minLength) throw malformed(`${what} expected a text, got an empty one`)
  // Names are printed on terminals, where control characters are commands.
  if (/\p{Control}/u.test(text)) throw malformed(`${what} expected no control characters, got ${JSON.stringify(text)}`)
}

/** Refuses a list that names something twice. */
export function checkDistinct(what: string, names: readonly string[]): void {
  if (new Set(names).size !== names.length) throw malformed(`${what} expected distinct names, got one twice`)
}

/** The bytes of ranges, each of which must lie in its chunk. */
export function rangeBytes({ chunks, ranges: seen }: Scope, what: string, ranges: readonly ChunkRange[]): number {
  let total = 0
  for (const range of ranges) {
    const { chunk, start, length } = range
    const rawLength = chunks[chunk]?.rawLength ?? 0
    // Differences of numbers below 2^53 are exact; the sum `start + length` of hostile ones is not.
    if (length < 1 || length > rawLength || start > rawLength - length) {
      throw malformed(
        `${what} expected a range within the ${rawLength} bytes of chunk ${chunk}, got ${length} at ${start}`,
      )
    }
    total += length
    seen.push(range)
  }
  return total
}
