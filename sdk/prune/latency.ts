/**
 * How long models take, beside one another: they run in turns, so that whatever slows the machine for a while slows all of
 * them, and the ratio of neighbours stays. Medians, since a slow run is one in which something else ran.
 */

import type { Target } from '../../targets/types.ts'
import { type CallOptions, HardpackError, median, type Tensor, throwIfAborted } from '../core/index.ts'

export interface InterleavedOptions extends CallOptions {
  /** How often each of them runs, after the warm-up. */
  readonly rounds: number
  readonly warmUp?: number
  readonly stage?: string
}

/**
 * Times tasks in turns, forwards in one round and backwards in the next.
 *
 * @returns milliseconds of each task, a number a round
 * @example
 * const [plain, guarded] = await interleaved([() => a.run(feeds), () => b.run(feeds)], { rounds: 100 })
 */
export async function interleaved(
  tasks: readonly (() => Promise<unknown>)[],
  { rounds, warmUp = 3, stage = 'measure latency', signal, onProgress }: InterleavedOptions,
): Promise<number[][]> {
  const times: number[][] = tasks.map(() => [])
  const order = tasks.map((_, i) => i)
  for (let round = -warmUp; round < rounds; round++) {
    onProgress?.({ stage, done: round + warmUp, total: rounds + warmUp })
    for (const which of round % 2 === 0 ? order : order.toReversed()) {
      throwIfAborted(signal)
      const before = performance.now()
      await tasks[which]()
      if (round >= 0) times[which].push(performance.now() - before)
    }
  }
  onProgress?.({ stage, done: rounds + warmUp, total: rounds + warmUp })
  return times
}

/** What a model takes on a target, in comparison with the first of those that it was measured beside. */
export interface Latency {
  /** Milliseconds of one run, in the median. */
  readonly milliseconds: number
  /** Of the first model's: the median of the ratios of neighbours. */
  readonly ratio: number
  /** The middle half of these ratios. */
  readonly spread: readonly [number, number]
  /** How often it ran. */
  readonly rounds: number
}

/** Time that one measurement should take, warm-up left out, and how many rounds it has at least and at most. */
const MEASURE_MS = 3000
const ROUNDS = [12, 400] as const

/**
 * Measures models on a target, in turns, on one sample.
 *
 * @param models ONNX files; the first is what the others are compared with
 * @param options.rounds as many as fit into `milliseconds` (3000 unless told), at least 12 and at most 400, unless told
 * @throws HardpackError as `target.create` and `session.run` do.
 * @example
 * const [before, after] = await measureLatency([original, pruned], { [input]: await samples.batch([0]) }, node({ threads: 1 }))
 * after.ratio // 0.52
 */
export async function measureLatency(
  models: readonly Uint8Array[],
  feeds: Readonly<Record<string, Tensor>>,
  target: Target,
  options: CallOptions & { readonly rounds?: number; readonly milliseconds?: number; readonly stage?: string } = {},
): Promise<Latency[]> {
  const { signal } = options
  const sessions = []
  try {
    for (const model of models) sessions.push(await target.create({ model }, { signal }))
    const tasks = sessions.map((session) => () => session.run(feeds, { signal }))
    const rounds = options.rounds ?? (await roundsFor(tasks, options.milliseconds ?? MEASURE_MS))
    const times = await interleaved(tasks, { ...options, rounds })
    return times.map((own) => {
      const ratios = own.map((time, i) => time / times[0][i])
      return { milliseconds: middle(own), ratio: middle(ratios), spread: quartiles(ratios), rounds }
    })
  } finally {
    for (const session of sessions) await session.close()
  }
}

/** As many as fit into the time, by one round of two. */
async function roundsFor(tasks: readonly (() => Promise<unknown>)[], milliseconds: number): Promise<number> {
  const times = await interleaved(tasks, { rounds: 2, warmUp: 1 })
  const round = times.reduce((sum, own) => sum + Math.min(...own), 0)
  return Math.max(ROUNDS[0], Math.min(ROUNDS[1], 2 * Math.round(milliseconds / round / 2)))
}

function middle(values: readonly number[]): number {
  const value = median(values)
  if (value === undefined) throw new HardpackError('INVALID_ARGUMENT', 'A measurement expected a round, got none.')
  return value
}

function quartiles(values: readonly number[]): [number, number] {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))]
  return [at(0.25), at(0.75)]
}
