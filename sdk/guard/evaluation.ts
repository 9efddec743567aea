/**
 * What an evaluation of a guard says, as plain JSON: the report, the terminal and `--json` all read this. Every share comes
 * with its count and its interval; nothing here is a verdict on the guard.
 */

import type { Action } from '../run/guard/verdict.ts'

export type { Action }

/** The name under which the guard as a whole stands beside its detectors. */
export const COMBINED = 'combined'

/** A 95 % confidence interval. */
export interface Interval {
  readonly low: number
  readonly high: number
}

/** A share of inputs with its interval of Clopper and Pearson. */
export interface Share extends Interval {
  readonly count: number
  readonly of: number
  readonly share: number
}

export interface Measured extends Interval {
  readonly value: number
}

/** The share of inputs with p ≤ α; an input without a verdict counts, since its outputs are withheld. */
export interface ShareAtAlpha extends Share {
  readonly alpha: number
}

export interface FalseAlarms extends ShareAtAlpha {
  /**
   * Where the share of a guard that keeps its promise lies in 99 of 100 cases, over calibration sets and test sets of these
   * sizes; not there where the size of the calibration set is not known or too small for this α.
   */
  readonly band?: Interval
}

/** Counts of two sets in the same bins; values beyond the outer edges count in the outer bins. */
export interface Histogram {
  /** One more than there are bins. */
  readonly edges: readonly number[]
  readonly clean: readonly number[]
  readonly other: readonly number[]
}

export interface CleanRow {
  /** A detector, or `combined`. */
  readonly detector: string
  /** On how many inputs it ran: a cascade skips detectors. Shares are of these. */
  readonly ran: number
  /** One for each α. */
  readonly alarms: readonly FalseAlarms[]
}

export interface DetectionRow {
  readonly detector: string
  readonly ran: number
  /** Chance that an input of this set looks stranger than a clean one; left out where the detector skipped inputs. */
  readonly auroc?: Measured
  /** Share of the set that is found when 95 % of the clean inputs pass; left out as `auroc`. */
  readonly tnrAtTpr95?: Measured
  readonly detected: readonly ShareAtAlpha[]
  /** False-alarm rate and detected share, from (0, 0) to (1, 1), thinned. */
  readonly roc?: readonly (readonly [number, number])[]
  /** Of scores; for `combined`, of −log₁₀ p. */
  readonly histogram: Histogram
}

/** An input that stands out, to be looked at. */
export interface Example {
  readonly index: number
  readonly name: string
  /** Its class, where that is known. */
  readonly label?: string
  readonly p: number
  readonly action: Action
  /** The detector with the smallest p-value. */
  readonly detector: string
}

export interface SetSummary {
  readonly name: string
  readonly count: number
  readonly actions: Readonly<Record<Action, number>>
  /** Smallest p first. */
  readonly suspicious: readonly Example[]
}

export interface CleanResult extends SetSummary {
  readonly rows: readonly CleanRow[]
}

export interface SetResult extends SetSummary {
  readonly kind: 'ood' | 'attack'
  readonly rows: readonly DetectionRow[]
  /** The inputs that looked most normal: largest p first. */
  readonly missed: readonly Example[]
}

/** What an attack came to, whether or not the guard saw it. Its set holds the inputs on which it succeeded. */
export interface AttackResult extends Share {
  readonly name: string
  /** What `count` counts, as it continues a sentence: `led the model astray`. */
  readonly aim: string
}

export interface ShiftResult {
  readonly name: string
  /** False alarms of the guard as a whole under this shift, one for each α. */
  readonly alarms: readonly ShareAtAlpha[]
}

export interface Evaluation {
  readonly version: 1
  /** What was evaluated: the model's name. */
  readonly subject: string
  /** Without `combined`. */
  readonly detectors: readonly string[]
  readonly alphas: readonly number[]
  /** Samples in the tables that p-values come from, where that is known. */
  readonly calibrated?: number
  readonly clean: CleanResult
  readonly sets: readonly SetResult[]
  /** How often attacks succeeded, of the clean inputs that were attacked. */
  readonly attacks: readonly AttackResult[]
  readonly shifts: readonly ShiftResult[]
}
