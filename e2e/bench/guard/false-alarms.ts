/**
 * How often the guard cries wolf: the share of clean test images that it was not calibrated on with p ≤ α, for each detector
 * and for the guard as a whole, on each target.
 */

import { betaBand, betaBinomialBand, levelFor } from '../../../detectors/calibrate/index.ts'
import type { SampleSet } from '../../../sdk/pack/samples/index.ts'
import type { Target } from '../../../targets/types.ts'
import { openGuarded, scoreSet } from './packages.ts'

export const ALPHAS = [0.05, 0.01]
const BAND = 0.99

export interface FalseAlarmRow {
  readonly target: string
  /** Which guard: `default guard` or `all detectors`. */
  readonly guard: string
  readonly detector: string
  readonly alpha: number
  /** Clean images behind each p-value. */
  readonly calibrated: number
  /** Other clean images, and the share of them with an alarm. */
  readonly images: number
  readonly rate: number
  /** Where the rate of 99 in 100 calibration sets lies on endless clean images (Beta), and on as many as these (Beta-binomial). */
  readonly beta: readonly [number, number]
  readonly betaBinomial: readonly [number, number]
}

export const isInside = ({ rate, beta }: FalseAlarmRow): boolean => rate >= beta[0] && rate <= beta[1]
export const isInsideWider = ({ rate, betaBinomial }: FalseAlarmRow): boolean =>
  rate >= betaBinomial[0] && rate <= betaBinomial[1]

/** P-values of clean images: of the guard as a whole, and of each detector. */
export interface JudgedImages {
  readonly p: Float64Array
  readonly detectors: readonly { readonly name: string; readonly twoSided: boolean; readonly p: Float64Array }[]
}

/** Runs the held-out images on one target. */
export async function falseAlarmsOn(
  target: Target,
  bytes: Uint8Array,
  held: SampleSet,
  guard: string,
): Promise<FalseAlarmRow[]> {
  const model = await openGuarded(bytes, target)
  try {
    const { samples = 0, detectors = [] } = model.report().guard ?? {}
    const scored = await scoreSet(model, held)
    return falseAlarms(target.name, guard, samples, {
      p: scored.p,
      detectors: detectors.map(({ name, kind }) => ({
        name,
        twoSided: kind === 'energy',
        p: scored.detectors[name].p,
      })),
    })
  } finally {
    await model.close()
  }
}

/**
 * One row for the guard as a whole and for each detector, at each α.
 *
 * @param samples clean images behind each p-value
 */
export function falseAlarms(
  target: string,
  guard: string,
  samples: number,
  { p, detectors }: JudgedImages,
): FalseAlarmRow[] {
  return [{ name: 'guard as a whole', twoSided: false, p }, ...detectors].flatMap((column) =>
    ALPHAS.map((alpha) => ({
      target,
      guard,
      detector: column.name,
      ...rateOf(column.p, alpha, samples, column.twoSided ? 'both' : 'upper'),
    })),
  )
}

function rateOf(
  p: Float64Array,
  alpha: number,
  samples: number,
  side: 'both' | 'upper',
): Omit<FalseAlarmRow, 'target' | 'guard' | 'detector'> {
  const { level } = levelFor(samples, alpha, { side })
  const beta = betaBand(samples, alpha, BAND, { side })
  const wider = betaBinomialBand(samples, alpha, p.length, BAND, { side })
  return {
    alpha,
    calibrated: samples,
    images: p.length,
    rate: p.filter((value) => value <= level).length / p.length,
    beta: [beta.low, beta.high],
    betaBinomial: [wider.low, wider.high],
  }
}
