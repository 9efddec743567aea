/**
 * Learning of the circuits of one stream, by expectation maximisation with hard assignments: each latent takes its best value under the
 * tables (`scales.ts`), segments choose among sets of tables (`leaves.ts`), and tables are counted again. Then segments that gain
 * by looking at the lines before them (`fit-lines.ts`) get tables of their own, one for each step of the predicted mean.
 */

import { MAX_TABLES, SYMBOLS } from '../coder/rans.ts'
import type { Effort } from '../types.ts'
import { BYTE, DELTA16, isFloat, QUARTERS } from './elements.ts'
import { contextsOf, proposeLines, spreadsOf } from './fit-lines.ts'
import { DEAD_CLASSES, SATURATED } from './header.ts'
import { bitsUnder, costsUnder, type Leaves, leavesOf, ownBits } from './leaves.ts'
import { CENTER, historyTable, type Lines, MOST_SHIFT, SHIFTS, STEPS, stepOf, UNIT_BITS, unitsOf } from './lines.ts'
import {
  baseOf,
  costAt,
  costsOf,
  deadScale,
  eachClass,
  expectedHistogram,
  type Fit,
  type Grid,
  gridOf,
  histogramOf,
  improve,
  improveAll,
  magnitudeOf,
  normaliseDifferences,
  normaliseFloats,
  normaliseIntegers,
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

/** The bin of each step of a predicted mean: finer where more elements are. */
const BINS = Uint8Array.of(0, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5)
const BIN_COUNT = 6
/** Tables of a set with lines. */
const LINE_TABLES = QUARTERS * BIN_COUNT
/** Elements below which a segment gets no lines. */
const LEAST_LINES = 512
/** Rounds of learning, by effort. */
const ROUNDS: Readonly<Record<Effort, number>> = { fast: 1, default: 3, best: 5 }
/** Sets without lines that a stream may have. */
const MOST_SETS = 8
/** Elements of a row that may go without a class. */
const SHORT_ROW = 64
/** How far back lines may look, in lines. */
const NEAR_REACH = 10
const FAR_REACH = 32

/** A segment while it is learnt. */
interface Member {
  readonly sample: Sample
  /** A fit for each view, best first. */
  readonly fits: readonly Fit[]
  fit: Fit
  /** Its set of tables. */
  set: number
}

/** A segment with the lines that it may get. */
interface Candidate {
  readonly member: Member
  readonly fit: Fit
  readonly lines: Lines
  readonly histogram: Float64Array
  /** Bits of its latents and coefficients. */
  readonly side: number
}

interface Setting {
  readonly grid: Grid
  readonly origins: readonly [number, number]
  readonly effort: Effort
}

/** A common grid for all samples. */
function settle(stream: number, samples: readonly Sample[], effort: Effort): Setting {
  const grid = gridOf(stream)
  const started = samples.map((sample) => startFit(sample, viewsOf(sample.dims)[0], grid, SILENT))
  grid.base = baseOf(samples, started, grid)
  grid.dead = deadScale(samples, grid)
  const living = grid.base - CENTER
  const dead = grid.dead === undefined ? living : (grid.dead & ~3) - (SATURATED & ~3) - CENTER
  return { grid, origins: isFloat(stream) ? [living, dead] : [0, 0], effort }
}

const sizesOf = ({ latents }: Pick<Fit, 'latents'>): number[] => latents.map(({ length }) => length)

/** Sets of tables without lines, at most `most`: every member gets its own. With costs, of expected histograms under these. */
function chooseSets(members: readonly Member[], { grid, origins }: Setting, most: number, softly?: Int32Array): Leaves {
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
function learnScales(stream: number, samples: readonly Sample[], setting: Setting): Member[] {
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
  const most = mostSets(stream, effort, 0)
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

/** Sets without lines that leave room for `lineSets` with them. Classes of integers have tables of their own: one set says it all. */
function mostSets(stream: number, effort: Effort, lineSets: number): number {
  if (!isFloat(stream) || effort === 'fast') return 1
  return Math.min(MOST_SETS, Math.floor((MAX_TABLES - 1 - lineSets * LINE_TABLES) / QUARTERS))
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
function latentBits({ latents }: Fit): number {
  return latents.reduce((sum, latent) => {
    const counts = new Map<number, number>()
    for (const value of latent) counts.set(value, (counts.get(value) ?? 0) + 1)
    if (counts.size < 2) return sum
    return [...counts.values()].reduce((bits, n) => bits + n * Math.log2((latent.length + 2) / n), sum)
  }, 16)
}

const coefficientBits = ({ mean, spread, shifts }: Lines): number =>
  16 + 5 * (mean.length + spread.length) + 2 * shifts.length

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
function lineHistogram(sample: Sample, fit: Fit, lines: Lines, setting: Setting): Float64Array {
  const { grid, origins } = setting
  const { means, shifts } = contextsOf(lines, sizesOf(fit), historyOf(sample, fit, setting))
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

/** The lines that promise most, over all views of a segment. */
function proposeFor({ sample, fits }: Member, setting: Setting): { fit: Fit; lines: Lines } | undefined {
  const reach = setting.effort === 'best' ? FAR_REACH : NEAR_REACH
  let best: { fit: Fit; lines: Lines; bits: number } | undefined
  for (const [place, fit] of fits.entries()) {
    // Rows and columns are much the same in all views; taps are what views differ in.
    const proposal = proposeLines(sizesOf(fit), historyOf(sample, fit, setting), place === 0 ? [0, 1, 2] : [2], reach)
    if (!proposal) continue
    const bits = fit.bits - proposal.gain
    if (!best || bits < best.bits) best = { fit, lines: proposal.lines, bits }
  }
  return best
}

/** Lines for the members that may gain by them, with what their symbols then are. */
function candidatesOf(members: readonly Member[], sets: readonly Float64Array[], setting: Setting): Candidate[] {
  const { grid, origins } = setting
  const costs = sets.map((histogram) => costsOf(histogram, grid, origins))
  return members.flatMap((member): Candidate[] => {
    const { sample } = member
    if (sample.values.length < LEAST_LINES) return []
    const proposal = proposeFor(member, setting)
    if (!proposal) return []
    const { fit } = proposal
    let { lines } = proposal
    if (lines.spread.length > 0) {
      const spreads = spreadsOf(lines, sizesOf(fit), historyOf(sample, fit, setting))
      lines = { ...lines, shifts: shiftsFor(sample, fit, spreads, costs[member.set], grid) }
    }
    const histogram = lineHistogram(sample, fit, lines, setting)
    return [{ member, fit, lines, histogram, side: latentBits(fit) + coefficientBits(lines) }]
  })
}

/** A way to divide the tables among sets with lines and without. */
interface Division {
  readonly kept: readonly Candidate[]
  readonly leaves: Leaves | undefined
  readonly bits: number
}

/** Keeps the candidates that save bits when there are `lineSets` sets with lines. */
function divide(
  members: readonly Member[],
  candidates: readonly Candidate[],
  lineSets: number,
  setting: Setting,
): Division {
  const { grid, origins, effort } = setting
  let kept: readonly Candidate[] = lineSets > 0 ? candidates : []
  let leaves: Leaves | undefined
  const plain = members.map(({ sample, fit }) => histogramOf(sample, fit, grid, origins))
  const most = mostSets(grid.stream, effort, lineSets)
  const without = leavesOf(plain, most)
  const plainCosts = without.sets.map(costsUnder)
  for (let round = 0; round < 2 && kept.length > 0; round++) {
    leaves = leavesOf(
      kept.map(({ histogram }) => histogram),
      lineSets,
    )
    const costs = leaves.sets.map(costsUnder)
    const { choice } = leaves
    const saves = kept.filter(({ member, histogram, side }, i) => {
      const at = members.indexOf(member)
      const bits = bitsUnder(plain[at], plainCosts[without.choice[at]]) + latentBits(member.fit)
      return bitsUnder(histogram, costs[choice[i]]) + side < bits
    })
    if (saves.length === kept.length) break
    kept = saves
    leaves = undefined
  }
  if (kept.length > 0 && !leaves) {
    leaves = leavesOf(
      kept.map(({ histogram }) => histogram),
      lineSets,
    )
  }
  const rest = plain.filter((_, i) => !kept.some(({ member }) => member === members[i]))
  const others = members.filter((member) => !kept.some((candidate) => candidate.member === member))
  const bits =
    (rest.length > 0 ? leavesOf(rest, most).sets.reduce((sum, set) => sum + ownBits(set), 0) : 0) +
    (leaves ? leaves.sets.reduce((sum, set) => sum + ownBits(set), 0) : 0) +
    kept.reduce((sum, { side }) => sum + side, 0) +
    others.reduce((sum, { fit }) => sum + latentBits(fit), 0)
  return { kept, leaves, bits }
}

function planOf(fit: Fit, lines: Lines | undefined, first: number, bits: number): Plan {
  return { latents: fit.latents.map((latent) => Uint8Array.from(latent)), lines, first, shift: 0, bits }
}

/** Splits histograms of several tables into one for each. */
const tablesIn = (histogram: Float64Array): Float64Array[] =>
  Array.from({ length: histogram.length / SYMBOLS }, (_, i) => histogram.subarray(i * SYMBOLS, (i + 1) * SYMBOLS))

function learnFloats(stream: number, samples: readonly Sample[], effort: Effort): Learned {
  const setting = settle(stream, samples, effort)
  const { grid, origins } = setting
  const members = learnScales(stream, samples, setting)
  for (const { fits } of members) for (const fit of fits) normaliseFloats(fit, grid)
  grid.settled = true
  const { sets } = chooseSets(members, setting, mostSets(stream, effort, 0))
  const candidates = effort === 'fast' ? [] : candidatesOf(members, sets, setting)
  const divisions = [0, 1, 2].map((lineSets) => divide(members, candidates, lineSets, setting))
  const { kept, leaves: lineLeaves } = divisions.reduce((best, next) => (next.bits < best.bits ? next : best))

  const chosen = new Map(kept.map((candidate, i) => [candidate.member, { candidate, set: lineLeaves?.choice[i] ?? 0 }]))
  const others = members.filter((member) => !chosen.has(member))
  const lineSets = lineLeaves?.sets.length ?? 0
  const plain = others.length > 0 ? chooseSets(others, setting, mostSets(stream, effort, lineSets)).sets : []
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
  const hasDead = plans.some(
    ({ latents }) => latents.reduce((sum, latent) => sum + Math.max(...latent), 0) >= DEAD_CLASSES,
  )
  return { plans, counts: hasDead ? [...counts, dead] : counts, origins, bins: BINS }
}

/** The integers that are left of a segment's when its lines have said what they expect. */
function residualOf(sample: Sample, means: Int16Array): Sample {
  return { ...sample, values: sample.values.map((value, i) => (value - unitsOf(means[i])) & 255) }
}

function learnIntegers(stream: number, samples: readonly Sample[], effort: Effort): Learned {
  const setting = settle(stream, samples, effort)
  const { grid, origins } = setting
  const members = learnScales(stream, samples, setting)
  const [pooled] = chooseSets(members, setting, 1).sets
  const costs = costsOf(pooled, grid, origins)
  const ends = members.map((member): { sample: Sample; fit: Fit; lines: Lines | undefined; side: number } => {
    const { sample, fit } = member
    const without = { sample, fit, lines: undefined, side: 0 }
    if (stream !== BYTE || effort === 'fast' || sample.values.length < LEAST_LINES) return without
    const proposal = proposeFor(member, setting)
    if (!proposal) return without
    // Integers follow their mean; classes move by themselves when they are fitted to what is left.
    const lines = { ...proposal.lines, spread: new Int8Array(0) }
    const sizes = sizesOf(proposal.fit)
    const { means } = contextsOf(lines, sizes, historyOf(sample, proposal.fit, setting))
    const residual = residualOf(sample, means)
    const refit = startFit(residual, sizes, grid, 0)
    improveAll(residual, refit, costs, false, 2)
    const side = coefficientBits(lines)
    return refit.bits + side < fit.bits ? { sample: residual, fit: refit, lines, side } : without
  })
  for (let round = 0; round < ROUNDS[effort]; round++) {
    const [histogram] = leavesOf(
      ends.map(({ sample, fit }) => histogramOf(sample, fit, grid, origins)),
      1,
    ).sets
    const own = costsOf(histogram, grid, origins)
    for (const { sample, fit } of ends) improveAll(sample, fit, own, false, 1)
  }
  const delta = stream >= DELTA16
  const shifts = ends.map(({ fit }) => (delta ? normaliseDifferences(fit) : 0))
  if (!delta)
    normaliseIntegers(
      ends.map(({ fit }) => fit),
      grid,
    )
  grid.settled = true
  const histograms = ends.map(({ sample, fit }, i) => {
    const addends = sample.addends.map((addend) => addend + shifts[i])
    return histogramOf({ ...sample, addends }, fit, grid, origins)
  })
  const [total] = leavesOf(histograms, 1).sets
  const under = costsUnder(total)
  const plans = ends.map(({ fit, lines, side }, i) => ({
    ...planOf(fit, lines, 0, bitsUnder(histograms[i], under) + latentBits(fit) + side),
    shift: shifts[i],
  }))
  const tables = tablesIn(total)
  const used = tables.findLastIndex((table) => table.some((count) => count > 0)) + 1
  const whole = stream >= DELTA16 ? QUARTERS * Math.ceil(used / QUARTERS) : used
  return { plans, counts: tables.slice(0, whole), origins, bins: new Uint8Array(STEPS) }
}

/** Learns the circuits of all segments of one stream. */
export function learn(stream: number, samples: readonly Sample[], effort: Effort): Learned {
  return (isFloat(stream) ? learnFloats : learnIntegers)(stream, samples, effort)
}
