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

/** The rows of each tile of a segment with lines. */
export function rowsOfTiles(rows: number, width: number): number[] {
  const share = Math.ceil(rows / Math.ceil(rows / Math.floor(BLOCK / width)))
  return Array.from({ length: Math.ceil(rows / share) }, (_, tile) => Math.min(share, rows - tile * share))
}

/** The tiles of each block, for the segments of a stream in order. */
export function blocksOf<T extends { readonly segment: Segment }>(members: readonly T[]): Tile<T>[][] {
  const blocks: Tile<T>[][] = []
  let used = BLOCK
  for (const of of members) {
    const { latents, lines } = of.segment
    const rows = latents[0].length
    const width = latents[1].length * latents[2].length
    const whole = lines ? rowsOfTiles(rows, width)[0] : Math.floor(BLOCK / width)
    for (let first = 0; first < rows; ) {
      const room = Math.floor((BLOCK - used) / width)
      const wanted = Math.min(rows - first, whole)
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

/** The sizes of a tile in coded order: lines of `length` elements. A tile without lines is a single one. */
export function linesOf({ of, rows, count }: Tile<{ readonly segment: Segment }>): { lines: number; length: number } {
  const { latents, lines } = of.segment
  if (!lines) return { lines: 1, length: count }
  const number = [rows, latents[1].length, latents[2].length][lines.axis]
  return { lines: number, length: count / number }
}

/** A tile in coded order. */
export interface OrderedTile {
  /** The natural place of each element in the segment. */
  readonly order: Uint32Array
  readonly lines: number
  readonly length: number
}

/** A tile of `own` rows, from row `first` on, of a segment of these sizes, with lines along `axis`. */
export function orderedTile(axis: number, sizes: readonly number[], first: number, own: number): OrderedTile {
  const [, columns, inner] = sizes
  const width = columns * inner
  const lines = [own, columns, inner][axis]
  const [outer, middle] = axis === 0 ? [columns, inner] : axis === 1 ? [own, inner] : [own, columns]
  const [step, outerStep, middleStep] =
    axis === 0 ? [width, inner, 1] : axis === 1 ? [inner, width, 1] : [1, width, inner]
  const order = new Uint32Array(own * width)
  for (let line = 0, i = 0; line < lines; line++) {
    for (let o = 0; o < outer; o++) {
      const base = first * width + line * step + o * outerStep
      for (let m = 0; m < middle; m++) order[i++] = base + m * middleStep
    }
  }
  return { order, lines, length: outer * middle }
}

/** The tiles of a segment with lines along `axis`, in coded order. */
export function orderedTiles(axis: number, sizes: readonly number[]): OrderedTile[] {
  let first = 0
  return rowsOfTiles(sizes[0], sizes[1] * sizes[2]).map((own) => {
    const tile = orderedTile(axis, sizes, first, own)
    first += own
    return tile
  })
}
