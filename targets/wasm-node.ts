/**
 * The `wasm` target in Node: ONNX Runtime compiled to WebAssembly, in this process, on one thread. It computes what
 * browsers compute, so packing checks a model on it. Browsers get `browser/wasm.ts` under the same name.
 */

import { HardpackError, messageOf } from '../sdk/core/index.ts'
import type { WasmOptions } from './browser/wasm.ts'
import { type Ort, ortOptions } from './ort.ts'
import { createOrtSession } from './ort-session.ts'
import type { Target } from './types.ts'

/**
 * WebAssembly in a Node process. Loading and running block the event loop.
 *
 * @param _options those of the browser, so that one call fits both; none applies here
 * @example
 * const session = await wasm().create({ model: await readFile('model.onnx') }, { optimization: 'disabled' })
 */
export function wasm(_options?: WasmOptions): Target {
  return {
    name: 'wasm',

    async probe() {
      try {
        await load()
        return { available: true, reason: 'one thread', device: 'WebAssembly in Node' }
      } catch (error) {
        return { available: false, reason: messageOf(error) }
      }
    },

    async create(graph, { optimization, signal } = {}) {
      const ort = await load()
      return createOrtSession('wasm', ort, graph.model, ortOptions(graph, 'wasm', optimization), signal)
    },
  }
}

async function load(): Promise<Ort> {
  try {
    const ort = await import('onnxruntime-web/wasm')
    ort.env.wasm.numThreads = 1
    return ort
  } catch (error) {
    throw new HardpackError(
      'TARGET_UNAVAILABLE',
      `Target wasm expected the package onnxruntime-web to load, got: ${messageOf(error)}.`,
      { hint: 'Run `npm install onnxruntime-web`.', cause: error },
    )
  }
}
