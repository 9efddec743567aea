/**
 * What `wasm` and `webgpu` share in a browser: one worker a target, started with the first session and terminated with the
 * last, so that closing a model gives its memory back.
 */

import { HardpackError, messageOf, throwIfAborted } from '../../sdk/core/index.ts'
import { closed } from '../ort.ts'
import { QueuedSession } from '../queued-session.ts'
import type { Feeds, Graph, Probe, Session, SessionOptions, Target } from '../types.ts'
import { ASSETS, type Assets } from './assets.ts'
import type { Answers, CreateRequest, Provider } from './protocol.ts'
import { WorkerClient } from './worker-client.ts'

export interface BrowserOptions {
  /** Where the worker script and ONNX Runtime's files are; the bundler plugin knows. */
  assets?: Assets
  /** How long loading a graph may take, ONNX Runtime's download included, in milliseconds: 120,000. */
  createTimeoutMs?: number
  /** How long one run may take, in milliseconds: 60,000. */
  runTimeoutMs?: number
}

interface Setup {
  readonly provider: Provider
  readonly options: BrowserOptions
  readonly threads: number
  probe(): Promise<Probe>
}

const CREATE_TIMEOUT_MS = 120_000
const RUN_TIMEOUT_MS = 60_000
const RELEASE_TIMEOUT_MS = 10_000

/** The same bytes in memory of their own, which a message can take along without a second copy. */
const detached = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => bytes.slice() as Uint8Array<ArrayBuffer>

const absolute = (url: string): string => new URL(url, globalThis.document?.baseURI ?? globalThis.location?.href).href

/** Whether threads of ONNX Runtime can start: each loads the glue, which must come with COEP, or it hangs without a word. */
async function servedWithCoep(url: string, signal: AbortSignal | undefined): Promise<boolean> {
  const response = await fetch(url, { method: 'HEAD', signal }).catch(() => undefined)
  return response?.headers.has('cross-origin-embedder-policy') ?? false
}

const buffersOf = (feeds: Feeds): ArrayBuffer[] => Object.values(feeds).map(({ data }) => data.buffer as ArrayBuffer)

function startWorker(target: string, url: string): Worker {
  try {
    return new Worker(url, { type: 'module', name: `hardpack-${target}` })
  } catch (error) {
    throw new HardpackError(
      'TARGET_UNAVAILABLE',
      `Target ${target} expected to start a worker from ${url}, got: ${messageOf(error)}.`,
      { hint: 'Serve the worker script from the origin of the page.', cause: error },
    )
  }
}

export class WorkerTarget implements Target {
  readonly name: string
  readonly #setup: Setup
  readonly #runTimeoutMs: number
  #client: WorkerClient | undefined
  #users = 0
  #nextSession = 0
  #threads: number
  /** Why there is one thread where several were asked for. */
  #oneThread: string | undefined
  #threadsChecked = false

  constructor(setup: Setup) {
    this.name = setup.provider
    this.#setup = setup
    this.#threads = setup.threads
    this.#runTimeoutMs = setup.options.runTimeoutMs ?? RUN_TIMEOUT_MS
  }

  async probe(): Promise<Probe> {
    const probe = await this.#setup.probe()
    if (this.#oneThread) return { ...probe, reason: this.#oneThread }
    return this.#threads > 1 ? { ...probe, device: `${probe.device}, ${this.#threads} threads` } : probe
  }

  async create(graph: Graph, { optimization = 'all', signal }: SessionOptions = {}): Promise<Session> {
    throwIfAborted(signal)
    const probe = await this.#setup.probe()
    if (!probe.available) {
      throw new HardpackError('TARGET_UNAVAILABLE', `Target ${this.name} expected to work here, got: ${probe.reason}.`)
    }
    if (this.#threads > 1 && !this.#threadsChecked) await this.#checkThreads(signal)
    throwIfAborted(signal)
    const threads = this.#threads
    try {
      return await this.#create(graph, optimization, signal)
    } catch (error) {
      if (!(error instanceof HardpackError && error.code === 'TIMEOUT' && threads > 1)) throw error
      this.#useOneThread('several did not start in time')
      return await this.#create(graph, optimization, signal)
    }
  }

  async #checkThreads(signal: AbortSignal | undefined): Promise<void> {
    const { mjs } = this.#setup.options.assets ?? ASSETS
    const served = await servedWithCoep(absolute(mjs), signal)
    throwIfAborted(signal)
    this.#threadsChecked = true
    if (!served) this.#useOneThread(`${mjs} is served without Cross-Origin-Embedder-Policy`)
  }

  #useOneThread(because: string): void {
    this.#threads = 1
    this.#oneThread = `one thread, since ${because}`
  }

  async #create(
    graph: Graph,
    optimization: CreateRequest['optimization'],
    signal: AbortSignal | undefined,
  ): Promise<Session> {
    const client = this.#acquire()
    const id = this.#nextSession++
    const created = this.#request(client, id, graph, optimization)
    let onAbort = (): void => undefined
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () =>
        reject(new HardpackError('ABORTED', 'The call was aborted by its signal.', { cause: signal?.reason }))
      signal?.addEventListener('abort', onAbort, { once: true })
    })
    try {
      const described = await Promise.race([created, aborted])
      return new QueuedSession({
        ...described,
        run: (feeds, wanted) =>
          client.call({ type: 'run', session: id, feeds, wanted }, buffersOf(feeds), this.#runTimeoutMs),
        release: () => this.#release(client, id),
      })
    } catch (error) {
      created.catch(() => undefined)
      await this.#release(client, id)
      if (error instanceof HardpackError) throw error
      const message = `Target ${this.name} failed to take the graph: ${messageOf(error)}.`
      throw new HardpackError('TARGET_FAILED', message, { cause: error })
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async #request(
    client: WorkerClient,
    session: number,
    graph: Graph,
    optimization: CreateRequest['optimization'],
  ): Promise<Answers['create']> {
    const { provider, options } = this.#setup
    const assets = options.assets ?? ASSETS
    const model = detached(graph.model)
    const externalData = graph.externalData?.map(({ path, data }) => ({ path, data: detached(data) }))
    return client.call(
      {
        type: 'create',
        session,
        provider,
        threads: this.#threads,
        mjs: absolute(assets.mjs),
        wasm: absolute(assets.wasm),
        graph: externalData ? { model, externalData } : { model },
        optimization,
      },
      [model.buffer, ...(externalData ?? []).map(({ data }) => data.buffer)],
      options.createTimeoutMs ?? CREATE_TIMEOUT_MS,
    )
  }

  #acquire(): WorkerClient {
    if (!this.#client || this.#client.dead) {
      const { worker } = this.#setup.options.assets ?? ASSETS
      this.#client = new WorkerClient(this.name, startWorker(this.name, absolute(worker)))
      this.#users = 0
    }
    this.#users++
    return this.#client
  }

  /** The last session takes the worker with it; another is released in its turn. */
  async #release(client: WorkerClient, session: number): Promise<void> {
    if (client !== this.#client || client.dead) return
    this.#users--
    if (this.#users === 0) {
      this.#client = undefined
      client.terminate(closed())
      return
    }
    await client.call({ type: 'release', session }, [], RELEASE_TIMEOUT_MS).catch(() => undefined)
  }
}
