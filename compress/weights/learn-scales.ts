/**
 * What learning floats and learning integers share: scales and sets of tables for the segments of one stream, by expectation
 * maximisation, soft and then hard: each latent takes its best value under the tables (`scales.ts`), segments choose among sets of
 * tables (`leaves.ts`), and tables are counted again. Lines come after that.
 */

import { MAX_TABLES, SYMBOLS } from '../coder/rans.ts'
import type { Effort } from '../types.ts'
import { isFloat, QUARTERS } from './elements.ts'
import { proposeLines } from './fit-lines.ts'
import { DEAD_CLASSES, SATURATED } from './header.ts'
import { expectedHistogram, improve, improveAll } from './latents.ts'
import { type Leaves, leavesOf } from './leaves.ts'
import { CENTER, historyTable, type Lines, UNIT_BITS } from './lines.ts'
import {
  baseOf,
  costsOf,
  deadScale,
  eachClass,
  type Fit,
  type Grid,
  gridOf,
  histogramOf,
  magnitudeOf,
  type Sample,
  SILENT,
  startFit,
  viewsOf,
} from './scales.ts'

/** The circuit of one segment. */
export interface Plan {
  readonly latents: readonly Uint8Array[]
  readonly lines: Lines | undefined
  /** The number of its first table. */
  readonly first: number
  /** Differences: added to each class. */
  readonly shift: number
  /** Estimated bits of symbols and latents, without planes. */
  readonly bits: number
}

export interface Learned {
  readonly plans: readonly Plan[]
  /** How often each symbol occurs, by table; of floats with dead classes, the last are theirs. */
  readonly counts: readonly Float64Array[]
  readonly origins: readonly [number, number]
  readonly bins: Uint8Array
}

/** Elements below which a segment gets no lines. */
export const LEAST_LINES = 512
/** Rounds of learning, by effort. */
export const ROUNDS: Readonly<Record<Effort, number>> = { fast: 1, default: 3, best: 5 }
/** Sets without lines that a stream may have. */
const MOST_SETS = 8
/** Elements of a row that may go without a class. */
const SHORT_ROW = 64
/** How far back lines may look, in lines. */
const NEAR_REACH = 10
const FAR_REACH = 32

/** A segment while it is learnt. */
export interface Member {
  readonly sample: Sample
  /** A fit for each view, best first. */
  readonly fits: readonly Fit[]
  fit: Fit
  /** Its set of tables. */
  set: number
}

export interface Setting {
  readonly grid: Grid
  readonly origins: readonly [number, number]
  readonly effort: Effort
}

/** A common grid for all samples. */
export function settle(stream: number, samples: readonly Sample[], effort: Effort): Setting {
  const grid = gridOf(stream)
  const started = samples.map((sample) => startFit(sample, viewsOf(sample.dims)[0], grid, SILENT))
  grid.base = baseOf(samples, started, grid)
  grid.dead = deadScale(samples, grid)
  const living = grid.base - CENTER
  const dead = grid.dead === undefined ? living : (grid.dead & ~3) - (SATURATED & ~3) - CENTER
  return { grid, origins: isFloat(stream) ? [living, dead] : [0, 0], effort }
}

export const sizesOf = ({ latents }: Pick<Fit, 'latents'>): number[] => latents.map(({ length }) => length)

/** Sets of tables without lines, at most `most`: every member gets its own. With costs, of expected histograms under these. */
export function chooseSets(
  members: readonly Member[],
  { grid, origins }: Setting,
  most: number,
  softly?: Int32Array,
): Leaves {
  const leaves = leavesOf(
    members.map(({ sample, fit }) =>
      softly ? expectedHistogram(sample, fit, softly, grid, origins) : histogramOf(sample, fit, grid, origins),
    ),
    most,
  )
  members.forEach((member, i) => {
    member.set = leaves.choice[i]
  })
  return leaves
}

