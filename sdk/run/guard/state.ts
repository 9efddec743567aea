/** What a device has learned, as plain data: it comes back from wherever the app kept it, so it is checked like any file. */

import { type Calibration, type CalibrationRules, checkCalibration } from '../../../detectors/calibrate/calibration.ts'
import { importMonitor, type Monitor } from '../../../detectors/monitor.ts'
import { HardpackError } from '../../core/index.ts'
import type { LearnedState } from './learning.ts'

/** What a device has learned; plain data, for `JSON.stringify`. */
export interface GuardState {
  /** The package and the target that it belongs to. */
  readonly manifest: string
  readonly target: string
  readonly flag: number
  readonly tables: readonly (readonly number[])[]
  readonly combined: readonly number[]
  readonly monitor: Monitor
  /** True when the tables are of this device. */
  readonly recalibrated: boolean
  /** Why verdicts are worth less, where they are. */
  readonly degraded?: string
  /** The detector with the classes that were added. */
  readonly learned?: LearnedState
}

/** The tables and the monitor of a state. */
export interface RestoredState {
  readonly calibration: Calibration
  readonly monitor: Monitor
}

/**
 * Checks a state.
 *
 * @param owner the package and the target that it has to belong to
 * @throws HardpackError `INVALID_ARGUMENT` for the state of another package or target, or one that is none.
 */
export function restore(
  state: GuardState,
  owner: Pick<GuardState, 'manifest' | 'target'>,
  rules: CalibrationRules,
): RestoredState {
  const { manifest, target, flag, tables, combined, monitor, recalibrated, degraded } = Object(state) as GuardState
  if (manifest !== owner.manifest || target !== owner.target) {
    throw refused(`what was learned by this package on ${owner.target}`, 'that of another package or target')
  }
  if (!Array.isArray(tables) || tables.length !== rules.sides.length) {
    throw refused(`${rules.sides.length} tables`, Array.isArray(tables) ? `${tables.length}` : 'none')
  }
  if (!Number.isFinite(flag)) throw refused('a rate to flag', `${flag}`)
  if (typeof recalibrated !== 'boolean') throw refused('to know whether it was recalibrated', `${recalibrated}`)
  if (!['undefined', 'string'].includes(typeof degraded)) throw refused('a sentence', `${degraded}`)
  const calibration = { ...rules, tables: tables.map(floats), combined: floats(combined) }
  checkCalibration(calibration)
  return { calibration, monitor: importMonitor(monitor) }
}

/** Numbers as float32; what is none becomes NaN, which no check lets through. */
export function floats(list: unknown): Float32Array {
  if (!Array.isArray(list)) throw refused('lists of numbers', `${list}`)
  return Float32Array.from(list, (value) => (typeof value === 'number' ? value : Number.NaN))
}

export function refused(expected: string, got: string): HardpackError {
  return new HardpackError('INVALID_ARGUMENT', `The state of a guard expected ${expected}, got ${got}.`, {
    hint: 'Recalibrate.',
  })
}
