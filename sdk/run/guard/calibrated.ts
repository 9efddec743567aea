/** The calibrations of a package as the detectors room takes them, and the one that a target uses. */

import type { Calibration, CalibrationRules } from '../../../detectors/calibrate/calibration.ts'
import type { Combination } from '../../../detectors/calibrate/combine.ts'
import type { GuardEntry } from '../../container/manifest.ts'
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
