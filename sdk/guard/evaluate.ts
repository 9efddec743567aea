/**
 * Evaluation of a guard: how often it cries wolf on clean inputs, as they are and under benign shifts, and what it finds of
 * inputs from elsewhere and of attacks. Pure: a guard is a function of a batch. The negatives are all clean inputs, those
 * that the model gets wrong included.
 */

import { betaBinomialBand, requiredSamples } from '../../detectors/calibrate/beta-band.ts'
import { auroc, clopperPearson, type Rate, type RocCurve, rocCurve, tnrAtTpr } from '../../detectors/metrics/index.ts'
import { type CallOptions, HardpackError } from '../core/index.ts'
import type { SampleSet } from '../pack/samples/sample-set.ts'
import { changedSamples, type PictureChange } from './changes.ts'
import {
  type Action,
  type AttackResult,
  type CleanResult,
  type CleanRow,
  COMBINED,
  type DetectionRow,
  type Evaluation,
  type Example,
  type Interval,
  type Measured,
  type SetResult,
  type SetSummary,
  type ShareAtAlpha,
  type ShiftResult,
} from './evaluation.ts'
import { histogramOf } from './histogram.ts'
import { type Column, type Judge, type Judged, judgeAll } from './judged.ts'

export interface EvaluatedSets {
  /** Inputs as the model is made for, that the guard was neither fitted nor calibrated on. */
  readonly clean: SampleSet
  /** Inputs from elsewhere, by name. */
  readonly ood?: Readonly<Record<string, SampleSet>>
  /** Inputs made to deceive, by the name of the attack; `tensorSamples` makes a set of a tensor. */
  readonly attacked?: Readonly<Record<string, SampleSet>>
  /** What attacks came to: `count` of `of` inputs. */
  readonly attacks?: readonly AttackOutcome[]
  /** Changes under which clean inputs ought to stay accepted. */
  readonly shifts?: readonly PictureChange[]
}

export type AttackOutcome = Pick<AttackResult, 'name' | 'aim' | 'count' | 'of'>

export interface EvaluateOptions extends CallOptions {
  /** The model's name, for the report. */
  readonly subject: string
  /** False-alarm rates to report at; 0.05 and 0.01 unless told. */
  readonly alphas?: readonly number[]
  /**
   * Samples in the calibration tables that p-values come from (half of all, where detectors are combined and calibrated once
   * more): gives the band in which false-alarm rates must lie.
   */
  readonly calibrated?: number
  /** Samples a batch; 64 unless told. */
  readonly batch?: number
  /** Examples a set; 10 unless told. */
  readonly examples?: number
  /** Of the shifts; 0 unless told. */
  readonly seed?: number
}

const ALPHAS = [0.05, 0.01]
const CONFIDENCE = 0.95
const BAND = 0.99
/** Few: p-values are multiples of 1/(n + 1), far apart on the logarithmic side that matters. */
const COMBINED_BINS = 12

/**
 * Evaluates a guard on sets of samples.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for an α outside (0, 1), a set without samples, two sets of one name, shifts of samples
 *   that are no pictures, and as `judgeAll` does; `ABORTED`; what the judge and the sets throw.
 * @example
 * const evaluation = await evaluateGuard(judge, { clean, ood: { digits }, shifts: SHIFTS }, { subject: 'fashion-cnn' })
 */
export async function evaluateGuard(
  judge: Judge,
  { clean, ood = {}, attacked = {}, attacks = [], shifts = [] }: EvaluatedSets,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { subject, alphas = ALPHAS, calibrated, batch = 64, examples = 10, seed = 0, signal, onProgress } = options
  checkAlphas(alphas)
  const others = [
    ...Object.entries(ood).map(([name, set]) => ({ name, set, kind: 'ood' as const })),
    ...Object.entries(attacked).map(([name, set]) => ({ name, set, kind: 'attack' as const })),
  ]
  checkSets(clean, others)
  const run = (set: SampleSet, name: string): Promise<Judged> =>
    judgeAll(judge, { ...set, name }, { batch, signal, onProgress })
  const normal = await run(clean, 'clean')
  const sets: SetResult[] = []
  for (const { name, set, kind } of others) {
    const judged = await run(set, name)
    sets.push({
      ...summaryOf(set, name, judged, examples),
      kind,
      rows: detectionRows(normal, judged, alphas),
      missed: strangest(judged, -1).slice(0, examples).map(exampleOf(set, judged)),
    })
  }
  const shifted: ShiftResult[] = []
  for (const shift of shifts) {
    const { combined } = await run(changedSamples(clean, shift, seed), shift.name)
    shifted.push({ name: shift.name, alarms: sharesOf(combined, alphas) })
  }
  return {
    version: 1,
    subject,
    detectors: normal.detectors.map(({ detector }) => detector),
    alphas,
    ...(calibrated === undefined ? {} : { calibrated }),
    clean: cleanResult(clean, normal, alphas, examples, calibrated),
    sets,
    attacks: attacks.map(({ count, of, ...outcome }) => {
      const { low, high } = clopperPearson(count, of, CONFIDENCE)
      return { ...outcome, count, of, share: count / of, low, high }
    }),
    shifts: shifted,
  }
}

function checkAlphas(alphas: readonly number[]): void {
  const odd = alphas.find((alpha) => !(alpha > 0 && alpha < 1))
  if (alphas.length > 0 && odd === undefined) return
  throw new HardpackError('INVALID_ARGUMENT', `Alphas expected numbers between 0 and 1, got ${odd ?? 'none'}.`)
}

