/** Everything a guard said about a set of samples, as columns of numbers. */

import { type CallOptions, HardpackError, type Tensor, throwIfAborted } from '../core/index.ts'
import type { SampleSet } from '../pack/samples/sample-set.ts'
import { type Action, COMBINED } from './evaluation.ts'

export interface Reason {
  readonly detector: string
  /** Higher is stranger. */
  readonly score: number
  readonly p: number
}

export interface Judgement {
  readonly action: Action
  /** Of the guard as a whole; small is strange. */
  readonly p: number
  /** One for each detector that ran. */
  readonly reasons: readonly Reason[]
}

/** A guard: judgements of the samples of a batch, in order. */
export type Judge = (batch: Tensor) => Promise<readonly Judgement[]>

/** One detector's column: NaN where it did not run. */
export interface Column {
  readonly detector: string
  readonly scores: Float64Array
  readonly p: Float64Array
  readonly ran: number
}

export interface Judged {
  readonly count: number
  readonly actions: readonly Action[]
  /** Of the guard as a whole: its p-values, and −log₁₀ of them as scores. */
  readonly combined: Column
  readonly detectors: readonly Column[]
}

export interface JudgeOptions extends CallOptions {
  /** Samples a batch. */
  readonly batch: number
}

/**
 * Has a whole set judged, a batch at a time. What a guard cannot judge (a NaN as p or as score) is as strange as can be:
 * p 0, score infinite.
 *
 * @throws HardpackError `ABORTED`; `INVALID_ARGUMENT` when the judge gives another number of judgements than there are
 *   samples, or a p outside [0, 1].
 */
export async function judgeAll(
  judge: Judge,
  set: SampleSet,
  { batch, signal, onProgress }: JudgeOptions,
): Promise<Judged> {
  const { count } = set
  const actions: Action[] = []
  const whole = emptyColumn(count)
  const columns = new Map<string, OpenColumn>()
  const columnOf = (detector: string): OpenColumn => {
    const column = columns.get(detector) ?? emptyColumn(count)
    columns.set(detector, column)
    return column
  }
  for (let start = 0; start < count; start += batch) {
    throwIfAborted(signal)
    const indices = Array.from({ length: Math.min(batch, count - start) }, (_, i) => start + i)
    const judgements = await judge(await set.batch(indices))
    if (judgements.length !== indices.length) {
      throw new HardpackError(
        'INVALID_ARGUMENT',
        `A judge expected to give ${indices.length} judgements, got ${judgements.length}.`,
      )
    }
    for (const [row, { action, p, reasons }] of judgements.entries()) {
      const index = start + row
      actions.push(action)
      const strict = checkedP(p)
      put(whole, index, strict, -Math.log10(strict))
      for (const reason of reasons) {
        const score = Number.isNaN(reason.score) ? Number.POSITIVE_INFINITY : reason.score
        put(columnOf(reason.detector), index, checkedP(reason.p), score)
      }
    }
    onProgress?.({ stage: `judge ${set.name}`, done: start + indices.length, total: count })
  }
  return {
    count,
    actions,
    combined: { detector: COMBINED, ...whole },
    detectors: [...columns].map(([detector, found]) => ({ detector, ...found })),
  }
}

interface OpenColumn {
  readonly scores: Float64Array
  readonly p: Float64Array
  ran: number
}

function emptyColumn(count: number): OpenColumn {
  return { scores: new Float64Array(count).fill(Number.NaN), p: new Float64Array(count).fill(Number.NaN), ran: 0 }
}

function put(column: OpenColumn, index: number, p: number, score: number): void {
  column.p[index] = p
  column.scores[index] = score
  column.ran++
}

function checkedP(p: number): number {
  if (Number.isNaN(p)) return 0
  if (p >= 0 && p <= 1) return p
  throw new HardpackError('INVALID_ARGUMENT', `A judge expected p between 0 and 1, got ${p}.`)
}
