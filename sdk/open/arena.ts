/**
 * Where decoded bytes go: one block of memory in which the skeleton of each graph and each tensor lie in one piece, so that a
 * runtime reads weights where they were decoded.
 *
 * Ranges of a tensor mostly follow one another in the chunks: then the chunks lie in the arena as they are, and are decoded
 * in place. A tensor with ranges from here and there (it repeats bytes of another one) gets a place of its own, to which its
 * parts are copied when their chunk is decoded; bytes that only such tensors need lie nowhere else. So the arena is never
 * larger than the model.
 */

import type { ChunkRange, Manifest } from '../container/manifest.ts'
import { concat, HardpackError } from '../core/index.ts'

/** Bytes `[start, end)` of a decoded chunk lie in the arena from `at` on. */
interface Placement {
  readonly start: number
  readonly end: number
  readonly at: number
}

export interface Arena {
  readonly bytes: Uint8Array
  /** Of each chunk, ascending: where its bytes lie for everything whose ranges follow one another. */
  readonly homes: readonly (readonly Placement[])[]
  /** Of each chunk: where its bytes lie for tensors with a place of their own. */
  readonly copies: readonly (readonly Placement[])[]
  /** Where the tensors with a place of their own begin, by their ranges. */
  readonly places: ReadonlyMap<readonly ChunkRange[], number>
}

/** Tensors are read in place, and the widest element takes eight bytes. */
const align = (at: number): number => Math.ceil(at / 8) * 8

const lengthOf = (ranges: readonly ChunkRange[]): number => ranges.reduce((sum, { length }) => sum + length, 0)

/**
 * Memory for everything that a manifest describes.
 *
 * @throws HardpackError `LIMIT_EXCEEDED` when there is none.
 */
export function arenaOf({ chunks, graphs, golden, guard }: Manifest): Arena {
  const whole = graphs.flatMap(({ skeleton, tensors }) => [skeleton, ...tensors.map(({ ranges }) => ranges)])
  const follows = ({ chunk, start }: ChunkRange, before: ChunkRange | undefined): boolean => {
    if (before === undefined) return true
    const end = before.start + before.length
    if (chunk === before.chunk) return start === end
    return chunk === before.chunk + 1 && start === 0 && end === chunks[before.chunk].rawLength
  }
  const inPieces = whole.filter((ranges) => !ranges.every((range, i) => follows(range, ranges[i - 1])))
  const apart = new Set(inPieces)
  const inOrder = whole.filter((ranges) => !apart.has(ranges))
  const tables = guard?.calibrations.flatMap(({ tables, combined }) => [...tables, combined]) ?? []
  const anywhere = [
    ...golden.flatMap(({ inputs, outputs }) => [
      ...inputs.map(({ source }) => ('ranges' in source ? source.ranges : [])),
      ...outputs.map(({ ranges }) => ranges),
    ]),
    ...tables.map(({ ranges }) => ranges),
  ]

  const continued = new Set(
    inOrder.flatMap((ranges) => ranges.filter((range, i) => i > 0 && range.start === 0)).map(({ chunk }) => chunk),
  )
  const used = chunks.map((): ChunkRange[] => [])
  for (const range of [...inOrder, ...anywhere].flat()) used[range.chunk].push(range)
  let end = 0
  const homes = used.map((ranges, chunk) =>
    unionOf(ranges).map(({ start, end: stop }): Placement => {
      // What goes on from the chunk before has no gap in it.
      const at = start === 0 && continued.has(chunk) ? end : align(end)
      end = at + stop - start
      return { start, end: stop, at }
    }),
  )

  const copies = chunks.map((): Placement[] => [])
  const places = new Map<readonly ChunkRange[], number>()
  const known = new Map<string, number>()
  for (const ranges of inPieces) {
    const key = JSON.stringify(ranges)
    const place = known.get(key) ?? align(end)
    places.set(ranges, place)
    if (known.has(key)) continue
    known.set(key, place)
    end = place
    for (const { chunk, start, length } of ranges) {
      copies[chunk].push({ start, end: start + length, at: end })
      end += length
    }
  }
  return { bytes: allocate(end), homes, copies, places }
}

/** The stretches that ranges of one chunk cover, ascending. */
function unionOf(ranges: readonly ChunkRange[]): { start: number; end: number }[] {
  const union: { start: number; end: number }[] = []
  for (const { start, length } of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = union.at(-1)
    if (last && start <= last.end) last.end = Math.max(last.end, start + length)
    else union.push({ start, end: start + length })
  }
  return union
}

function allocate(length: number): Uint8Array {
  try {
    return new Uint8Array(length)
  } catch (error) {
    throw new HardpackError('LIMIT_EXCEEDED', `The package expected ${length} bytes of memory, got none.`, {
      hint: 'Free memory, or use a smaller model.',
      cause: error,
    })
  }
}

/** Memory to decode a chunk into: its place in the arena where it has one as a whole, else memory of its own. */
export function memoryFor({ bytes, homes }: Arena, chunk: number, rawLength: number): Uint8Array {
  const [home] = homes[chunk]
  const isWhole = home !== undefined && home.start === 0 && home.end === rawLength
  return isWhole ? bytes.subarray(home.at, home.at + rawLength) : new Uint8Array(rawLength)
}

/** Puts a decoded chunk wherever its bytes belong. */
export function settle({ bytes, homes, copies }: Arena, chunk: number, raw: Uint8Array): void {
  const inPlace = raw.buffer === bytes.buffer
  for (const { start, end, at } of inPlace ? copies[chunk] : [...homes[chunk], ...copies[chunk]]) {
    bytes.set(raw.subarray(start, end), at)
  }
}

/** The bytes of a list of ranges: a view where they lie one after another, else a copy. */
export function bytesAt({ bytes, homes, places }: Arena, ranges: readonly ChunkRange[]): Uint8Array {
  const place = places.get(ranges)
  if (place !== undefined) return bytes.subarray(place, place + lengthOf(ranges))
  const spans = ranges.map(({ chunk, start, length }) => {
    const begin = addressOf(homes[chunk], start)
    return { begin, end: begin + length }
  })
  const contiguous = spans.every(({ begin }, i) => i === 0 || begin === spans[i - 1].end)
  if (contiguous) return bytes.subarray(spans[0]?.begin ?? 0, spans.at(-1)?.end ?? 0)
  return concat(spans.map(({ begin, end }) => bytes.subarray(begin, end)))
}

function addressOf(homes: readonly Placement[], start: number): number {
  let first = 0
  for (let past = homes.length; past - first > 1; ) {
    const middle = (first + past) >> 1
    if (homes[middle].start <= start) first = middle
    else past = middle
  }
  return homes[first].at + start - homes[first].start
}
