/** Which chunks tests are made of: segments of every kind, small ones at random and large ones by hand. */

import fc from 'fast-check'
import { type Rng, rng } from '../../sdk/core/index.ts'
import { drawChunk, type Plan, type Sample } from './chunk.fixture.ts'
import { BYTE, DELTA16, DELTA32, INDEX, MOST_LOW_BITS, NIBBLE } from './elements.ts'
import type { Segment } from './header.ts'
import type { Lines } from './lines.ts'
import { frequenciesOf } from './quantise.ts'

type Sizes = readonly [number, number, number]

/** What a segment is to be; numbers it does not say are drawn. */
export interface Wish {
  readonly stream: number
  readonly sizes: Sizes
  readonly axis?: number
  readonly perLine?: boolean
  readonly spread?: boolean
  readonly palette?: boolean
  readonly base?: boolean
  readonly dead?: boolean
}

const LOW_BITS = [21, 5, 8, 0, 0]

function tableOf(random: Rng): Uint16Array {
  const kinds = 1 + random.below(4) * random.below(40)
  const middle = random.below(256)
  const counts = new Float64Array(256)
  for (let i = 0; i < kinds; i++) counts[(middle + random.below(2 * kinds)) & 255] += 1 + random.below(1000)
  for (const rare of [0, 1, 2, 3]) if (random.below(3) === 0) counts[rare] += 1
  return frequenciesOf(counts)
}

export function planOf(random: Rng, stream: number): Plan {
  const lowBits = stream in MOST_LOW_BITS ? random.below(MOST_LOW_BITS[stream] + 1) : LOW_BITS[stream]
  const base = stream > 2 ? 1 : stream === 2 ? 32 : 256
  const bins = new Uint8Array(16)
  // Table 63 is that of the dead, so bins stay below 15.
  if (stream < 3) for (let i = 1; i < 16; i++) bins[i] = Math.min(14, bins[i - 1] + random.below(2))
  const tables = Array.from({ length: 64 }, () => tableOf(random))
  return { tables, origins: [4 * random.below(base), 4 * random.below(base)], bins, lowBits }
}

function linesOf(random: Rng, { sizes, axis = 0, perLine = false, spread = false }: Wish): Lines {
  const lags = Array.from({ length: 1 + random.below(8) }, () => 1 + random.below(random.below(4) ? sizes[axis] : 255))
  const coefficients = () =>
    Int8Array.from({ length: lags.length * (perLine ? sizes[2] : 1) }, () => random.below(256) - 128)
  return {
    axis,
    lags,
    perLine,
    mean: coefficients(),
    spread: spread ? coefficients() : new Int8Array(0),
    shifts: spread ? Int8Array.from({ length: 16 }, () => random.below(17) - 8) : new Int8Array(0),
  }
}

export function segmentOf(random: Rng, wish: Wish, plan: Plan): Segment {
  const { stream, sizes, axis, palette = stream === INDEX, base = false, dead = false } = wish
  const top = stream < 3 ? (dead ? 100 : 42) : 10
  const count = sizes[0] * sizes[1] * sizes[2]
  const values = Uint32Array.from({ length: stream === INDEX ? 256 << plan.lowBits : 256 }, (_, i) => 3 * i + 1)
  return {
    method: stream,
    count,
    latents: sizes.map((size) => Uint8Array.from({ length: size }, () => random.below(top))),
    center: stream >= BYTE && stream <= INDEX ? random.below(256) : 0,
    first: stream < 3 ? 0 : random.below(30),
    lines: axis === undefined ? undefined : linesOf(random, wish),
    palette: palette ? { bytes: random.below(2) ? 4 : 2, values } : undefined,
    slope:
      stream >= DELTA16
        ? { half: stream === DELTA16 && random.below(2) === 1, steps: random.below(3), offset: random.below(500) }
        : undefined,
    fromBase: base,
  }
}

/** A chunk of segments as wished. */
export function sampleOf(seed: number, wishes: readonly Wish[]): Sample {
  const random = rng(seed)
  const plans = Array.from({ length: 8 }, (_, stream) => planOf(random, stream))
  const segments = wishes.map((wish) => segmentOf(random, wish, plans[wish.stream]))
  return drawChunk(random, segments, plans)
}

const size = fc.oneof(fc.constantFrom(1, 2, 3, 9, 16, 32, 33), fc.integer({ min: 1, max: 40 }))
const wish = fc
  .record({
    stream: fc.nat(7),
    sizes: fc.tuple(size, size, size),
    axis: fc.option(fc.nat(2), { nil: undefined }),
    perLine: fc.boolean(),
    spread: fc.boolean(),
    palette: fc.boolean(),
    base: fc.boolean(),
    dead: fc.boolean(),
  })
  .map(({ stream, sizes: [rows, columns, inner], axis, perLine, spread, palette, base, dead }): Wish => {
    const ofBase = stream === BYTE && base && !palette
    const lines = stream <= BYTE && !ofBase ? axis : undefined
    return {
      stream,
      // Nibbles come in pairs.
      sizes: [stream === NIBBLE ? 2 * rows : rows, columns, inner],
      axis: lines,
      perLine: perLine && lines === 2,
      spread,
      palette: stream === INDEX || (stream === BYTE && palette),
      base: ofBase,
      dead,
    }
  })

/** Up to four small segments of any kind. */
export const wishes = fc.array(wish, { minLength: 1, maxLength: 4 })

/** Segments of more than a block, with tiles that begin anywhere. */
export const ofManyBlocks: readonly (readonly Wish[])[] = [
  [0, 1, 2].map((stream) => ({ stream, sizes: [700, 11, 13] })),
  [1, 2].map((stream) => ({ stream, sizes: [1500, 7, 9], axis: 2, perLine: true, spread: true })),
  [
    { stream: BYTE, sizes: [3, 40000, 1], axis: 0 },
    { stream: BYTE, sizes: [50, 30, 9], axis: 1, spread: true },
  ],
  [
    { stream: NIBBLE, sizes: [3, 3, 2] },
    { stream: NIBBLE, sizes: [7001, 5, 2] },
    { stream: INDEX, sizes: [1, 1, 65536] },
  ],
  [
    { stream: DELTA16, sizes: [90000, 1, 1] },
    { stream: DELTA32, sizes: [2, 60000, 1] },
  ],
]
