/** A session in this process: onnxruntime-node, or onnxruntime-web in Node. Browsers use a worker instead (`browser/`). */

import type { InferenceSession } from 'onnxruntime-node'
import { type Tensor, throwIfAborted } from '../sdk/core/index.ts'
import { checkFeeds } from './feeds.ts'
import { closed, failed, fromOrt, LOG_FATAL, type Ort, ortReason, refused, toOrt, valueInfos } from './ort.ts'
import { SerialQueue } from './queue.ts'
import type { Feeds, Session, ValueInfo } from './types.ts'

class OrtSession implements Session {
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  readonly #target: string
  readonly #ort: Ort
  readonly #session: InferenceSession
  readonly #queue = new SerialQueue()
  #closing: Promise<void> | undefined

  constructor(target: string, ort: Ort, session: InferenceSession) {
    this.#target = target
    this.#ort = ort
    this.#session = session
    this.inputs = valueInfos(session.inputMetadata)
    this.outputs = valueInfos(session.outputMetadata)
  }

  async run(feeds: Feeds, options: { signal?: AbortSignal } = {}): Promise<Record<string, Tensor>> {
    if (this.#closing) throw closed()
    checkFeeds(this.inputs, feeds)
    return this.#queue.run(async () => {
      try {
        return fromOrt(await this.#session.run(toOrt(this.#ort, feeds), { logSeverityLevel: LOG_FATAL }))
      } catch (error) {
        throw failed(this.#target, ortReason(error), error)
      }
    }, options.signal)
  }

  close(): Promise<void> {
    this.#closing ??= this.#queue.close(closed()).then(() => this.#session.release())
    return this.#closing
  }
}

/**
 * Creates a session in this process.
 *
 * @throws HardpackError `UNSUPPORTED_MODEL` with the runtime's reason, `ABORTED`.
 */
export async function createOrtSession(
  target: string,
  ort: Ort,
  model: Uint8Array,
  options: InferenceSession.SessionOptions,
  signal?: AbortSignal,
): Promise<Session> {
  throwIfAborted(signal)
  let session: InferenceSession
  try {
    session = await ort.InferenceSession.create(model, options)
  } catch (error) {
    throw refused(target, ortReason(error), error)
  }
  try {
    throwIfAborted(signal)
    return new OrtSession(target, ort, session)
  } catch (error) {
    await session.release()
    throw error
  }
}
