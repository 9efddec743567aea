/** What the page and the worker say to each other. One request is under way at a time; each gets one answer. */

import type { ErrorCode, Tensor } from '../../sdk/core/index.ts'
import type { Feeds, Graph, OptimizationLevel, ValueInfo } from '../types.ts'

/** ONNX Runtime's execution providers in a browser. */
export type Provider = 'wasm' | 'webgpu'

export interface CreateRequest {
  readonly type: 'create'
  readonly session: number
  readonly provider: Provider
  readonly threads: number
  /** Absolute URLs of ONNX Runtime's glue and of its WebAssembly. */
  readonly mjs: string
  readonly wasm: string
  readonly graph: Graph
  readonly optimization: OptimizationLevel
}

export interface RunRequest {
  readonly type: 'run'
  readonly session: number
  readonly feeds: Feeds
  /** Names of the outputs to answer with. */
  readonly wanted: readonly string[]
}

export interface ReleaseRequest {
  readonly type: 'release'
  readonly session: number
}

export type Request = CreateRequest | RunRequest | ReleaseRequest

/** What each type of request is answered with. */
export interface Answers {
  create: { readonly inputs: readonly ValueInfo[]; readonly outputs: readonly ValueInfo[] }
  run: Record<string, Tensor>
  release: undefined
}

/** A `HardpackError` on its way to the page; `message` is without the hint. */
export interface Failure {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string | undefined
  /** Whether ONNX Runtime's module is unusable from now on. */
  readonly fatal: boolean
}

export type Message =
  | { readonly type: 'ready' }
  | { readonly type: 'lost'; readonly reason: string }
  | { readonly type: 'answer'; readonly id: number; readonly value: Answers[keyof Answers] }
  | { readonly type: 'failure'; readonly id: number; readonly failure: Failure }
