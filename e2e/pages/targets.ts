/** The page of `targets.test.ts`: the contract suite, and the faults that only a browser has. */

import { HardpackError } from '../../sdk/core/index.ts'
import { ASSETS } from '../../targets/browser/assets.ts'
import { type WasmOptions, wasm } from '../../targets/browser/wasm.ts'
import { webgpu } from '../../targets/browser/webgpu.ts'
import { type ContractResult, contractSuite } from '../../targets/contract.ts'
import { arithmetic, float32 } from '../../targets/contract-models.ts'
import type { Probe, Session } from '../../targets/types.ts'

const targets = { wasm, webgpu }

/** The name of the channel on which `faulty-worker.ts` listens. */
const FAULTS = 'hardpack-faults'

const sumOf = async (session: Session): Promise<number[]> => {
  const { sum } = await session.run({ a: float32([2], 1, 2), b: float32([2], 3, 5) })
  return Array.from(sum!.data, Number)
}

/** The code of the error that a promise is rejected with, or what it gave. */
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => `no error but ${JSON.stringify(value)}`,
    (error: unknown) => (error instanceof HardpackError ? error.code : `untyped: ${error}`),
  )

async function destroyDevice(): Promise<void> {
  const channel = new BroadcastChannel(FAULTS)
  const destroyed = new Promise((resolve) => channel.addEventListener('message', resolve, { once: true }))
  channel.postMessage('destroy')
  await destroyed
  channel.close()
}

export const page = {
  hasShaderF16: async () => (await navigator.gpu?.requestAdapter())?.features.has('shader-f16') ?? false,

  probe: (name: keyof typeof targets): Promise<Probe> => targets[name]().probe(),

  /** With a session that stays open, so that the worker lives from check to check. */
  async contract(name: keyof typeof targets, skip: Record<string, string> = {}): Promise<ContractResult[]> {
    const target = targets[name]()
    const anchor = (await target.probe()).available ? await target.create(arithmetic) : undefined
    try {
      return await contractSuite({ target, skip })
    } finally {
      await anchor?.close()
    }
  },

  /** A session, a run and a close; then again, in a worker of its own. */
  async twice(name: keyof typeof targets): Promise<number[][]> {
    const target = targets[name]()
    const sums: number[][] = []
    for (let time = 0; time < 2; time++) {
      const session = await target.create(arithmetic)
      sums.push(await sumOf(session))
      await session.close()
    }
    return sums
  },

  /** The code of the error that creating a session ends with. */
  async refusal(name: keyof typeof targets, options: WasmOptions): Promise<string> {
    return codeOf(targets[name]({ ...options, assets: { ...ASSETS, ...options.assets } }).create(arithmetic))
  },

  /** Codes of a run under way, one that waits, and one that comes later when the device is lost; then a new session. */
  async lostDevice(): Promise<{ codes: string[]; sum: number[] }> {
    const target = webgpu({ assets: { ...ASSETS, worker: 'faulty-worker.js' } })
    const session = await target.create(arithmetic)
    const underWay = [codeOf(sumOf(session)), codeOf(sumOf(session))]
    await destroyDevice()
    const codes = [...(await Promise.all(underWay)), await codeOf(sumOf(session))]
    await session.close()
    const next = await target.create(arithmetic)
    const sum = await sumOf(next)
    await next.close()
    return { codes, sum }
  },

  /** A run, and what the target then says, where threads cannot start. */
  async withoutThreads(): Promise<{ sum: number[]; reason: string | undefined }> {
    const target = wasm({ threads: 2 })
    const session = await target.create(arithmetic)
    const sum = await sumOf(session)
    await session.close()
    return { sum, reason: (await target.probe()).reason }
  },

  /** What `webgpu().probe()` says where the browser has no WebGPU, and where it has no adapter. */
  async absentAdapters(): Promise<Probe[]> {
    const probes: Probe[] = []
    for (const gpu of [undefined, { requestAdapter: async () => null }]) {
      Object.defineProperty(navigator, 'gpu', { value: gpu, configurable: true })
      probes.push(await webgpu().probe())
    }
    Reflect.deleteProperty(navigator, 'gpu')
    return probes
  },
}

Object.assign(globalThis, { e2e: page })
