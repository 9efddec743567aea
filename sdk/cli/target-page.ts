/** The page behind `chromium-target.ts`: the browser's targets, called from outside. Tensors travel as base64. */

import { wasm } from '../../targets/browser/wasm.ts'
import { webgpu } from '../../targets/browser/webgpu.ts'
import type { Feeds, OptimizationLevel, Probe, Session, Target, ValueInfo } from '../../targets/types.ts'
import { HardpackError } from '../core/index.ts'
import { fromWire, mapped, toWire, type WireTensor } from './wire-tensor.ts'

export type BrowserTargetName = 'wasm' | 'webgpu'

/** What a call gave, or the error that it threw. */
export type Answer<T> = { readonly value: T } | { readonly code: HardpackError['code']; readonly message: string }

export interface SessionInfo {
  readonly id: number
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
}

export interface TargetPage {
  probe(name: BrowserTargetName): Promise<Answer<Probe>>
  /** @param url of the ONNX file @param external URLs of its external data by path */
  create(
    name: BrowserTargetName,
    url: string,
    external: readonly { path: string; url: string }[],
    optimization: OptimizationLevel | undefined,
  ): Promise<Answer<SessionInfo>>
  run(
    id: number,
    feeds: Readonly<Record<string, WireTensor>>,
    outputs: readonly string[] | undefined,
  ): Promise<Answer<Record<string, WireTensor>>>
  close(id: number): Promise<Answer<undefined>>
}

/** A batch on a software adapter may take minutes. */
const OPTIONS = { runTimeoutMs: 30 * 60_000 }
const TARGETS: Readonly<Record<BrowserTargetName, Target>> = { wasm: wasm(OPTIONS), webgpu: webgpu(OPTIONS) }
const sessions: Session[] = []

const fetched = async (url: string): Promise<Uint8Array> => new Uint8Array(await (await fetch(url)).arrayBuffer())

async function answer<T>(call: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await call() }
  } catch (error) {
    if (error instanceof HardpackError) return { code: error.code, message: error.message }
    throw error
  }
}

const page: TargetPage = {
  probe: (name) => answer(() => TARGETS[name].probe()),

  create: (name, url, external, optimization) =>
    answer(async () => {
      const externalData = await Promise.all(
        external.map(async ({ path, url }) => ({ path, data: await fetched(url) })),
      )
      const graph = { model: await fetched(url), ...(externalData.length > 0 ? { externalData } : {}) }
      const session = await TARGETS[name].create(graph, { optimization })
      const { inputs, outputs } = session
      return { id: sessions.push(session) - 1, inputs, outputs }
    }),

  run: (id, feeds, outputs) =>
    answer(async () => mapped(await sessions[id].run(mapped(feeds, fromWire) as Feeds, { outputs }), toWire)),

  close: (id) => answer(async () => void (await sessions[id].close())),
}

Object.assign(globalThis, { hardpackTargets: page })
