/**
 * A decoder over several workers, each with a kernel of its own: a chunk goes to whichever is free. Chunks are independent,
 * so there is nothing else to agree on. A chunk comes back by transfer and is copied once, to where it belongs in the
 * caller's memory; that memory is not shared with the workers, since WebCrypto, which checks it next, takes no shared
 * memory.
 *
 * Workers only make it faster. A chunk whose worker could not start, is gone or refuses it is decoded in this thread, which
 * then gives the bytes, or the very error that the chunk deserves.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { bestDecoder } from '../decode.ts'
import type { Decoder } from '../types.ts'
import { type Answer, type Job, memoryOf, partsOf } from './job.ts'

/** The part of a worker that is used. */
export interface PoolWorker {
  postMessage(job: Job, transfer: ArrayBuffer[]): void
  terminate(): void
}

export interface WorkerEvents {
  onAnswer(answer: Answer): void
  /** It did not start, or ended. May be called more than once. */
  onLost(): void
}

/** How workers are started in this place. */
export interface Workers {
  /** Processors of this machine. */
  cores(): number
  /** May throw where workers are not allowed. */
  start(events: WorkerEvents): PoolWorker
}

interface Task {
  readonly codec: number
  readonly bytes: Uint8Array
  readonly out: Uint8Array
  readonly base: Uint8Array | undefined
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** A worker, what it works on, and the memory that goes back and forth. */
interface Seat {
  worker: PoolWorker | undefined
  ready: boolean
  memory: ArrayBuffer
  task: Task | undefined
}

/** A script that takes longer to load is no help. */
const START_LIMIT_MS = 10_000

/**
 * A pool of `threads` workers, which start at once. It must be closed.
 *
 * @example
 * const pool = new DecoderPool(nodeWorkers, 4)
 * try {
 *   await Promise.all(chunks.map(({ codec, bytes }, i) => pool.decode(codec, bytes, outs[i])))
 * } finally {
 *   pool.close()
 * }
 */
export class DecoderPool implements Decoder {
  readonly threads: number
  readonly #seats = new Set<Seat>()
  readonly #waiting: Task[] = []
  readonly #startLimit: ReturnType<typeof setTimeout>
  #local: Promise<Decoder> | undefined
  #name = ''
  #started = 0
  #closed = false

  constructor(workers: Workers, threads: number) {
    this.threads = threads
    for (let i = 0; i < threads; i++) this.#start(workers)
    this.#startLimit = setTimeout(() => {
      for (const seat of this.#seats) if (!seat.ready) this.#lose(seat)
    }, START_LIMIT_MS)
  }

  /** Of the decoder that was used so far, and in how many threads besides this one: `wasm, 4 threads`. */
  get name(): string {
    if (this.#started === 0) return this.#name
    return `${this.#name}, ${this.#started} thread${this.#started === 1 ? '' : 's'}`
  }

  /**
   * @throws HardpackError `CHUNK_CORRUPT`; `CLOSED` for a chunk that is not decoded when the pool is closed.
   */
  decode(codec: number, bytes: Uint8Array, out: Uint8Array, base?: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ codec, bytes, out, base, resolve, reject })
      this.#assign()
    })
  }

  /** Ends the workers. Idempotent. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#startLimit)
    for (const { worker, task } of this.#seats) {
      worker?.terminate()
      if (task) this.#waiting.push(task)
    }
    this.#seats.clear()
    this.#assign()
  }

  #start(workers: Workers): void {
    const seat: Seat = { worker: undefined, ready: false, memory: new ArrayBuffer(0), task: undefined }
    this.#seats.add(seat)
    try {
      seat.worker = workers.start({
        onAnswer: (answer) => this.#receive(seat, answer),
        onLost: () => this.#lose(seat),
      })
    } catch {
      this.#lose(seat)
    }
  }

  #receive(seat: Seat, answer: Answer): void {
    if (!this.#seats.has(seat)) return
    if ('ready' in answer) {
      seat.ready = true
      this.#name = answer.ready
      this.#started++
      if ([...this.#seats].every(({ ready }) => ready)) clearTimeout(this.#startLimit)
    } else {
      const task = seat.task as Task
      seat.task = undefined
      seat.memory = answer.memory
      if (answer.decoded) {
        task.out.set(new Uint8Array(seat.memory, 0, task.out.length))
        task.resolve()
      } else this.#decodeHere(task)
    }
    this.#assign()
  }

  #lose(seat: Seat): void {
    if (!this.#seats.delete(seat)) return
    seat.worker?.terminate()
    if (seat.task) this.#waiting.unshift(seat.task)
    this.#assign()
  }

  /** Gives what waits to who is free; to this thread when no worker is left. */
  #assign(): void {
    for (const seat of this.#seats) {
      if (this.#waiting.length === 0) return
      if (seat.ready && !seat.task) this.#send(seat, this.#waiting.shift() as Task)
    }
    if (this.#seats.size === 0) for (const task of this.#waiting.splice(0)) this.#decodeHere(task)
  }

  #send(seat: Seat, task: Task): void {
    const { codec, bytes, out, base } = task
    const lengths = { rawLength: out.length, baseLength: base?.length ?? 0, encodedLength: bytes.length }
    const length = memoryOf(lengths)
    const memory = seat.memory.byteLength < length ? new ArrayBuffer(length) : seat.memory
    const parts = partsOf(memory, lengths)
    parts.encoded.set(bytes)
    if (base) parts.base.set(base)
    seat.task = task
    seat.worker?.postMessage({ codec, ...lengths, memory }, [memory])
  }

  async #decodeHere({ codec, bytes, out, base, resolve, reject }: Task): Promise<void> {
    try {
      if (this.#closed) throw new HardpackError('CLOSED', 'The decoder expected to stay open, got closed.')
      this.#local ??= bestDecoder()
      const decoder = await this.#local
      if (this.#started === 0) this.#name = decoder.name
      await decoder.decode(codec, bytes, out, base)
      resolve()
    } catch (error) {
      reject(error)
    }
  }
}
