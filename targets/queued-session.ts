/** What every session does around its runtime: the door check, one call at a time, and an end. */

import { type Tensor, throwIfAborted } from '../sdk/core/index.ts'
import { takeFeeds, takeOutputs } from './feeds.ts'
import { closed } from './ort.ts'
import { SerialQueue } from './queue.ts'
import type { Feeds, RunOptions, Session, ValueInfo } from './types.ts'

export interface Runtime {
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  /**
   * Runs the graph; the feeds are checked, and memory of their own. Never called while it is under way.
   *
   * @param wanted names of the outputs to hand over, checked too
   */
  run(feeds: Feeds, wanted: readonly string[]): Promise<Record<string, Tensor>>
  /** Frees everything. Called once, when no run is under way. */
  release(): Promise<void>
}

export class QueuedSession implements Session {
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  readonly #runtime: Runtime
  readonly #queue = new SerialQueue()
  #closing: Promise<void> | undefined

  constructor(runtime: Runtime) {
    this.#runtime = runtime
    this.inputs = runtime.inputs
    this.outputs = runtime.outputs
  }

  async run(feeds: Feeds, { outputs, signal }: RunOptions = {}): Promise<Record<string, Tensor>> {
    throwIfAborted(signal)
    if (this.#closing) throw closed()
    const taken = takeFeeds(this.inputs, feeds)
    const wanted = takeOutputs(this.outputs, outputs)
    return this.#queue.run(() => this.#runtime.run(taken, wanted), signal)
  }

  close(): Promise<void> {
    this.#closing ??= this.#queue.close(closed()).then(() => this.#runtime.release())
    return this.#closing
  }
}
