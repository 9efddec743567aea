/** The calibrations of a package as the detectors room takes them, and the one that a target uses. */

import { type Calibration, type CalibrationRules, levelOf } from '../../../detectors/calibrate/calibration.ts'
import type { Combination } from '../../../detectors/calibrate/combine.ts'
import { acceptedScores } from '../../../detectors/calibrate/conformal.ts'
import type { GuardEntry, GuardPolicy } from '../../container/manifest.ts'
import { HardpackError } from '../../core/index.ts'

/** The scores of clean samples in a calibration, ascending. */
export interface CalibrationTables {
  /** One for each detector. */
  readonly tables: readonly Float32Array[]
  readonly combined: Float32Array
}

/** Which detectors run when, and how they are combined. */
export function rulesOf({
  detectors,
  tiers,
  policy,
}: Pick<GuardEntry, 'detectors' | 'tiers' | 'policy'>): CalibrationRules {
  return {
    sides: detectors.map(({ twoSided }) => (twoSided ? 'both' : 'upper')),
    tiers: detectors.map(({ tier }) => tier),
    bands: tiers.slice(1).map(({ low, high }) => [low, high]),
    combine: policy.combination as Combination,
  }
}

export interface Chosen {
  readonly calibration: Calibration
  /** Why it is not the target's own. */
  readonly degraded?: string
}

/**
 * The calibration of a target; that of the first target where it has none of its own.
 *
 * @throws HardpackError `INVALID_FORMAT` for a table that does not ascend.
 */
export function calibrationFor(entry: GuardEntry, tables: readonly CalibrationTables[], target: string): Chosen {
  const own = entry.calibrations.findIndex(({ targets }) => targets.includes(target))
  const chosen = tables[Math.max(own, 0)]
  for (const table of [...chosen.tables, chosen.combined]) checkAscending(table)
  const calibration = { ...rulesOf(entry), ...chosen }
  if (own >= 0) return { calibration }
  const others = entry.calibrations[0].targets.join(' and ')
  return {
    calibration,
    degraded: `The guard was calibrated on ${others}, not on ${target}: recalibrate it here.`,
  }
}

function checkAscending(table: Float32Array): void {
  let last = Number.NEGATIVE_INFINITY
  for (const score of table) {
    if (!(score >= last && score < Number.POSITIVE_INFINITY)) {
      throw new HardpackError(
        'INVALID_FORMAT',
        `A table of the guard expected finite scores that ascend, got ${score}.`,
        {
          hint: 'Pack the model again.',
        },
      )
    }
    last = score
  }
}

/** What a policy means on a calibration. */
export interface Levels {
  /** P-values of all detectors together up to which an input is flagged, and rejected. */
  readonly flag: number
  readonly reject: number
  /** Of each detector: the scores that it would not have flagged alone. */
  readonly accepted: readonly { readonly low: number; readonly high: number }[]
}

/**
 * The levels of a policy.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for a rate that the calibration cannot give.
 */
export function levelsOf(calibration: Calibration, { flag, reject, confidence }: GuardPolicy): Levels {
  const level = (rate: number): number => levelOf(calibration, rate, confidence || undefined).level
  const { tables, sides } = calibration
  const accepted = tables.map((table, i) => acceptedScores(table, largestRank(flag, table.length), sides[i]))
  return { flag: level(flag), reject: level(reject), accepted }
}

/** The largest k with k / (n + 1) ≤ α, compared as the p-values are: 0.29 · 100 is below 29. */
function largestRank(alpha: number, n: number): number {
  const rank = Math.round(alpha * (n + 1))
  return rank / (n + 1) <= alpha ? rank : rank - 1
}
