/**
 * Learning of the circuits of floats: segments that gain by looking at the lines before them (`fit-lines.ts`) get tables of their own,
 * one for each step of the predicted mean; the others share sets of four.
 */

import { SYMBOLS } from '../coder/rans.ts'
import type { Effort } from '../types.ts'
import { QUARTERS } from './elements.ts'
import { contextsOf, spreadsOf } from './fit-lines.ts'
import { DEAD_CLASSES, largest } from './header.ts'
import {
  chooseSets,
  coefficientBits,
  LEAST_LINES,
  type Learned,
  latentBits,
  learnScales,
  type Member,
  mostSets,
  type Plan,
  type Proposed,
  planOf,
  proposalsFor,
  type Setting,
  settle,
  sizesOf,
  tablesIn,
} from './learn-scales.ts'
import { bitsUnder, costsUnder, type Leaves, leavesOf, ownBits } from './leaves.ts'
import { type Lines, MOST_SHIFT, SHIFTS, stepOf } from './lines.ts'
import { normaliseFloats } from './normalise.ts'
import { costAt, costsOf, eachClass, type Fit, type Grid, histogramOf, magnitudeOf, type Sample } from './scales.ts'

/** The bin of each step of a predicted mean: finer where more elements are. */
const BINS = Uint8Array.of(0, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5)
const BIN_COUNT = 6
/** Tables of a set with lines. */
const LINE_TABLES = QUARTERS * BIN_COUNT
/** Sets with lines that a stream may have. */
const LINE_SETS = 2
/** Views that are tried with their lines, by effort. */
const OPTIONS: Readonly<Record<Effort, number>> = { fast: 0, default: 4, best: 12 }
/** A segment with the lines that it may get. */
interface Candidate {
  readonly member: Member
  readonly fit: Fit
  readonly lines: Lines
  readonly histogram: Float64Array
  /** Bits of its latents and coefficients. */
  readonly side: number
}

/** For each step of the spread the shift under which the elements cost least. */
function shiftsFor(sample: Sample, fit: Fit, spreads: Int16Array, costs: Int32Array, grid: Grid): Int8Array {
  const width = 2 * MOST_SHIFT + 1
  const sums = new Float64Array(SHIFTS * width)
  eachClass(sample, fit, grid, (i, cls) => {
    if (cls >= DEAD_CLASSES) return
    const step = stepOf(Math.max(0, spreads[i]))
    for (let j = 0; j < width; j++) {
      const moved = Math.max(0, Math.min(grid.classes - 1, cls + j - MOST_SHIFT))
      sums[step * width + j] += costAt(costs, sample.values[i], moved)
    }
  })
  return Int8Array.from({ length: SHIFTS }, (_, step) => {
    let best = MOST_SHIFT
    for (let j = 0; j < width; j++) if (sums[step * width + j] < sums[step * width + best]) best = j
    return best - MOST_SHIFT
  })
}

/** Symbols of a float segment with lines, by table of its set; dead elements apart. */
function lineHistogram(
  sample: Sample,
  { fit, history }: Proposed,
  lines: Lines,
  { grid, origins }: Setting,
): Float64Array {
  const { means, shifts } = contextsOf(lines, sizesOf(fit), history)
  const histogram = new Float64Array(SYMBOLS * LINE_TABLES)
  eachClass(sample, fit, grid, (i, cls) => {
    if (cls >= DEAD_CLASSES) return
    const moved = Math.max(0, Math.min(DEAD_CLASSES - 1, cls + shifts[i]))
    const sign = means[i] < 0 ? 1 - sample.signs[i] : sample.signs[i]
    const table = QUARTERS * BINS[stepOf(means[i])] + (moved & 3)
    histogram[SYMBOLS * table + 2 * magnitudeOf(sample.values[i], moved, origins) + sign]++
  })
  return histogram
}

/** Lines for a member, with what its symbols then are: for the views that promise most. */
function optionsFor(member: Member, costs: readonly Int32Array[], setting: Setting): Candidate[] {
  const { sample } = member
  if (sample.values.length < LEAST_LINES) return []
  return proposalsFor(member, setting)
    .slice(0, OPTIONS[setting.effort])
    .map((proposed) => {
      const { fit, history } = proposed
      let { lines } = proposed
      if (lines.spread.length > 0) {
        const spreads = spreadsOf(lines, sizesOf(fit), history)
        lines = { ...lines, shifts: shiftsFor(sample, fit, spreads, costs[member.set], setting.grid) }
      }
      const histogram = lineHistogram(sample, proposed, lines, setting)
      return { member, fit, lines, histogram, side: latentBits(fit) + coefficientBits(lines) }
    })
}

/** Lines for the members that may gain by them: of the options of each the one that costs least under the tables of all. */
function candidatesOf(members: readonly Member[], sets: readonly Float64Array[], setting: Setting): Candidate[] {
  const { grid, origins } = setting
  const costs = sets.map((histogram) => costsOf(histogram, grid, origins))
  const options = members.map((member) => optionsFor(member, costs, setting)).filter((own) => own.length > 0)
  if (options.length === 0) return []
  const tables = leavesOf(
    options.map(([{ histogram }]) => histogram),
    LINE_SETS,
  ).sets.map(costsUnder)
  const bitsOf = ({ histogram, side }: Candidate): number =>
    side + Math.min(...tables.map((own) => bitsUnder(histogram, own)))
  return options.map((own) => own.reduce((best, next) => (bitsOf(next) < bitsOf(best) ? next : best)))
}

