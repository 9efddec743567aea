/**
 * Learning of the circuits of integers and of differences: a class has a table (a difference's class four), and what lines predict is
 * subtracted, so that classes are fitted again to what is left.
 */

import type { Effort } from '../types.ts'
import { BYTE, DELTA16, QUARTERS } from './elements.ts'
import { contextsOf } from './fit-lines.ts'
import { improveAll } from './latents.ts'
import {
  chooseSets,
  coefficientBits,
  LEAST_LINES,
  type Learned,
  latentBits,
  learnScales,
  type Member,
  planOf,
  proposalsFor,
  ROUNDS,
  type Setting,
  settle,
  sizesOf,
  tablesIn,
} from './learn-scales.ts'
import { bitsUnder, costsUnder, leavesOf } from './leaves.ts'
import { type Lines, STEPS, unitsOf } from './lines.ts'
import { normaliseDifferences, normaliseIntegers } from './normalise.ts'
import { costsOf, type Fit, histogramOf, type Sample, startFit } from './scales.ts'

/** The integers that are left of a segment's when its lines have said what they expect. */
function residualOf(sample: Sample, means: Int16Array): Sample {
  return { ...sample, values: sample.values.map((value, i) => (value - unitsOf(means[i])) & 255) }
}

/** A segment with the lines that it got, and what they leave of it. */
interface Rest {
  readonly sample: Sample
  readonly fit: Fit
  readonly lines: Lines | undefined
  /** Bits of its coefficients. */
  readonly side: number
}

/** What is left of a member after the lines that save most, if any do. */
function restOf(member: Member, costs: Int32Array, setting: Setting): Rest {
  const { sample, fit } = member
  const without = { sample, fit, lines: undefined, side: 0 }
  if (setting.grid.stream !== BYTE || setting.effort === 'fast' || sample.values.length < LEAST_LINES) return without
  const [proposal] = proposalsFor(member, setting)
  if (!proposal) return without
  // Integers follow their mean; classes move by themselves when they are fitted to what is left.
  const lines = { ...proposal.lines, spread: new Int8Array(0) }
  const sizes = sizesOf(proposal.fit)
  const { means } = contextsOf(lines, sizes, proposal.history)
  const residual = residualOf(sample, means)
  const refit = startFit(residual, sizes, setting.grid, 0)
  improveAll(residual, refit, costs, false, 2)
  const side = coefficientBits(lines)
  return refit.bits + side < fit.bits ? { sample: residual, fit: refit, lines, side } : without
}

/** Learns the circuits of all segments of a stream of integers or differences. */
export function learnIntegers(stream: number, samples: readonly Sample[], effort: Effort): Learned {
  const setting = settle(stream, samples, effort)
  const { grid, origins } = setting
  const members = learnScales(samples, setting)
  const [pooled] = chooseSets(members, setting, 1).sets
  const costs = costsOf(pooled, grid, origins)
  const ends = members.map((member) => restOf(member, costs, setting))
  for (let round = 0; round < ROUNDS[effort]; round++) {
    const [histogram] = leavesOf(
      ends.map(({ sample, fit }) => histogramOf(sample, fit, grid, origins)),
      1,
    ).sets
    const own = costsOf(histogram, grid, origins)
    for (const { sample, fit } of ends) improveAll(sample, fit, own, false, 1)
  }
  const delta = stream >= DELTA16
  const fits = ends.map(({ fit }) => fit)
  if (!delta) normaliseIntegers(fits, grid)
  const shifts = fits.map((fit) => (delta ? normaliseDifferences(fit) : 0))
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
