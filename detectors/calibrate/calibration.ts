/**
 * Calibration of several detectors together. Half of the calibration samples give each detector its table of scores, and so
 * its ranks; on the other half these are combined, and the table of *that* statistic gives the p-value of the whole. Once
 * the first half is fixed, combining is a fixed function of an input, however the detectors depend on one another, so the
 * second table makes it exact: P(p ≤ α) ≤ α in finite samples (split conformal, twice).
 *
 * A cascade is part of that function: a detector of a later tier runs only where the ranks of the tiers before it,
 * combined, lie in the tier's band; else it is left out of the statistic. The second half goes through the same rule.
 *
 * The tables of detectors are thin; the one that decides is whole, for drift monitors look at all of its p-values.
 * Scores are compared as float32, in which the tables are stored; rounding is part of the score, so it costs no validity.
 */

import { HardpackError, shuffled } from '../../sdk/core/index.ts'
import { levelFor, type RejectionLevel, requiredSamples } from './beta-band.ts'
import { type Combination, combine } from './combine.ts'
import { conformalPValue, midPValue, type Side } from './conformal.ts'
import { interpolatedRank } from './rank.ts'
import { thin } from './thin.ts'

/** What decides which detectors run and how they are combined; index = detector. */
export interface CalibrationRules {
  /** Which scores are strange, per detector. */
  readonly sides: readonly Side[]
  /** When a detector runs, per detector: tier 0 always, tier t where `bands[t − 1]` says so. */
  readonly tiers: readonly number[]
  /** Per tier from 1 on: it runs where the combined ranks of the tiers before it (0 to 1, like p-values) lie in [low, high]. */
  readonly bands: readonly (readonly [low: number, high: number])[]
  readonly combine: Combination
}

/** Plain data, to be stored per target: another provider or fp16 shifts scores. */
export interface Calibration extends CalibrationRules {
  /** Scores of clean samples per detector, ascending; thin, except for a single detector. */
  readonly tables: readonly Float32Array[]
  /** −1 × the combined statistic of the other clean samples, ascending; empty for a single detector, which needs none. */
  readonly combined: Float32Array
}

export interface Judgement {
  /** P-value of the input: P(p ≤ α) ≤ α for a clean one. */
  readonly p: number
  /** The p-value for a monitor (`midPValue`). */
  readonly mid: number
  /** P-value of each detector; NaN for those that the cascade left out. */
  readonly perDetector: Float64Array
}

/** The score of each detector for one input; undefined or NaN where it did not run. */
export type Scores = ArrayLike<number | undefined>

/** So that both halves hold all classes, in whatever order the samples came. */
const SPLIT_SEED = 0x5eed

/**
 * Calibrates detectors on clean samples that none of them was fitted on.
 *
 * @param scores per detector, its score of every sample (also of those that a cascade would spare it)
 * @param rules `sides`: `upper` for each unless said; `tiers`: all 0; `bands`: one per further tier; `combine`: `simes`
 * @throws HardpackError `INVALID_ARGUMENT` for no detectors, numbers of samples that differ, fewer than two samples, a
 *   score that is no finite float32, tiers without a band, or a band that is none.
 * @example
 * const calibration = calibrate([softmaxScores, mahalanobisScores, beyondScores], { tiers: [0, 0, 1], bands: [[0.01, 0.3]] })
 */