/** A way to divide the tables among sets with lines and without. */
interface Division {
  readonly kept: readonly Candidate[]
  readonly leaves: Leaves | undefined
  readonly bits: number
}

/**
 * Keeps the candidates that save bits when there are `lineSets` sets with lines.
 *
 * @param plain histograms of the members without lines
 */
function divide(
  members: readonly Member[],
  plain: readonly Float64Array[],
  candidates: readonly Candidate[],
  lineSets: number,
  setting: Setting,
): Division {
  const most = mostSets(setting, lineSets * LINE_TABLES)
  const without = leavesOf(plain, most)
  const plainCosts = without.sets.map(costsUnder)
  const bitsWithout = new Map(
    members.map((member, i) => [member, bitsUnder(plain[i], plainCosts[without.choice[i]]) + latentBits(member.fit)]),
  )
  const setsFor = (own: readonly Candidate[]): Leaves | undefined => {
    const histograms = own.map(({ histogram }) => histogram)
    return own.length > 0 ? leavesOf(histograms, lineSets) : undefined
  }
  let kept: readonly Candidate[] = lineSets > 0 ? candidates : []
  let leaves = setsFor(kept)
  for (let round = 0; round < 2 && leaves; round++) {
    const { sets, choice } = leaves
    const costs = sets.map(costsUnder)
    const saves = kept.filter(
      ({ member, histogram, side }, i) =>
        bitsUnder(histogram, costs[choice[i]]) + side < (bitsWithout.get(member) ?? 0),
    )
    if (saves.length === kept.length) break
    kept = saves
    leaves = setsFor(kept)
  }
  const gone = new Set(kept.map(({ member }) => member))
  const rest = plain.filter((_, i) => !gone.has(members[i]))
  const setBits = (own: Leaves | undefined): number => own?.sets.reduce((sum, set) => sum + ownBits(set), 0) ?? 0
  const bits =
    setBits(rest.length > 0 ? leavesOf(rest, most) : undefined) +
    setBits(leaves) +
    kept.reduce((sum, { side }) => sum + side, 0) +
    members.reduce((sum, member) => sum + (gone.has(member) ? 0 : latentBits(member.fit)), 0)
  return { kept, leaves, bits }
}

/** Learns the circuits of all segments of a stream of floats. */
export function learnFloats(stream: number, samples: readonly Sample[], effort: Effort): Learned {
  const setting = settle(stream, samples, effort)
  const { grid, origins } = setting
  const members = learnScales(samples, setting)
  for (const { fits } of members) for (const fit of fits) normaliseFloats(fit, grid)
  grid.settled = true
  const { sets } = chooseSets(members, setting, mostSets(setting, 0))
  const candidates = effort === 'fast' ? [] : candidatesOf(members, sets, setting)
  const histograms = members.map(({ sample, fit }) => histogramOf(sample, fit, grid, origins))
  const divisions = Array.from({ length: LINE_SETS + 1 }, (_, lineSets) =>
    divide(members, histograms, candidates, lineSets, setting),
  )
  const { kept, leaves: lineLeaves } = divisions.reduce((best, next) => (next.bits < best.bits ? next : best))

  const chosen = new Map(kept.map((candidate, i) => [candidate.member, { candidate, set: lineLeaves?.choice[i] ?? 0 }]))
  const others = members.filter((member) => !chosen.has(member))
  const lineSets = lineLeaves?.sets.length ?? 0
  const plain = others.length > 0 ? chooseSets(others, setting, mostSets(setting, lineSets * LINE_TABLES)).sets : []
  const plainCosts = plain.map(costsUnder)
  const lineCosts = (lineLeaves?.sets ?? []).map(costsUnder)
  const counts = [
    ...plain.flatMap((set) => tablesIn(set).slice(0, QUARTERS)),
    ...(lineLeaves?.sets ?? []).flatMap(tablesIn),
  ]
  const dead = new Float64Array(SYMBOLS)
  const addDead = (sample: Sample, fit: Fit): void => {
    eachClass(sample, fit, grid, (i, cls) => {
      if (cls >= DEAD_CLASSES) dead[2 * magnitudeOf(sample.values[i], cls, origins) + sample.signs[i]]++
    })
  }
  const plans = members.map((member): Plan => {
    const own = chosen.get(member)
    if (!own) {
      addDead(member.sample, member.fit)
      const histogram = histogramOf(member.sample, member.fit, grid, origins)
      const bits = bitsUnder(histogram, plainCosts[member.set]) + latentBits(member.fit)
      return planOf(member.fit, undefined, QUARTERS * member.set, bits)
    }
    const { fit, lines, histogram, side } = own.candidate
    addDead(member.sample, fit)
    const first = QUARTERS * plain.length + LINE_TABLES * own.set
    return planOf(fit, lines, first, bitsUnder(histogram, lineCosts[own.set]) + side)
  })
  const hasDead = plans.some(({ latents }) => latents.reduce((sum, own) => sum + largest(own), 0) >= DEAD_CLASSES)
  return { plans, counts: hasDead ? [...counts, dead] : counts, origins, bins: BINS }
}
