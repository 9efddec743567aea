/**
 * The self-test: run the golden inputs here and compare with the reference before anyone relies on an answer. A runtime
 * may rewrite a graph for speed and get it wrong on one processor (an int8 keyword spotter falls from 92 % to 10 % at
 * onnxruntime's default level on AVX2), so the level starts at the fastest and steps down until the answers agree.
 */

import {
  type Graph,
  OPTIMIZATION_LEVELS,
  type OptimizationLevel,
  type Session,
  type Target,
} from '../../targets/types.ts'
import { type CallOptions, type ErrorCode, HardpackError, messageOf, throwIfAborted } from '../core/index.ts'
import { agrees, compare, type GoldenCase, type GoldenDifference, worst } from './golden.ts'

/** One try at one target and level, in the order in which they were made. */
export interface Attempt {
  readonly target: string
  /** The graph, where it is not the one that runs the model: a further pass of the guard. */
  readonly graph?: string
  readonly optimization?: OptimizationLevel
  readonly outcome: 'accepted' | 'wrong-answer' | 'failed' | 'unavailable'
  /** The code of the error, where it failed. */
  readonly code?: ErrorCode
  /** Why it was not accepted, or what is special about the device; one sentence. */
  readonly reason?: string
  readonly maxAbsDiff?: number
  readonly tolerance?: number
}

/** A graph to start, with what it is tested by. The first of a package runs the model; a guard may have more. */
export interface Pass {
  readonly name: string
  readonly runnable: Graph
  readonly golden: readonly GoldenCase[]
}

export interface Started {
  /** One for each pass. */
  readonly sessions: readonly Session[]
  readonly target: Target
  /** Of the first pass. */
  readonly optimization: OptimizationLevel
  readonly device: string | undefined
  /** The one that matters most, of all passes. */
  readonly difference: GoldenDifference
}

/** Runs every golden case on a session. Differences of all outputs of all cases. */
export async function selfTest(
  session: Session,
  golden: readonly GoldenCase[],
  signal?: AbortSignal,
): Promise<GoldenDifference[]> {
  const differences: GoldenDifference[] = []
  for (const testCase of golden) {
    differences.push(...compare(testCase, await session.run(testCase.inputs, { signal })))
  }
  return differences
}

/** Failures that a lower level may not have: an optimiser can also make a graph that does not load or run. */
const GRAPH_ERRORS: ReadonlySet<ErrorCode> = new Set(['UNSUPPORTED_MODEL', 'TARGET_FAILED'])

/**
 * Starts all passes on the first target that gives their golden outputs, each at the fastest level that does. Every try is
 * pushed to `attempts`, so that a report can be made even when this throws.
 *
 * @throws HardpackError `SELF_TEST_FAILED` when a target ran but none gave the golden outputs, `TARGET_UNAVAILABLE`
 *   when none ran at all, `ABORTED`.
 */
export async function start(
  passes: readonly Pass[],
  targets: readonly Target[],
  attempts: Attempt[],
  options: CallOptions = {},
): Promise<Started> {
  for (const target of targets) {
    throwIfAborted(options.signal)
    const probe = await target.probe({ signal: options.signal })
    if (!probe.available) {
      attempts.push({ target: target.name, outcome: 'unavailable', reason: probe.reason })
      continue
    }
    const started: StartedPass[] = []
    try {
      for (const [index, pass] of passes.entries()) {
        const tried: Attempt[] = []
        const result = await startPass(pass, target, tried, options)
        attempts.push(...tried.map((attempt) => (index > 0 ? { ...attempt, graph: pass.name } : attempt)))
        if (!result) break
        started.push(result)
      }
    } catch (error) {
      for (const { session } of started) await discard(session)
      throw error
    }
    if (started.length === passes.length) {
      return {
        sessions: started.map(({ session }) => session),
        target,
        optimization: started[0].optimization,
        device: probe.device,
        difference: worst(started.map(({ difference }) => difference)),
      }
    }
    for (const { session } of started) await discard(session)
  }
  throw failure(attempts)
}

interface StartedPass {
  readonly session: Session
  readonly optimization: OptimizationLevel
  readonly difference: GoldenDifference
}

/** Starts one graph on a target, at the fastest level that gives its golden outputs; `undefined` where none does. */
async function startPass(
  { runnable, golden }: Pass,
  target: Target,
  attempts: Attempt[],
  { signal, onProgress }: CallOptions,
): Promise<StartedPass | undefined> {
  const total = OPTIMIZATION_LEVELS.length
  const report = (done: number) => onProgress?.({ stage: `self-test on ${target.name}`, done, total })
  for (const [step, optimization] of OPTIMIZATION_LEVELS.entries()) {
    throwIfAborted(signal)
    report(step)
    const { session, difference, ...record } = await tryLevel(target, optimization, runnable, golden, signal)
    attempts.push(record)
    if (session && difference) {
      try {
        report(total)
      } catch (error) {
        await discard(session)
        throw error
      }
      return { session, optimization, difference }
    }
    if (record.code && !GRAPH_ERRORS.has(record.code)) break
  }
  return undefined
}

async function tryLevel(
  target: Target,
  optimization: OptimizationLevel,
  graph: Graph,
  golden: readonly GoldenCase[],
  signal: AbortSignal | undefined,
): Promise<Attempt & { session?: Session; difference?: GoldenDifference }> {
  const where = { target: target.name, optimization }
  let session: Session | undefined
  try {
    session = await target.create(graph, { optimization, signal })
    const differences = await selfTest(session, golden, signal)
    const difference = worst(differences)
    const figures = { maxAbsDiff: difference.maxAbsDiff, tolerance: difference.tolerance }
    if (agrees(differences)) return { ...where, ...figures, outcome: 'accepted', session, difference }
    await discard(session)
    const reason = `Output "${difference.output}" is ${difference.maxAbsDiff.toPrecision(3)} away from the reference, tolerance ${difference.tolerance.toPrecision(3)}.`
    return { ...where, ...figures, outcome: 'wrong-answer', reason }
  } catch (error) {
    await discard(session)
    throwIfAborted(signal)
    const code = error instanceof HardpackError ? error.code : 'TARGET_FAILED'
    return { ...where, outcome: 'failed', code, reason: messageOf(error) }
  }
}

/** Closes a session that is of no use; one that cannot even be closed must not hide why. */
async function discard(session: Session | undefined): Promise<void> {
  await session?.close().catch(() => {})
}

function failure(attempts: readonly Attempt[]): HardpackError {
  const levels = new Map<string, { target: string; reason: string | undefined; tried: string[] }>()
  for (const { target, reason, optimization } of attempts) {
    const key = `${target}: ${reason}`
    const entry = levels.get(key) ?? { target, reason, tried: [] }
    if (optimization) entry.tried.push(optimization)
    levels.set(key, entry)
  }
  const list = [...levels.values()]
    .map(({ target, reason, tried }) => `${target}${tried.length > 0 ? ` (${tried.join(', ')})` : ''}: ${reason}`)
    .join(' ')
  const ran = attempts.some(({ outcome }) => outcome === 'wrong-answer')
  return ran
    ? new HardpackError('SELF_TEST_FAILED', `The self-test expected the golden outputs, got other answers. ${list}`, {
        hint: 'Do not use this device for this model: add another target.',
      })
    : new HardpackError(
        'TARGET_UNAVAILABLE',
        `The model expected a target that can run it, got none. ${list || 'No target was given.'}`,
        {
          hint: 'Add a target such as wasm().',
        },
      )
}