export function calibrate(
  scores: readonly ArrayLike<number>[],
  {
    sides = scores.map(() => 'upper'),
    tiers = scores.map(() => 0),
    bands = [],
    combine: combination = 'simes',
  }: Partial<CalibrationRules> = {},
): Calibration {
  const rules: CalibrationRules = { sides, tiers, bands, combine: combination }
  checkRules(rules, scores.length)
  const samples = checkScores(scores)
  const columns = scores.map((column) => Float32Array.from(column))
  if (scores.length === 1) return { ...rules, tables: [columns[0].sort()], combined: new Float32Array(0) }

  const order = shuffled(samples, SPLIT_SEED)
  const half = samples >> 1
  const first = order.slice(0, half)
  const tables = columns.map((column, d) => thin(Float32Array.from(first, (i) => column[i]).sort(), sides[d]))
  const combined = Float32Array.from(order.slice(half), (i) =>
    statistic(
      rules,
      rank(
        { ...rules, tables },
        columns.map((column) => column[i]),
      ),
    ),
  )
  return { ...rules, tables, combined: combined.sort() }
}

/**
 * The p-value of an input, from the scores of its detectors.
 *
 * @param scores one a detector; those of tiers that the cascade spares are ignored, so that the p-value stays exact
 * @throws HardpackError `INVALID_INPUT` for a score that the cascade asks for and that is missing or not finite: a detector
 *   that fails must not pass for one that was not needed.
 * @example
 * judge(calibration, [0.2, 31.5, 0.9]).p
 */
export function judge(calibration: Calibration, scores: Scores): Judgement {
  const { tables, sides, combined } = calibration
  const ranks = rank(calibration, scores)
  const perDetector = ranks.map((value, d) =>
    Number.isNaN(value) ? value : conformalPValue(tables[d], Math.fround(Number(scores[d])), sides[d]),
  )
  if (tables.length === 1) {
    return { p: perDetector[0], mid: midPValue(tables[0], Math.fround(Number(scores[0])), sides[0]), perDetector }
  }
  const stranger = statistic(calibration, ranks)
  return { p: conformalPValue(combined, stranger), mid: midPValue(combined, stranger), perDetector }
}

/**
 * Whether a tier has to run for an input, given the scores of the tiers before it.
 *
 * @param scores those of earlier tiers must be there, where they ran
 * @throws HardpackError `INVALID_INPUT` as `judge`.
 * @example
 * if (runsTier(calibration, scores, 1)) scores[2] = await beyond(image)
 */
export function runsTier(calibration: Calibration, scores: Scores, tier: number): boolean {
  return tier === 0 || inBand(calibration, rank(calibration, scores, tier), tier)
}

/**
 * The p-value up to which `judge` has to reject, for clean inputs to be at a rate of at most α.
 *
 * @param confidence as in `levelFor`
 * @throws HardpackError `INVALID_ARGUMENT` for an α that the calibration cannot give; the message says how many samples can.
 * @example
 * const rejected = judge(calibration, scores).p <= levelOf(calibration, 0.01).level
 */
export function levelOf(calibration: Calibration, alpha: number, confidence?: number): RejectionLevel {
  const { tables, combined, sides } = calibration
  if (tables.length === 1) return levelFor(tables[0].length, alpha, { confidence, side: sides[0] })
  const half = requiredSamples(alpha, { confidence })
  if (combined.length < half) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `A false-alarm rate of ${alpha}${confidence === undefined ? '' : ` at confidence ${confidence}`} expected at least ` +
        `${2 * half - 1} calibration samples for several detectors, got ${tables[0].length + combined.length}.`,
      { hint: 'Give more samples, or a larger alpha.' },
    )
  }
  return levelFor(combined.length, alpha, { confidence })
}

/** Interpolated ranks of the detectors of tiers before `end`; NaN for those that do not run. */
function rank(
  calibration: Omit<Calibration, 'combined'>,
  scores: Scores,
  end = calibration.bands.length + 1,
): Float64Array {
  const { sides, tiers, tables } = calibration
  const ranks = new Float64Array(tables.length).fill(Number.NaN)
  for (let tier = 0; tier < end; tier++) {
    if (tier > 0 && !inBand(calibration, ranks, tier)) continue
    for (let d = 0; d < tables.length; d++) {
      if (tiers[d] !== tier) continue
      const score = Math.fround(scores[d] ?? Number.NaN)
      if (!Number.isFinite(score)) {
        throw new HardpackError('INVALID_INPUT', `Detector ${d} expected a finite score, got ${scores[d]}.`, {
          hint: 'Do not trust this input: its detector could not look at it.',
        })
      }
      ranks[d] = interpolatedRank(tables[d], score, sides[d])
    }
  }
  return ranks
}

