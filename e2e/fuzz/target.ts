/** What the fuzzer runs: a function that takes any bytes. */

import type { Rng } from '../../sdk/core/index.ts'

/**
 * A target is a module in `targets/` that exports one of these as `target`, and an entry in `targets/index.ts`. Whatever `run`
 * throws, or that it takes too long or too much memory, is a finding.
 */
export interface FuzzTarget {
  /** Inputs are never longer. */
  readonly maxLength: number
  /** Bytes of typed arrays that instrumented modules may ask for in one run. */
  readonly maxAllocated: number
  run(input: Uint8Array): void | Promise<void>
  /** Changes that keep what blind ones would break; gives `undefined` where it finds nothing to change. */
  mutate?(input: Uint8Array, random: Rng): Uint8Array | undefined
}

/** An input that a target did not stand. */
export interface Finding {
  /** What happened. */
  readonly message: string
  readonly input: Uint8Array
}

export interface FuzzReport {
  readonly executions: number
  /** Counters that loading or some input reached, of all in the instrumented modules. */
  readonly reached: number
  readonly counters: number
  /** Inputs that reached something new. */
  readonly corpus: number
  readonly finding?: Finding
}
