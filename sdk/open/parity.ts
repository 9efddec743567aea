/** Parity: does a target give the reference answers, how far is it from them, and how long does a run take. */

import { bestDecoder } from '../../compress/decode.ts'
import type { Target } from '../../targets/types.ts'
import { readPackage } from '../container/read.ts'
import { type CallOptions, HardpackError, messageOf, type Source } from '../core/index.ts'
import { type Attempt, start } from '../run/self-test.ts'
import { decodeChunks, goldenCases, mainGraph, runnableGraph } from './load.ts'
import { readOptions, type TrustOptions } from './open.ts'

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
  options: TrustOptions & CallOptions = {},
): Promise<TargetParity[]> {
  const opened = await readPackage(source, readOptions(options))
  const arena = await decodeChunks(source, opened, await bestDecoder(), options)
  const graph = runnableGraph(arena, mainGraph(opened.manifest))
  const golden = goldenCases(arena, opened.manifest, 0)
  const rows: TargetParity[] = []
  for (const target of targets) {
    const attempts: Attempt[] = []
    try {
      const { session, difference, device, optimization } = await start(graph, golden, [target], attempts, options)
      const { reason } = await target.probe({ signal: options.signal })
      const times: number[] = []
      for (let run = 0; run < TIMED_RUNS; run++) {
        const before = performance.now()
        await session.run(golden[0].inputs, { signal: options.signal })
        times.push(performance.now() - before)
      }
      await session.close()
      const latencyMs = times.sort((a, b) => a - b)[TIMED_RUNS >> 1]
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
