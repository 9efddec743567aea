/**
 * The worker in which ONNX Runtime lives in a browser (`hardpack/worker`). After a lost device its `run()` never
 * settles and no new session works, so it has to be somewhere that can be killed. One build, native WebGPU provider,
 * serves both `webgpu` and `wasm` from one WebAssembly file.
 */

import type { InferenceSession } from 'onnxruntime-web/webgpu'
import * as ort from 'onnxruntime-web/webgpu'
import { HardpackError } from '../../sdk/core/index.ts'
import { failed, fromOrt, LOG_FATAL, ortOptions, ortReason, refused, toOrt, valueInfos } from '../ort.ts'
import type { Answers, CreateRequest, Failure, Message, Request, RunRequest } from './protocol.ts'

const sessions = new Map<number, { readonly session: InferenceSession; readonly target: string }>()
let watched: GPUDevice | undefined

const post = (message: Message, transfer: Transferable[] = []): void => self.postMessage(message, { transfer })

/** onnxruntime-common's words for a provider that did not start: files missing, no adapter, no memory. */
const NO_BACKEND = /^no available backend found\. ERR: /

function failureOf(error: unknown): Failure {
  if (!(error instanceof HardpackError))
    return { code: 'TARGET_FAILED', message: ortReason(error), hint: undefined, fatal: true }
  const { code, hint, cause } = error
  const message = hint ? error.message.slice(0, -hint.length - 1) : error.message
  return { code, message, hint, fatal: code === 'TARGET_UNAVAILABLE' || cause instanceof WebAssembly.RuntimeError }
}

/** Makes sure that a WebGPU session has a device, and tells the page when it is lost. */
async function watchDevice(): Promise<void> {
  const device: GPUDevice | undefined = await ort.env.webgpu.device
  if (!device) {
    throw new HardpackError('TARGET_UNAVAILABLE', 'Target webgpu expected a device, got a session on another provider.')
  }
  if (device === watched) return
  watched = device
  void device.lost.then(({ reason, message }) => post({ type: 'lost', reason: message || reason }))
}

async function create(request: CreateRequest): Promise<Answers['create']> {
  const { provider, graph } = request
  ort.env.wasm.wasmPaths = { mjs: request.mjs, wasm: request.wasm }
  ort.env.wasm.numThreads = request.threads
  let session: InferenceSession
  try {
    session = await ort.InferenceSession.create(graph.model, ortOptions(graph, provider, request.optimization))
  } catch (error) {
    const reason = ortReason(error)
    if (!NO_BACKEND.test(reason)) throw refused(provider, reason, error)
    throw new HardpackError(
      'TARGET_UNAVAILABLE',
      `Target ${provider} expected ONNX Runtime to start, got: ${reason.replace(NO_BACKEND, '')}.`,
      { hint: `Serve ${request.mjs} and ${request.wasm}.`, cause: error },
    )
  }
  try {
    if (provider === 'webgpu') await watchDevice()
    const answer = { inputs: valueInfos(session.inputMetadata), outputs: valueInfos(session.outputMetadata) }
    sessions.set(request.session, { session, target: provider })
    return answer
  } catch (error) {
    await session.release()
    throw error
  }
}

async function run({ session: id, feeds, wanted }: RunRequest): Promise<Answers['run']> {
  const { session, target } = sessions.get(id)!
  try {
    return fromOrt(await session.run(toOrt(ort, feeds), wanted, { logSeverityLevel: LOG_FATAL }))
  } catch (error) {
    throw failed(target, ortReason(error), error)
  }
}

async function release(id: number): Promise<undefined> {
  await sessions.get(id)?.session.release()
  sessions.delete(id)
}

function handle(request: Request): Promise<Answers[keyof Answers]> {
  if (request.type === 'create') return create(request)
  return request.type === 'run' ? run(request) : release(request.session)
}

self.addEventListener('message', async ({ data }: MessageEvent<{ id: number; request: Request }>) => {
  const { id, request } = data
  try {
    const value = await handle(request)
    const tensors = request.type === 'run' ? Object.values(value as Answers['run']) : []
    post(
      { type: 'answer', id, value },
      tensors.map(({ data }) => data.buffer as ArrayBuffer),
    )
  } catch (error) {
    post({ type: 'failure', id, failure: failureOf(error) })
  }
})

post({ type: 'ready' })
