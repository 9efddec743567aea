/**
 * The guard of a package: fitted on some clean samples, tested as the model is, and calibrated on other clean samples, on each
 * target through the very session that `open` would choose there.
 */

import type { Target } from '../../../targets/types.ts'
import type { GuardPolicy } from '../../container/manifest.ts'
import { MAX_ROOM } from '../../container/validate-guard.ts'
import { type CallOptions, HardpackError } from '../../core/index.ts'
import type { Model } from '../../onnx/index.ts'
import { rulesOf } from '../../run/guard/calibrated.ts'
import type { GraphFile } from '../graphs.ts'
import type { Reference, ReferenceOptions } from '../reference.ts'
import { calibrateGuard, type GuardTables, type TestedGuard } from './calibrate.ts'
import { DEFAULT_DETECTORS, type DetectorChoice } from './choice.ts'
import { guardReferences } from './entry.ts'
import { fitGuard } from './fit.ts'
import { checkSamples, policyOf } from './policy.ts'
import type { Samples } from './samples.ts'

export interface GuardOptions {
  /** Clean samples on which detectors are fitted. Labels, where they have some, name the classes. */
  fit: Samples
  /** Other clean samples, which say what scores mean. */
  calibrate: Samples
  /** Default: max-softmax and Mahalanobis. */
  detectors?: readonly DetectorChoice[]
  /** The output with one number a class; default: the first that looks like it. */
  logits?: string
  /** Values of the graph whose features detectors look at; default: one a stage, and the last. */
  taps?: readonly string[]
  policy?: Partial<GuardPolicy>
  /** How many classes a device may add; default: none. */
  room?: number
  /** Costly detectors run where the p-value of the others lies in this band; default: always. */
  band?: readonly [low: number, high: number]
  /** The targets that scores are calibrated on; default: those of the reference. */
  targets?: readonly Target[]
  /** For detectors that draw random numbers; default 1. */
  seed?: number
}

export interface Guard extends TestedGuard {
  readonly calibrations: readonly GuardTables[]
}

/**
 * Makes a guard.
 *
 * @param main the model's file, with its inputs and outputs
 * @param reference of the model without a guard
 * @throws HardpackError `INVALID_ARGUMENT` for samples or options that do not fit; `UNSUPPORTED_MODEL` for a model that cannot
 *   have the detectors that are asked for; and as `takeReference` does.
 */
export async function makeGuard(
  main: GraphFile,
  model: Model,
  options: GuardOptions,
  reference: Reference,
  referenceOptions: ReferenceOptions,
): Promise<Guard> {
  const { signal, onProgress } = referenceOptions
  const call: CallOptions = { signal, onProgress }
  const policy = policyOf(options.policy)
  const { detectors = DEFAULT_DETECTORS, band = [0, 1], room = 0, calibrate, fit } = options
  if (!(band[0] >= 0 && band[0] < band[1] && band[1] <= 1))
    throw refused('a band of two p-values from 0 to 1', `${band}`)
  if (!(Number.isSafeInteger(room) && room >= 0 && room <= MAX_ROOM))
    throw refused(`room for 0 to ${MAX_ROOM} classes`, `${room}`)
  if (fit.count === 0 || calibrate.count === 0) throw refused('samples to fit on and others to calibrate on', 'none')
  checkSamples(
    calibrate.count,
    detectors.map(({ kind }) => (kind === 'energy' ? 'both' : 'upper')),
    policy,
  )
  const targets = options.targets ?? [referenceOptions.reference, referenceOptions.second]
  const fitted = await fitGuard(main, model, { ...options, policy }, referenceOptions.reference, call)
  // One choice may become several detectors, which takes more samples.
  checkSamples(calibrate.count, rulesOf(fitted.entry).sides, policy)
  const references = await guardReferences(fitted.graphs, reference, referenceOptions)
  const tested = { ...fitted, references }
  return { ...tested, calibrations: await calibrateGuard(tested, calibrate, targets, call) }
}

function refused(expected: string, got: string): HardpackError {
  return new HardpackError('INVALID_ARGUMENT', `A guard expected ${expected}, got ${got}.`)
}