function checkSets(clean: SampleSet, others: readonly { name: string; set: SampleSet }[]): void {
  const seen = new Set(['clean'])
  for (const { name, set } of [{ name: '', set: clean }, ...others]) {
    if (seen.has(name)) {
      throw new HardpackError('INVALID_ARGUMENT', `An evaluation expected each name once, got "${name}" twice.`, {
        hint: 'Give every set a name of its own; "clean" is taken.',
      })
    }
    seen.add(name)
    if (set.count > 0) continue
    throw new HardpackError('INVALID_ARGUMENT', `The set "${name || 'clean'}" expected samples, got none.`)
  }
}

const columnsOf = ({ combined, detectors }: Judged): Column[] => [combined, ...detectors]

/** The values of those inputs on which a detector ran. */
const only = (column: Column, values: Float64Array): Float64Array => values.filter((_, i) => !Number.isNaN(column.p[i]))

function sharesOf(column: Column, alphas: readonly number[]): ShareAtAlpha[] {
  return alphas.map((alpha) => {
    const count = column.p.reduce((sum, p) => sum + (p <= alpha ? 1 : 0), 0)
    const { ran } = column
    const { low, high } = ran > 0 ? clopperPearson(count, ran, CONFIDENCE) : { low: 0, high: 1 }
    return { alpha, count, of: ran, share: ran > 0 ? count / ran : 0, low, high }
  })
}

function cleanResult(
  set: SampleSet,
  judged: Judged,
  alphas: readonly number[],
  examples: number,
  calibrated?: number,
): CleanResult {
  const bandOf = (alpha: number, tested: number): { band?: Interval } => {
    if (calibrated === undefined || tested === 0 || calibrated < requiredSamples(alpha)) return {}
    const { low, high } = betaBinomialBand(calibrated, alpha, tested, BAND)
    return { band: { low, high } }
  }
  const rows = columnsOf(judged).map((column): CleanRow => {
    // A cascade runs a detector on a selection: no promise holds for its share there.
    const isWhole = column.ran === judged.count
    const alarms = sharesOf(column, alphas).map((share) => ({
      ...share,
      ...(isWhole ? bandOf(share.alpha, share.of) : {}),
    }))
    return { detector: column.detector, ran: column.ran, alarms }
  })
  return { ...summaryOf(set, 'clean', judged, examples), rows }
}

function detectionRows(normal: Judged, judged: Judged, alphas: readonly number[]): DetectionRow[] {
  return columnsOf(judged).map((column) => {
    const reference = columnsOf(normal).find(({ detector }) => detector === column.detector)
    const clean = reference ? only(reference, reference.scores) : new Float64Array(0)
    const other = only(column, column.scores)
    const row = {
      detector: column.detector,
      ran: column.ran,
      detected: sharesOf(column, alphas),
      histogram: histogramOf(clean, other, column.detector === COMBINED ? COMBINED_BINS : undefined),
    }
    if (reference?.ran !== normal.count || column.ran !== judged.count) return row
    return {
      ...row,
      auroc: areaOf(clean, other),
      tnrAtTpr95: measured(tnrAtTpr(clean, other)),
      roc: thinned(rocCurve(clean, other)),
    }
  })
}

function areaOf(clean: Float64Array, other: Float64Array): Measured {
  const { auroc: value, low, high } = auroc(clean, other)
  return { value, low, high }
}

const measured = ({ rate, low, high }: Rate): Measured => ({ value: rate, low, high })

/** Leaves out points that lie closer to the last one kept than a line is wide, in both scales that a chart may use. */
function thinned({ falseAlarms, detections }: RocCurve): [number, number][] {
  const kept: [number, number][] = []
  for (const [i, x] of falseAlarms.entries()) {
    const y = detections[i]
    const [lastX, lastY] = kept.at(-1) ?? [-1, -1]
    const isNear = x - lastX < 0.005 && y - lastY < 0.005 && x < lastX * 1.05
    if (!isNear || i === falseAlarms.length - 1) kept.push([x, y])
  }
  return kept
}

function summaryOf(set: SampleSet, name: string, judged: Judged, examples: number): SetSummary {
  const actions: Record<Action, number> = { accept: 0, flag: 0, reject: 0, indeterminate: 0 }
  for (const action of judged.actions) actions[action]++
  return {
    name,
    count: judged.count,
    actions,
    suspicious: strangest(judged, 1).slice(0, examples).map(exampleOf(set, judged)),
  }
}

/** Sample numbers, the strangest first (sign 1) or last (sign −1); ties by the product of all p-values. */
function strangest({ count, combined, detectors }: Judged, sign: 1 | -1): number[] {
  const evidence = Float64Array.from({ length: count }, (_, i) =>
    detectors.reduce((sum, { p }) => sum + (Number.isNaN(p[i]) ? 0 : Math.log(p[i])), 0),
  )
  const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -sign : sign)
  return Array.from({ length: count }, (_, i) => i).sort(
    (a, b) => compare(combined.p[a], combined.p[b]) || compare(evidence[a], evidence[b]) || a - b,
  )
}

function exampleOf(set: SampleSet, { actions, combined, detectors }: Judged): (index: number) => Example {
  return (index) => {
    let [detector, least] = [combined.detector, Number.POSITIVE_INFINITY]
    for (const column of detectors) {
      if (column.p[index] < least) [detector, least] = [column.detector, column.p[index]]
    }
    const label = set.labels && (set.classes?.[set.labels[index]] ?? `class ${set.labels[index]}`)
    const base = { index, name: set.names[index], p: combined.p[index], action: actions[index], detector }
    return label === undefined ? base : { ...base, label }
  }
}
