/** An opened model: it passed its self-test on one target, runs there, and says how it got there. */

import type { OptimizationLevel } from '../../targets/types.ts'
import type { ValueEntry } from '../container/manifest.ts'
import { arrayOf, HardpackError, type Tensor, type TypedArray } from '../core/index.ts'
import { type GoldenCase, type GoldenDifference, worst } from './golden.ts'
import { type Attempt, type Started, selfTest } from './self-test.ts'
import { fitShape } from './shape.ts'

/** A tensor, or only its elements where the model's own input shape says the rest. */
export type InputValue = Tensor | TypedArray

export interface RunResult {
  readonly outputs: Record<string, Tensor>
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
}

/** What `open` knows about a package besides its session. */
export interface ModelFacts {
  readonly name: string
  readonly release: number
  readonly signers: readonly string[]
  readonly inputs: readonly ValueEntry[]
  readonly outputs: readonly ValueEntry[]
  readonly golden: readonly GoldenCase[]
  readonly attempts: readonly Attempt[]
  readonly decoder: string
}

export class Model {
  readonly inputs: readonly ValueEntry[]
  readonly outputs: readonly ValueEntry[]
  readonly #facts: ModelFacts
  readonly #started: Started

  constructor(facts: ModelFacts, started: Started) {
    this.inputs = facts.inputs
    this.outputs = facts.outputs
    this.#facts = facts
    this.#started = started
  }

  /**
   * Runs the model once; concurrent calls are served in order.
   *
   * @param inputs by name: a `Tensor`, or a typed array where the input's shape has at most one unknown dimension
   * @throws HardpackError `INVALID_INPUT` naming the input, before the runtime sees it; `BUSY`, `TIMEOUT`,
   *   `DEVICE_LOST`, `TARGET_FAILED`, `CLOSED`, `ABORTED`.
   * @example
   * const { outputs } = await model.run({ image: new Float32Array(28 * 28) })
   * outputs.logits.data // Float32Array(10)
   */
  async run(inputs: Readonly<Record<string, InputValue>>, options: { signal?: AbortSignal } = {}): Promise<RunResult> {
    const feeds = Object.fromEntries(
      Object.entries(inputs ?? {}).map(([name, value]) => [name, this.#tensor(name, value)]),
    )
    return { outputs: await this.#started.session.run(feeds, options) }
  }

  /** Runs the golden cases again, here and now. */
  async selfTest(options: { signal?: AbortSignal } = {}): Promise<GoldenDifference> {
    return worst(await selfTest(this.#started.session, this.#facts.golden, options.signal))
  }

  /** The inputs of the golden cases: a ready example of what the model takes. */
  exampleInputs(): Readonly<Record<string, Tensor>> {
    return this.#facts.golden[0].inputs
  }

  /** Where the model runs, how it was chosen, and what its self-test showed. */
  report(): Report {
    const { name, release, signers, golden, attempts, decoder } = this.#facts
    const { target, device, optimization, difference } = this.#started
    return {
      name,
      release,
      signers,
      target: target.name,
      ...(device === undefined ? {} : { device }),
      optimization,
      selfTest: { cases: golden.length, maxAbsDiff: difference.maxAbsDiff, tolerance: difference.tolerance },
      attempts,
      decoder,
    }
  }

  /** Frees the session. Idempotent. */
  close(): Promise<void> {
    return this.#started.session.close()
  }

  #tensor(name: string, value: InputValue): Tensor {
    if (isTensor(value)) return value
    const input = this.inputs.find((entry) => entry.name === name)
    if (!input) {
      throw new HardpackError(
        'INVALID_INPUT',
        `The model expected ${this.inputs.map((i) => `"${i.name}"`).join(', ')}, got an input "${name}".`,
      )
    }
    const { dtype } = input
    if (!(value instanceof arrayOf(dtype))) {
      throw new HardpackError(
        'INVALID_INPUT',
        `Input "${name}" expected a ${arrayOf(dtype).name} of ${dtype}, got ${Object.prototype.toString.call(value)}.`,
      )
    }
    return { dtype, shape: fitShape(input, value.length), data: value }
  }
}

const isTensor = (value: InputValue): value is Tensor => typeof value === 'object' && value !== null && 'dtype' in value
