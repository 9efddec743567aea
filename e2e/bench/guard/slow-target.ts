/**
 * False alarms on a target that is too slow to run each guard by itself, as WebGPU is on a software adapter. Each pass runs once,
 * in the sessions that `open` would start there; from these scores guards are calibrated and judged as in a package.
 */

import { calibrate, judge } from '../../../detectors/calibrate/index.ts'
import { LOGITS_INPUT } from '../../../detectors/tier-names.ts'
import { bytesSource, type Tensor } from '../../../sdk/core/index.ts'
import { loadPackage } from '../../../sdk/open/load.ts'
import { readOptions } from '../../../sdk/open/trust.ts'
import { runSamples } from '../../../sdk/pack/guard/samples.ts'
import { rowsOf } from '../../../sdk/run/rows.ts'
import { start } from '../../../sdk/run/self-test.ts'
import type { Target } from '../../../targets/types.ts'
import { type GuardData, INPUT } from './data.ts'
import { type FalseAlarmRow, falseAlarms } from './false-alarms.ts'

/** A guard, by the names of its detectors. */
export interface Part {
  readonly guard: string
  readonly detectors: readonly string[]
}

export interface PassSpeed {
  readonly pass: string
  readonly images: number
  readonly imagesPerSecond: number
}

/**
 * Runs the passes of a package and counts the false alarms of each part.
 *
 * @param bytes a package whose guard has all detectors of the parts
 */
export async function slowFalseAlarms(
  target: Target,
  bytes: Uint8Array,
  sets: Pick<GuardData, 'calibrate' | 'held'>,
  parts: readonly Part[],
  note: (what: string) => void,
): Promise<{ alarms: FalseAlarmRow[]; speeds: PassSpeed[] }> {
  const { manifest, passes } = await loadPackage(bytesSource(bytes), readOptions({ trust: 'unsigned' }), {})
  const { detectors = [], logits = '' } = manifest.guard ?? {}
  const { sessions } = await start(passes, [target], [])
  const scores = { calibrate: new Map<string, Float32Array>(), held: new Map<string, Float32Array>() }
  const speeds: PassSpeed[] = []
  try {
    const answers: Partial<Record<'calibrate' | 'held', Tensor>> = {}
    for (const [tier, session] of sessions.entries()) {
      const own = detectors.filter((detector) => detector.tier === tier)
      const started = performance.now()
      let images = 0
      for (const which of ['calibrate', 'held'] as const) {
        const { count } = sets[which]
        note(`pass ${passes[tier].name} on ${target.name}: ${count} images to ${which}`)
        const indices = Array.from({ length: count }, (_, i) => i)
        const outputs = [...own.map(({ score }) => score), ...(tier === 0 ? [logits] : [])]
        const feeds = (positions: readonly number[]): Record<string, Tensor> => {
          const answered = answers[which]
          return answered ? { [LOGITS_INPUT]: rowsOf(answered, positions) } : {}
        }
        const rows = await runSamples(session, INPUT.name, sets[which], indices, outputs, { stage: '', feeds })
        for (const { name, score } of own) scores[which].set(name, rows[score].data)
        if (tier === 0) {
          answers[which] = { dtype: 'float32', shape: [count, rows[logits].columns], data: rows[logits].data }
        }
        images += count
      }
      speeds.push({
        pass: passes[tier].name,
        images,
        imagesPerSecond: (1e3 * images) / (performance.now() - started),
      })
    }
  } finally {
    for (const session of sessions) await session.close()
  }
  const alarms = parts.flatMap(({ guard, detectors: names }) => {
    const chosen = detectors.filter(({ name }) => names.includes(name))
    const columns = (which: 'calibrate' | 'held'): Float32Array[] =>
      chosen.map(({ name }) => scores[which].get(name) ?? new Float32Array())
    const calibration = calibrate(columns('calibrate'), {
      sides: chosen.map(({ twoSided }) => (twoSided ? 'both' : 'upper')),
      combine: manifest.guard?.policy.combination === 'cauchy' ? 'cauchy' : 'simes',
    })
    const tested = columns('held')
    const judged = Array.from({ length: sets.held.count }, (_, i) =>
      judge(
        calibration,
        tested.map((column) => column[i]),
      ),
    )
    const guarded = {
      p: Float64Array.from(judged, ({ p }) => p),
      detectors: chosen.map((detector, d) => ({
        ...detector,
        p: Float64Array.from(judged, ({ perDetector }) => perDetector[d]),
      })),
    }
    return falseAlarms(target.name, guard, calibration.combined.length, guarded)
  })
  return { alarms, speeds }
}
