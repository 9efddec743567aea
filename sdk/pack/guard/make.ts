/**
 * The guard of a package: fitted on some clean samples, tested as the model is, and calibrated on other clean samples, on each
 * target through the very session that `open` would choose there.
 */

import type { Target } from '../../../targets/types.ts'
import type { GuardEntry, GuardPolicy } from '../../container/manifest.ts'
import type { CallOptions } from '../../core/index.ts'
import type { Model } from '../../onnx/index.ts'
import type { GraphFile } from '../graphs.ts'
import type { Reference, ReferenceOptions } from '../reference.ts'
import { calibrateGuard, type GuardTables } from './calibrate.ts'
import type { DetectorChoice } from './choice.ts'
import { guardReferences } from './entry.ts'
import { fitGuard } from './fit.ts'
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

export interface Guard {
  /** One for each tier. */
  readonly graphs: readonly GraphFile[]
  readonly references: readonly Reference[]
  readonly entry: Omit<GuardEntry, 'calibrations'>
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
  const targets = options.targets ?? [referenceOptions.reference, referenceOptions.second]
  const { graphs, entry } = await fitGuard(main, model, options, referenceOptions.reference, call)
  const references = await guardReferences(graphs, reference, referenceOptions)
  const calibrations = await calibrateGuard({ graphs, entry, references }, options.calibrate, targets, call)
  return { graphs, references, entry, calibrations }
}