/** Scales and views, with sets of tables but without lines. */
export function learnScales(samples: readonly Sample[], setting: Setting): Member[] {
  const { grid, origins, effort } = setting
  const mayDie = grid.dead !== undefined
  const started = samples.map((sample) => startFit(sample, viewsOf(sample.dims)[0], grid, 0))
  const [pooled] = leavesOf(
    samples.map((sample, i) => histogramOf(sample, started[i], grid, origins)),
    1,
  ).sets
  const costs = costsOf(pooled, grid, origins)
  const members = samples.map((sample): Member => {
    const fits = viewsOf(sample.dims).flatMap((view) => {
      const fit = startFit(sample, view, grid, 0)
      improveAll(sample, fit, costs, mayDie, 1)
      // Where rows are short, what their first elements say may be worth more than a class that is sent.
      const [rows, columns, inner] = view
      const steady = effort !== 'fast' && rows > 1 && columns * inner <= SHORT_ROW
      return steady ? [fit, withSteadyRows(sample, fit, costs, mayDie)] : [fit]
    })
    fits.sort((a, b) => a.bits - b.bits)
    return { sample, fits, fit: fits[0], set: 0 }
  })
  const most = mostSets(setting, 0)
  for (let round = 0; round < ROUNDS[effort]; round++) {
    // Soft, then hard: at first the tables are those expected over all classes that a row may have.
    const soft = round === 0 && effort !== 'fast'
    const { sets } = chooseSets(members, setting, most, soft ? costs : undefined)
    for (const [set, histogram] of sets.entries()) {
      const own = costsOf(histogram, grid, origins)
      for (const { sample, fit, set: chosen } of members) {
        if (chosen === set) improveAll(sample, fit, own, mayDie, 1)
      }
    }
  }
  return members
}

/** The same view with one class for all rows. */
function withSteadyRows(sample: Sample, fit: Fit, costs: Int32Array, mayDie: boolean): Fit {
  const [rows, columns, inner] = fit.latents
  const middle = rows.slice().sort()[rows.length >> 1]
  const steady = { latents: [new Int16Array(rows.length).fill(middle), columns.slice(), inner.slice()], bits: 0 }
  for (const axis of [1, 2]) improve(sample, steady, axis, costs, mayDie)
  return steady
}

/** Sets without lines that leave so many tables to others. Classes of integers have tables of their own: one set says it all. */
export function mostSets({ grid, effort }: Setting, taken: number): number {
  if (!isFloat(grid.stream) || effort === 'fast') return 1
  return Math.min(MOST_SETS, Math.floor((MAX_TABLES - 1 - taken) / QUARTERS))
}

/** The history that the elements of a segment give, in natural order. */
function historyOf(sample: Sample, fit: Fit, { grid, origins }: Setting): Int16Array {
  const { values, signs } = sample
  const out = new Int16Array(values.length)
  eachClass(sample, fit, grid, (i, cls) => {
    if (!isFloat(grid.stream)) out[i] = ((values[i] << 24) >> 24) << UNIT_BITS
    else if (cls < DEAD_CLASSES) {
      const h = HISTORY[4 * magnitudeOf(values[i], cls, origins) + (cls & 3)]
      out[i] = signs[i] ? -h : h
    }
  })
  return out
}

const HISTORY = /* @__PURE__ */ historyTable()

/** Bits of a latent, by how often each of its values occurs. */
export function latentBits({ latents }: Fit): number {
  return latents.reduce((sum, latent) => {
    const counts = new Map<number, number>()
    for (const value of latent) counts.set(value, (counts.get(value) ?? 0) + 1)
    if (counts.size < 2) return sum
    return [...counts.values()].reduce((bits, n) => bits + n * Math.log2((latent.length + 2) / n), sum)
  }, 16)
}

export const coefficientBits = ({ mean, spread, shifts }: Lines): number =>
  16 + 5 * (mean.length + spread.length) + 2 * shifts.length

/** A fit with lines that least squares proposes for it. */
export interface Proposed {
  readonly fit: Fit
  readonly lines: Lines
  /** Of the elements under the fit. */
  readonly history: Int16Array
  /** Estimated. */
  readonly bits: number
}

/** Lines for the views of a segment, those that promise most first. */
export function proposalsFor({ sample, fits }: Member, setting: Setting): Proposed[] {
  const reach = setting.effort === 'best' ? FAR_REACH : NEAR_REACH
  return fits
    .flatMap((fit, place): Proposed[] => {
      // Rows and columns are much the same in all views; taps are what views differ in.
      const axes = place === 0 ? [0, 1, 2] : [2]
      const history = historyOf(sample, fit, setting)
      const proposal = proposeLines(sizesOf(fit), history, axes, reach)
      return proposal ? [{ fit, lines: proposal.lines, history, bits: fit.bits - proposal.gain }] : []
    })
    .sort((a, b) => a.bits - b.bits)
}

export function planOf(fit: Fit, lines: Lines | undefined, first: number, bits: number): Plan {
  return { latents: fit.latents.map((latent) => Uint8Array.from(latent)), lines, first, shift: 0, bits }
}

/** Splits histograms of several tables into one for each. */
export const tablesIn = (histogram: Float64Array): Float64Array[] =>
  Array.from({ length: histogram.length / SYMBOLS }, (_, i) => histogram.subarray(i * SYMBOLS, (i + 1) * SYMBOLS))
