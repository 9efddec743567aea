/** The page that `hardpack parity` and `hardpack doctor` open in Chromium: one call for each browser target. */

import { wasm } from '../../targets/browser/wasm.ts'
import { webgpu } from '../../targets/browser/webgpu.ts'
import { bytesSource } from '../core/source.ts'
import { parity, type TargetParity } from '../open/parity.ts'

const TARGETS = { wasm, webgpu }

export type BrowserTarget = keyof typeof TARGETS

export interface ParityPage {
  /** Measures a target on the package at `url`, with its base; without one only says whether the target is there. */
  measure(name: BrowserTarget, url?: string, baseUrl?: string): Promise<TargetParity>
}

const page: ParityPage = {
  async measure(name, url, baseUrl) {
    const target = TARGETS[name]()
    if (url === undefined) {
      const probe = await target.probe()
      return { target: name, ...probe, maxAbsDiff: null, withinTolerance: false, latencyMs: null }
    }
    const fetched = async (from: string) => bytesSource(new Uint8Array(await (await fetch(from)).arrayBuffer()))
    const base = baseUrl === undefined ? undefined : await fetched(baseUrl)
    const [row] = await parity(await fetched(url), [target], { trust: 'unsigned', base })
    return row
  },
}

Object.assign(globalThis, { hardpackParity: page })
