/** An opened model: it passed its self-test on one target, runs there, and says how it got there. */

import type { OptimizationLevel } from '../../targets/types.ts'
import type { ValueEntry } from '../container/manifest.ts'
import type { Tensor } from '../core/index.ts'
import { feedsOf, type InputValue } from './feeds.ts'
import { type GoldenDifference, worst } from './golden.ts'
import type { Guard, GuardReport } from './guard/guard.ts'
import type { Verdict } from './guard/verdict.ts'
import { type Attempt, type Pass, type Started, selfTest } from './self-test.ts'

export interface RunResult {
  /** By name; none where the guard withholds them. */
  readonly outputs: Record<string, Tensor>
  /** What the guard says, where the package has one; of a batch, the gravest. */
  readonly verdict?: Verdict
  /** One for each sample of the batch. */
  readonly verdicts?: readonly Verdict[]
}

export interface Report {
  readonly name: string
  readonly release: number
  /** Hexadecimal public keys whose signature was verified. */
  readonly signers: readonly string[]
  readonly target: string
  readonly device?: string
  readonly optimization: OptimizationLevel
  readonly selfTest: { readonly cases: number; readonly maxAbsDiff: number; readonly tolerance: number }
  /** Every target and level that was tried, in order, with the reason where it was not accepted. */
  readonly attempts: readonly Attempt[]
  /** Which decoder unpacked the weights: `wasm` or `typescript`, and in how many threads where there were several. */
  readonly decoder: string
  /** How the guard judges, where the package has one. */
  readonly guard?: GuardReport
}

/** What `open` knows about a package besides its session. */
export interface ModelFacts {
  readonly name: string
  readonly release: number
  readonly signers: readonly string[]
  readonly inputs: readonly ValueEntry[]
  readonly outputs: readonly ValueEntry[]
  readonly passes: readonly Pass[]
  readonly attempts: readonly Attempt[]
  readonly decoder: string
}

export class Model {
  readonly inputs: readonly ValueEntry[]
  readonly outputs: readonly ValueEntry[]
  readonly #facts: ModelFacts
  readonly #started: Started
  /** Says whether inputs should be believed, where the package has a guard. */
  readonly guard: Guard | undefined

  constructor(facts: ModelFacts, started: Started, guard?: Guard) {
    this.inputs = facts.inputs
    this.outputs = facts.outputs
    this.#facts = facts
    this.#started = started
    this.guard = guard
  }

  /**
   * Runs the model once; concurrent calls are served in order.
   *
   * @param inputs by name: a `Tensor`, or a typed array where the input's shape has at most one unknown dimension
   * @throws HardpackError `INVALID_INPUT` naming the input, before the runtime sees it; `BUSY`, `TIMEOUT`,
   *   `DEVICE_LOST`, `TARGET_FAILED`, `CLOSED`, `ABORTED`.
   * @example
   * const { outputs, verdict } = await model.run({ image: new Float32Array(28 * 28) })
   * if (verdict?.action === 'accept') show(outputs.logits.data) // Float32Array(10)
   */
  async run(inputs: Readonly<Record<string, InputValue>>, options: { signal?: AbortSignal } = {}): Promise<RunResult> {
    const feeds = feedsOf(this.inputs, inputs)
    if (this.guard) return this.guard.run(feeds, options)
    return { outputs: await this.#started.sessions[0].run(feeds, options) }
  }

  /** Runs the golden cases again, here and now. */
  async selfTest(options: { signal?: AbortSignal } = {}): Promise<GoldenDifference> {
    const differences = []
    for (const [index, session] of this.#started.sessions.entries()) {
      differences.push(...(await selfTest(session, this.#facts.passes[index].golden, options.signal)))
    }
    return worst(differences)
  }

  /** The inputs of the golden cases: a ready example of what the model takes. */
  exampleInputs(): Readonly<Record<string, Tensor>> {
    const { inputs } = this.#facts.passes[0].golden[0]
    return Object.fromEntries(this.inputs.map(({ name }) => [name, inputs[name]]))
  }

  /** Where the model runs, how it was chosen, and what its self-test showed. */
  report(): Report {
    const { name, release, signers, passes, attempts, decoder } = this.#facts
    const { target, device, optimization, difference } = this.#started
    return {
      name,
      release,
      signers,
      target: target.name,
      ...(device === undefined ? {} : { device }),
      optimization,
      selfTest: {
        cases: passes.reduce((sum, { golden }) => sum + golden.length, 0),
        maxAbsDiff: difference.maxAbsDiff,
        tolerance: difference.tolerance,
      },
      attempts,
      decoder,
      ...(this.guard ? { guard: this.guard.report() } : {}),
    }
  }

  /** Frees the sessions. Idempotent. */
  async close(): Promise<void> {
    await Promise.all(this.#started.sessions.map((session) => session.close()))
  }
}
