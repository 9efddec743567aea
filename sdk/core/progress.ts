/** How long-running calls report: a stage by name, and how much of it is done, in a unit of the stage's own. */

export interface Progress {
  /** What is being done, as a short noun phrase: `learn circuit`, `decode`, `self-test`. */
  readonly stage: string
  readonly done: number
  readonly total: number
}

export type OnProgress = (progress: Progress) => void

/** What every long call takes. */
export interface CallOptions {
  signal?: AbortSignal
  onProgress?: OnProgress
}
