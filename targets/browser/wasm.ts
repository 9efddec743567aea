/** The `wasm` target in a browser: ONNX Runtime on the CPU, in a worker. Node gets `wasm-node.ts` under the same name. */

import { HardpackError } from '../../sdk/core/index.ts'
import type { Target } from '../types.ts'
import { type BrowserOptions, WorkerTarget } from './worker-target.ts'

export interface WasmOptions extends BrowserOptions {
  /** Threads of one run. One unless the page is cross-origin isolated, then one a core, four at most. */
  threads?: number
}

const MOST_THREADS = 4

/**
 * WebAssembly in a worker of the page.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for `threads` that is no positive integer.
 * @example
 * const model = await open('model.hpk', { targets: [webgpu(), wasm()] })
 */
export function wasm(options: WasmOptions = {}): Target {
  const { threads } = options
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads > 0)) {
    throw new HardpackError('INVALID_ARGUMENT', `wasm() expected threads to be a positive integer, got ${threads}.`)
  }
  const isolated = globalThis.crossOriginIsolated === true
  const several = threads ?? Math.min(globalThis.navigator?.hardwareConcurrency ?? 1, MOST_THREADS)
  return new WorkerTarget({
    provider: 'wasm',
    options,
    threads: isolated ? several : 1,
    async probe() {
      if (typeof Worker === 'undefined' || typeof WebAssembly === 'undefined') {
        return { available: false, reason: 'this place has no Worker or no WebAssembly' }
      }
      const probe = { available: true, device: 'WebAssembly' }
      return isolated ? probe : { ...probe, reason: 'one thread, since the page is not cross-origin isolated' }
    },
  })
}