/** With ranks of the tiers before it only. */
function inBand({ bands, combine: rule }: CalibrationRules, ranks: Float64Array, tier: number): boolean {
  const [low, high] = bands[tier - 1]
  const earlier = combineRun(rule, ranks)
  return earlier >= low && earlier <= high
}

/** Larger = stranger, as scores are. */
function statistic({ combine: rule }: CalibrationRules, ranks: Float64Array): number {
  return Math.fround(-combineRun(rule, ranks))
}

/** Of the detectors that ran. */
function combineRun(rule: Combination, ranks: Float64Array): number {
  return combine(rule, ranks.some(Number.isNaN) ? ranks.filter((value) => !Number.isNaN(value)) : ranks)
}

function refuse(what: string, wanted: string, got: unknown, hint?: string): never {
  throw new HardpackError('INVALID_ARGUMENT', `${what} expected ${wanted}, got ${got}.`, { hint })
}

function checkScores(scores: readonly ArrayLike<number>[]): number {
  const samples = scores[0].length
  const least = scores.length === 1 ? 1 : 2
  if (samples < least) refuse('A calibration', `at least ${least} samples`, samples)
  scores.forEach((column, d) => {
    if (column.length !== samples) refuse(`Calibration scores of detector ${d}`, `${samples} numbers`, column.length)
    for (let i = 0; i < samples; i++) {
      if (!Number.isFinite(Math.fround(column[i]))) {
        refuse(`Calibration scores of detector ${d}`, 'finite numbers', `${column[i]} for sample ${i}`)
      }
    }
  })
  return samples
}

/**
 * Checks a calibration that was stored.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for rules that do not fit together, and tables that are empty, do not ascend or
 *   hold anything but finite numbers.
 * @example
 * checkCalibration(restored)
 */
export function checkCalibration(calibration: Calibration): void {
  const { tables, combined } = calibration
  checkRules(calibration, tables.length)
  for (const table of tables.length === 1 ? tables : [...tables, combined]) {
    if (table.length === 0) refuse('A table of scores', 'at least one score', 0)
    const odd = table.findIndex((score, i) => !Number.isFinite(score) || score < table[i - 1])
    if (odd >= 0) refuse('A table of scores', 'finite numbers that ascend', `${table[odd]} at ${odd}`)
  }
}

function checkRules({ sides, tiers, bands, combine: combination }: CalibrationRules, detectors: number): void {
  if (detectors === 0) refuse('A calibration', 'at least one detector', 0)
  if (sides.length !== detectors) refuse('Sides', `one a detector (${detectors})`, sides.length)
  const side = sides.find((name) => name !== 'upper' && name !== 'both')
  if (side !== undefined) refuse('Sides', 'upper or both', side)
  if (combination !== 'simes' && combination !== 'cauchy') refuse('A combination', 'simes or cauchy', combination)
  if (tiers.length !== detectors) refuse('Tiers', `one a detector (${detectors})`, tiers.length)
  if (!tiers.includes(0)) refuse('Tiers', 'a detector that always runs (tier 0)', tiers.join(', '))
  const odd = tiers.find((tier) => !(Number.isSafeInteger(tier) && tier >= 0 && tier <= bands.length))
  if (odd !== undefined) {
    refuse('Tiers', `whole numbers from 0 to ${bands.length}`, odd, 'Give one band for every tier from 1 on.')
  }
  for (const [low, high] of bands) {
    if (!(low >= 0 && low <= high && high <= 1)) refuse('A band', 'two p-values, low ≤ high', `${low} and ${high}`)
  }
}
