/** A session in this process: onnxruntime-node, or onnxruntime-web in Node. Browsers use a worker instead (`browser/`). */

import type { InferenceSession } from 'onnxruntime-node'
import { throwIfAborted } from '../sdk/core/index.ts'
import { failed, fromOrt, LOG_FATAL, type Ort, ortReason, refused, toOrt, valueInfos } from './ort.ts'
import { QueuedSession } from './queued-session.ts'
import type { Session } from './types.ts'

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
    return new QueuedSession({
      inputs: valueInfos(session.inputMetadata),
      outputs: valueInfos(session.outputMetadata),
      release: () => session.release(),
      async run(feeds, wanted) {
        try {
          return fromOrt(await session.run(toOrt(ort, feeds), wanted, { logSeverityLevel: LOG_FATAL }))
        } catch (error) {
          throw failed(target, ortReason(error), error)
        }
      },
    })
  } catch (error) {
    await session.release()
    throw error
  }
}
