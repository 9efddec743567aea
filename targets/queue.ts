/**
 * A serial queue with a bound: one call at a time, in order, because two concurrent `run()` on ONNX Runtime's WebGPU
 * provider both fail and three freeze the page. A rejected call does not stop those behind it.
 */

import { HardpackError, throwIfAborted } from '../sdk/core/index.ts'

/** How many calls one session holds, the running one included, before it answers `BUSY`. */
export const DEFAULT_BOUND = 64

interface Entry {
  start(): void
  drop(error: HardpackError): void
}

/**
 * @example
 * const queue = new SerialQueue(64)
 * const [a, b] = await Promise.all([queue.run(first), queue.run(second)]) // second starts when first has settled
 */
export class SerialQueue {
  readonly #bound: number
  readonly #waiting: Entry[] = []
  #running: Promise<unknown> | undefined
  #closed: HardpackError | undefined

  constructor(bound = DEFAULT_BOUND) {
    this.#bound = bound
  }

  /** Calls that wait or run. */
  get size(): number {
    return this.#waiting.length + (this.#running ? 1 : 0)
  }

  /**
   * Runs `task` when every earlier one has settled. An abort takes a waiting call out of the queue; a running one is
   * answered at once with `ABORTED`, while its task goes on to its end in its turn.
   *
   * @throws HardpackError `BUSY` when the queue is full, `ABORTED`, or the error that `close` was given.
   */
  run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      throwIfAborted(signal)
      if (this.#closed) throw this.#closed
      if (this.size >= this.#bound) {
        throw new HardpackError('BUSY', `The session expected at most ${this.#bound} calls at once, got one more.`, {
          hint: 'Await earlier calls first.',
          retryable: true,
        })
      }
      const onAbort = (): void => {
        const at = this.#waiting.indexOf(entry)
        if (at >= 0) this.#waiting.splice(at, 1)
        reject(new HardpackError('ABORTED', 'The call was aborted by its signal.', { cause: signal?.reason }))
      }
      const entry: Entry = {
        start: () => {
          const settled = (async () => task())().then(resolve, reject)
          this.#running = settled.then(() => {
            signal?.removeEventListener('abort', onAbort)
            this.#running = undefined
            this.#next()
          })
        },
        drop: (error) => {
          signal?.removeEventListener('abort', onAbort)
          reject(error)
        },
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiting.push(entry)
      if (!this.#running) this.#next()
    })
  }

  /** Rejects what waits, and every later call, with `error`; resolves when the running call has settled. Idempotent. */
  async close(error: HardpackError): Promise<void> {
    this.#closed ??= error
    for (const entry of this.#waiting.splice(0)) entry.drop(this.#closed)
    await this.#running
  }

  #next(): void {
    this.#waiting.shift()?.start()
  }
}
