/**
 * The page's side of one worker: requests go out one at a time, each under a watchdog. A worker that is lost, hangs or
 * fails is terminated, and every call, pending or later, is rejected with a typed error.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { SerialQueue } from '../queue.ts'
import type { Answers, Failure, Message, Request } from './protocol.ts'
import { watchdog } from './watchdog.ts'

/** The part of `Worker` that is used. */
export interface WorkerLike {
  postMessage(message: unknown, transfer: Transferable[]): void
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void
  addEventListener(type: 'error', listener: (event: { message?: string; preventDefault?(): void }) => void): void
  terminate(): void
}

interface Pending {
  readonly id: number
  readonly resolve: (value: never) => void
  readonly reject: (error: HardpackError) => void
}

/** The error of every call on a worker that is gone. */
export function deviceLost(target: string, reason: string): HardpackError {
  return new HardpackError('DEVICE_LOST', `Target ${target} expected its device to stay, got: ${reason}.`, {
    hint: 'Create a new session.',
  })
}

export class WorkerClient {
  readonly #target: string
  readonly #worker: WorkerLike
  readonly #turns = new SerialQueue(Number.POSITIVE_INFINITY)
  #pending: Pending | undefined
  #nextId = 0
  #ready = false
  #dead: HardpackError | undefined

  constructor(target: string, worker: WorkerLike) {
    this.#target = target
    this.#worker = worker
    worker.addEventListener('message', ({ data }) => this.#receive(data as Message))
    worker.addEventListener('error', (event) => {
      event.preventDefault?.()
      this.terminate(this.#scriptError(event.message))
    })
  }

  /** Why no further call can succeed; `undefined` while the worker lives. */
  get dead(): HardpackError | undefined {
    return this.#dead
  }

  /**
   * Sends a request when every earlier one has been answered.
   *
   * @param limitMs how long the worker may take, from when the request is sent
   * @throws HardpackError as the worker says; `TIMEOUT` past the limit; `DEVICE_LOST` when the worker is gone.
   */
  call<T extends Request>(request: T, transfer: Transferable[], limitMs: number): Promise<Answers[T['type']]> {
    return this.#turns.run(() => {
      if (this.#dead) throw this.#dead
      const id = this.#nextId++
      const answer = new Promise<Answers[T['type']]>((resolve, reject) => {
        this.#pending = { id, resolve, reject }
        this.#worker.postMessage({ id, request }, transfer)
      })
      const stop = watchdog(limitMs, () => this.#expire(request.type, limitMs))
      return answer.finally(stop)
    })
  }

  /** Ends the worker; calls under way and to come are rejected with `error`. Idempotent. */
  terminate(error: HardpackError): void {
    if (this.#dead) return
    this.#dead = error
    this.#worker.terminate()
    this.#pending?.reject(error)
    this.#pending = undefined
  }

  #receive(message: Message): void {
    if (this.#dead) return
    if (message.type === 'ready') this.#ready = true
    else if (message.type === 'lost') this.terminate(deviceLost(this.#target, message.reason))
    else if (message.id === this.#pending?.id) {
      const { resolve, reject } = this.#pending
      this.#pending = undefined
      if (message.type === 'answer') resolve(message.value as never)
      else this.#fail(message.failure, reject)
    }
  }

  #fail({ code, message, hint, fatal }: Failure, reject: (error: HardpackError) => void): void {
    reject(new HardpackError(code, message, { hint }))
    if (fatal) this.terminate(deviceLost(this.#target, 'an error that ONNX Runtime does not survive'))
  }

  #expire(type: string, limitMs: number): void {
    const message = `Target ${this.#target} expected ${type} to end within ${limitMs / 1000} s, got no answer.`
    this.#pending?.reject(new HardpackError('TIMEOUT', message, { hint: 'Allow more time, or use a smaller model.' }))
    this.#pending = undefined
    this.terminate(deviceLost(this.#target, `${type} did not end in time`))
  }

  #scriptError(message: string | undefined): HardpackError {
    if (this.#ready) return deviceLost(this.#target, message ?? 'an error in the worker')
    return new HardpackError(
      'TARGET_UNAVAILABLE',
      `Target ${this.#target} expected its worker script to load, got: ${message || 'an error'}.`,
      { hint: 'Use the bundler plugin of hardpack, and check Content-Security-Policy and COEP of the script.' },
    )
  }
}
