/**
 * What a target is: a place where an ONNX graph runs. A target is a value with one contract, so that an app's bundle
 * holds only the runtime it uses, and one suite (`targets/contract`) runs against every target.
 */

import type { DType, Tensor } from '../sdk/core/index.ts'

/** How far a runtime may rewrite the graph before it runs it, from fastest to the model's own meaning. */
export const OPTIMIZATION_LEVELS = ['all', 'extended', 'basic', 'disabled'] as const
export type OptimizationLevel = (typeof OPTIMIZATION_LEVELS)[number]

/** A whole ONNX file in memory; initializers may refer to `externalData` by path. */
export interface Graph {
  readonly model: Uint8Array
  readonly externalData?: readonly { readonly path: string; readonly data: Uint8Array }[]
}

export interface Probe {
  readonly available: boolean
  /** Why it is not available, or what is special about it (a software adapter, one thread). One sentence. */
  readonly reason?: string
  /** What the device says about itself, for the report. */
  readonly device?: string
}

export interface SessionOptions {
  optimization?: OptimizationLevel
  signal?: AbortSignal
}

/** A model input or output as the runtime sees it. A string in `shape` is a symbolic dimension. */
export interface ValueInfo {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly (number | string)[]
}

export type Feeds = Readonly<Record<string, Tensor>>

export interface RunOptions {
  /** Only these outputs are handed over; default: all. */
  outputs?: readonly string[]
  signal?: AbortSignal
}

export interface Session {
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  /**
   * Runs the graph once, on the feeds as they are at the call. Concurrent calls are queued and served in order.
   *
   * @throws HardpackError `INVALID_INPUT` for a missing, unknown or ill-typed feed, or an unknown output, before the runtime sees it;
   *   `TARGET_FAILED` with the runtime's own reason; `BUSY` when the queue is full; `CLOSED`, `ABORTED`, `DEVICE_LOST`.
   */
  run(feeds: Feeds, options?: RunOptions): Promise<Record<string, Tensor>>
  /** Frees the session. Idempotent. */
  close(): Promise<void>
}

export interface Target {
  readonly name: string
  /** Whether this target works here. Never throws: an unavailable target says why. */
  probe(options?: { signal?: AbortSignal }): Promise<Probe>
  /**
   * Loads a graph.
   *
   * @throws HardpackError `TARGET_UNAVAILABLE` where probe says so, `UNSUPPORTED_MODEL` with the runtime's own reason
   *   when it refuses the graph, `TIMEOUT`, `ABORTED`.
   */
  create(graph: Graph, options?: SessionOptions): Promise<Session>
}
