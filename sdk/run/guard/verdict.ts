/** What the guard says of one input. */

/** From good to bad; `indeterminate` where there is no honest answer. */
export type Action = 'accept' | 'flag' | 'reject' | 'indeterminate'

/** One detector's view of an input. */
export interface Reason {
  readonly detector: string
  /** Larger is stranger. */
  readonly score: number
  /** The share of clean samples that are at least as strange. */
  readonly p: number
  /** The score from which on this detector alone would have flagged. */
  readonly threshold: number
}

export interface Verdict {
  readonly action: Action
  /** The p-value of all detectors together: of clean inputs, at most this share is as strange. NaN where it is indeterminate. */
  readonly p: number
  /** The rate of clean inputs that is flagged. */
  readonly alpha: number
  /** The detectors that ran, the strangest first. */
  readonly reasons: readonly Reason[]
  /** True where the outputs of this input are withheld. */
  readonly withheld: boolean
  /** Why the verdict is worth less than it should be; one sentence. */
  readonly degraded?: string
}

/** How grave each action is. */
export const SEVERITY: Readonly<Record<Action, number>> = { accept: 0, flag: 1, reject: 2, indeterminate: 3 }

/** The verdict that matters most. */
export function gravest(verdicts: readonly Verdict[]): Verdict {
  return verdicts.reduce((a, b) => {
    if (SEVERITY[b.action] !== SEVERITY[a.action]) return SEVERITY[b.action] > SEVERITY[a.action] ? b : a
    return b.p < a.p ? b : a
  })
}
