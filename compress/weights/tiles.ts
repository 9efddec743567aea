/**
 * How the segments of a stream lie in blocks. A block decodes on its own, so the lines of a segment may not look beyond it: a
 * segment is cut into tiles of whole rows, each inside one block. Without lines there is nothing to look at, and rows fill the room that a block
 * has left; with lines the rows are shared out evenly over as few tiles as can hold them.
 */

import { BLOCK } from '../coder/rans.ts'
import type { Segment } from './header.ts'

/** Rows [first, first + rows) of a segment, beginning with element `at` of the block. */
export interface Tile<T> {
  readonly of: T
  readonly first: number
  readonly rows: number
  readonly at: number
  /** Elements. */
  readonly count: number
}

/** The tiles of each block, for the segments of a stream in order. */
export function blocksOf<T extends { readonly segment: Segment }>(members: readonly T[]): Tile<T>[][] {
  const blocks: Tile<T>[][] = []
  let used = BLOCK
  for (const of of members) {
    const { latents, lines } = of.segment
    const rows = latents[0].length
    const width = latents[1].length * latents[2].length
    const fit = Math.floor(BLOCK / width)
    const share = Math.ceil(rows / Math.ceil(rows / fit))
    for (let first = 0; first < rows; ) {
      const room = Math.floor((BLOCK - used) / width)
      const wanted = Math.min(rows - first, lines ? share : fit)
      if (room === 0 || (lines && room < wanted)) {
        blocks.push([])
        used = 0
        continue
      }
      const own = Math.min(wanted, room)
      blocks[blocks.length - 1].push({ of, first, rows: own, at: used, count: own * width })
      used += own * width
      first += own
    }
  }
  return blocks
}

/** Elements of a block. */
export function countOf(tiles: readonly Tile<unknown>[]): number {
  const last = tiles[tiles.length - 1]
  return last.at + last.count
}

/**
 * The sizes of a tile in coded order: lines of `length` elements. A tile without lines is a single one.
 */
export function linesOf({ of, rows, count }: Tile<{ readonly segment: Segment }>): { lines: number; length: number } {
  const { latents, lines } = of.segment
  if (!lines) return { lines: 1, length: count }
  const number = [rows, latents[1].length, latents[2].length][lines.axis]
  return { lines: number, length: count / number }
}
