/**
 * Fuzzing guided by coverage, as AFL does it (Zalewski 2013): an input that reaches a counter for the first time, or a new
 * magnitude of one, is kept, and changed further. The same seed gives the same inputs in the same order.
 */

import { rng } from '../../sdk/core/index.ts'
import { mutate } from './mutate.ts'
import type { Finding, FuzzReport, FuzzTarget } from './target.ts'

export interface LoopOptions {
  readonly target: FuzzTarget
  readonly seeds: readonly Uint8Array[]
  readonly seed: number
  /** Counters that a run adds to. */
  readonly hits: Uint32Array
  /** Whether to go on after this many executions. */
  more(executions: number): boolean
  /** Called around each run. */
  before(input: Uint8Array): void
  after(): void
}

interface Kept {
  readonly input: Uint8Array
  /** What it counted in all: how long it ran, without a clock. */
  readonly steps: number
}

/** Magnitudes as bits: 1, 2, 3, 4–7, 8–15, 16–31, 32–127, 128 and more. */
function magnitude(count: number): number {
  if (count < 4) return 1 << (count - 1)
  if (count < 32) return 1 << (32 - Math.clz32(count))
  return count < 128 ? 64 : 128
}

/** Adds what a run reached to what was reached before; whether that was new, and the run's steps. */
function take(hits: Uint32Array, seen: Uint8Array): { isNew: boolean; steps: number } {
  let isNew = false
  let steps = 0
  for (let i = 0; i < hits.length; i++) {
    const count = hits[i]
    if (count === 0) continue
    steps += count
    const bit = magnitude(count)
    if (seen[i] & bit) continue
    seen[i] |= bit
    isNew = true
  }
  return { isNew, steps }
}

/** Runs a target until `more` says no, or an input is not stood. */
export async function fuzzLoop(options: LoopOptions): Promise<FuzzReport> {
  const { target, seeds, hits } = options
  const random = rng(options.seed)
  const seen = new Uint8Array(hits.length)
  const loaded = hits.map((count) => (count > 0 ? 1 : 0))
  const corpus: Kept[] = []
  let totalSteps = 0
  let executions = 0

  const execute = async (input: Uint8Array): Promise<Finding | undefined> => {
    executions++
    hits.fill(0)
    options.before(input)
    try {
      await target.run(input)
    } catch (error) {
      return { message: error instanceof Error ? (error.stack ?? error.message) : String(error), input }
    } finally {
      options.after()
    }
    const { isNew, steps } = take(hits, seen)
    if (isNew || corpus.length === 0) {
      corpus.push({ input, steps })
      totalSteps += steps
    }
    return undefined
  }

  // Inputs that run longer than the average are chosen less often, so that all get a like share of the time.
  const choose = (): Kept => {
    for (;;) {
      const kept = corpus[random.below(corpus.length)]
      if (random.uniform() * kept.steps * corpus.length <= totalSteps) return kept
    }
  }
  const next = (): Uint8Array => {
    const { input } = choose()
    const own = random.below(2) ? target.mutate?.(input, random) : undefined
    if (own) return own.slice(0, target.maxLength)
    return mutate(input, corpus[random.below(corpus.length)].input, random, target.maxLength)
  }

  let finding: Finding | undefined
  for (const input of seeds) finding ??= await execute(input)
  while (!finding && options.more(executions)) finding = await execute(next())
  const reached = seen.reduce((sum, bits, i) => sum + (bits || loaded[i] ? 1 : 0), 0)
  return { executions, reached, counters: hits.length, corpus: corpus.length, finding }
}
