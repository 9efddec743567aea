/** Parity: does a target give the reference answers, how far is it from them, and how long does a run take. */

import type { Session, Target } from '../../targets/types.ts'
import { type CallOptions, HardpackError, messageOf, type Source } from '../core/index.ts'
import type { GoldenCase } from '../run/golden.ts'
import { type Attempt, start } from '../run/self-test.ts'
import { loadPackage } from './load.ts'
import { readOptions, type TrustOptions } from './trust.ts'

export interface TargetParity {
  readonly target: string
  readonly available: boolean
  /** Why it is not available or not within tolerance, or what is special about it. */
  readonly reason?: string
  readonly device?: string
  /** The level at which the target gave the golden outputs. */
  readonly optimization?: string
  /** Largest |target − reference| over all golden outputs; `null` where there is no answer to compare. */
  readonly maxAbsDiff: number | null
  readonly withinTolerance: boolean
  /** Median of a few runs of the first golden case, after warm-up; `null` where it did not run. */
  readonly latencyMs: number | null
}

const TIMED_RUNS = 7

/**
 * Measures each target on its own.
 *
 * @throws HardpackError as `open` does for the package itself; a target that fails is a row, not an error.
 * @example
 * await parity(bytesSource(bytes), [wasm(), webgpu()], { trust: 'unsigned' })
 */
export async function parity(
  source: Source,
  targets: readonly Target[],
  options: TrustOptions & CallOptions & { base?: Source } = {},
): Promise<TargetParity[]> {
  const { base, signal, onProgress } = options
  const { passes } = await loadPackage(source, readOptions(options), {
    signal,
    onProgress,
    base: base && (() => base),
  })
  const rows: TargetParity[] = []
  for (const target of targets) {
    const attempts: Attempt[] = []
    try {
      const { sessions, difference, device, optimization } = await start(passes, [target], attempts, options)
      const latencyMs = await medianRun(sessions[0], passes[0].golden[0], options.signal).finally(() =>
        Promise.all(sessions.map((session) => session.close())),
      )
      // Asked again: after a run a target may know more, such as why it has one thread.
      const { reason } = await target.probe({ signal: options.signal })
      const { maxAbsDiff } = difference
      rows.push({
        target: target.name,
        available: true,
        reason,
        device,
        optimization,
        maxAbsDiff,
        withinTolerance: true,
        latencyMs,
      })
    } catch (error) {
      if (error instanceof HardpackError && error.code === 'ABORTED') throw error
      rows.push(failed(target, attempts, error))
    }
  }
  return rows
}

async function medianRun(session: Session, { inputs }: GoldenCase, signal: AbortSignal | undefined): Promise<number> {
  const times: number[] = []
  for (let run = 0; run < TIMED_RUNS; run++) {
    const before = performance.now()
    await session.run(inputs, { signal })
    times.push(performance.now() - before)
  }
  return times.sort((a, b) => a - b)[TIMED_RUNS >> 1]
}

function failed(target: Target, attempts: readonly Attempt[], error: unknown): TargetParity {
  const wrong = attempts.findLast(({ outcome }) => outcome === 'wrong-answer')
  const last = wrong ?? attempts.at(-1)
  const maxAbsDiff = wrong && Number.isFinite(wrong.maxAbsDiff) ? (wrong.maxAbsDiff as number) : null
  return {
    target: target.name,
    available: last !== undefined && last.outcome !== 'unavailable',
    reason: last?.reason ?? messageOf(error),
    maxAbsDiff,
    withinTolerance: false,
    latencyMs: null,
  }
}
