/** Calibration at pack time: on each target, the scores of clean samples through the session that `open` would choose there. */

import { calibrate } from '../../../detectors/calibrate/calibration.ts'
import { LOGITS_INPUT } from '../../../detectors/tier-names.ts'
import type { Target } from '../../../targets/types.ts'
import type { CallOptions, Tensor } from '../../core/index.ts'
import { type CalibrationTables, rulesOf } from '../../run/guard/calibrated.ts'
import { feedsOfRoom } from '../../run/guard/room.ts'
import { rowsOf } from '../../run/rows.ts'
import { type Attempt, start } from '../../run/self-test.ts'
import { feedsOf, type Reference } from '../reference.ts'
import type { Fitted } from './fit.ts'
import { runSamples, type Samples } from './samples.ts'

/** The tables of some targets. */
export interface GuardTables extends CalibrationTables {
  readonly targets: readonly string[]
}

export interface TestedGuard extends Fitted {
  readonly references: readonly Reference[]
}

/**
 * Calibrates a guard on each of some targets. Targets whose tables are the same share one.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for too few samples; `SELF_TEST_FAILED`, `TARGET_UNAVAILABLE` where a target
 *   cannot run the graphs; `ABORTED`.
 */
export async function calibrateGuard(
  guard: TestedGuard,
  samples: Samples,
  targets: readonly Target[],
  options: CallOptions,
): Promise<GuardTables[]> {
  const calibrations: GuardTables[] = []
  for (const target of targets) {
    const scores = await scoresOn(target, guard, samples, options)
    const { tables, combined } = calibrate(scores, rulesOf(guard.entry))
    const same = calibrations.findIndex((other) => sameTables(other, { tables, combined }))
    if (same < 0) calibrations.push({ targets: [target.name], tables, combined })
    else calibrations[same] = { ...calibrations[same], targets: [...calibrations[same].targets, target.name] }
  }
  return calibrations
}

/** One list for each detector, a score for each sample. */
async function scoresOn(
  target: Target,
  { graphs, references, entry, room }: TestedGuard,
  samples: Samples,
  options: CallOptions,
): Promise<Float32Array[]> {
  const passes = graphs.map(({ name, file }, i) => ({
    name,
    runnable: { model: file },
    golden: references[i].cases.map(({ trial, outputs }) => ({ inputs: feedsOf(trial), outputs })),
  }))
  const attempts: Attempt[] = []
  const { sessions } = await start(passes, [target], attempts, options)
  try {
    const indices = Array.from({ length: samples.count }, (_, i) => i)
    const scores: Float32Array[] = entry.detectors.map(() => new Float32Array())
    const [input] = graphs[0].inputs
    const own = room ? feedsOfRoom(room.detector, room.room) : {}
    let logits: Tensor = { dtype: 'float32', shape: [0, 0], data: new Float32Array() }
    for (const [tier, session] of sessions.entries()) {
      const wanted = entry.detectors.flatMap((detector) => (detector.tier === tier ? [detector.score] : []))
      const names = tier === 0 ? [...wanted, entry.logits] : wanted
      const rows = await runSamples(session, input.name, samples, indices, names, {
        ...options,
        stage: `calibrate on ${target.name}, pass ${tier + 1} of ${sessions.length}`,
        feeds: (positions) => (tier === 0 ? own : { [LOGITS_INPUT]: rowsOf(logits, positions) }),
      })
      if (tier === 0) {
        const { columns, data } = rows[entry.logits]
        logits = { dtype: 'float32', shape: [samples.count, columns], data }
      }
      for (const [index, detector] of entry.detectors.entries()) {
        if (detector.tier === tier) scores[index] = rows[detector.score].data
      }
    }
    return scores
  } finally {
    for (const session of sessions) await session.close()
  }
}

function sameTables(a: CalibrationTables, b: CalibrationTables): boolean {
  const equal = (x: Float32Array, y: Float32Array): boolean =>
    x.length === y.length && x.every((value, i) => value === y[i])
  return equal(a.combined, b.combined) && a.tables.every((table, i) => equal(table, b.tables[i]))
}
