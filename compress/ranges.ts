/** Lists of ranges: where the bytes of a tensor lie in decoded chunks, in order. */

/** Bytes `[start, start + length)` of a decoded chunk. */
export interface RawRange {
  readonly chunk: number
  readonly start: number
  readonly length: number
}

/** Adds a range at the end of a list, as part of the last one where it goes on there. */
export function appendRange(ranges: RawRange[], { chunk, start, length }: RawRange): void {
  const last = ranges.at(-1)
  if (last?.chunk === chunk && last.start + last.length === start) {
    ranges[ranges.length - 1] = { chunk, start: last.start, length: last.length + length }
  } else if (length > 0) ranges.push({ chunk, start, length })
}

/**
 * The ranges of `length` bytes, `start` bytes into what a list of ranges holds; of chunks or of anything else.
 *
 * @example
 * sliceRanges([{ chunk: 0, start: 8, length: 4 }, { chunk: 1, start: 0, length: 9 }], 3, 2)
 * // [{ chunk: 0, start: 11, length: 1 }, { chunk: 1, start: 0, length: 1 }]
 */
export function sliceRanges<T extends { readonly start: number; readonly length: number }>(
  ranges: readonly T[],
  start: number,
  length: number,
): T[] {
  const slice: T[] = []
  const end = start + length
  let at = 0
  for (const range of ranges) {
    const from = Math.max(start, at)
    const to = Math.min(end, at + range.length)
    if (from < to) slice.push({ ...range, start: range.start + from - at, length: to - from })
    at += range.length
    if (at >= end) break
  }
  return slice
}
