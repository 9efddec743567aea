/** The WebAssembly SIMD twin of the kernel, `assembly/kernel.ts`: 20 pages of memory, once, for a decoder's whole life. */

import { HardpackError } from '../../sdk/core/index.ts'
import { KERNEL } from './kernel.generated.ts'
import { INPUT_BYTES, type Kernel } from './kernel.ts'
import { BLOCK, MAX_TABLES, TOTAL } from './rans.ts'

const PAGES = 20

interface Exports {
  offset(index: number): number
  spread(at: number, count: number, first: number, length: number): void
  symbols(stream: number, count: number, words: number): number
  merge(stream: number, count: number, living: number, dead: number, planes: number, escapes: number): number
}

/**
 * The kernel in WebAssembly.
 *
 * @throws HardpackError `TARGET_UNAVAILABLE` where WebAssembly or its SIMD instructions are missing, or a
 *   Content-Security-Policy forbids compiling it.
 */
export async function wasmKernel(): Promise<Kernel> {
  let memory: WebAssembly.Memory
  let kernel: Exports
  try {
    memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES })
    const bytes = Uint8Array.from(atob(KERNEL), (character) => character.charCodeAt(0))
    const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } })
    kernel = instance.exports as unknown as Exports
  } catch (cause) {
    throw new HardpackError('TARGET_UNAVAILABLE', 'The decoder expected WebAssembly with SIMD, got none.', {
      hint: "Use the TypeScript decoder, or allow 'wasm-unsafe-eval' in the Content-Security-Policy.",
      cause,
    })
  }
  const { buffer } = memory
  return {
    name: 'wasm',
    tables: new Uint32Array(buffer, kernel.offset(0), MAX_TABLES * TOTAL),
    pattern: new Uint8Array(buffer, kernel.offset(1), BLOCK),
    rows: new Uint8Array(buffer, kernel.offset(2), BLOCK),
    input: new Uint8Array(buffer, kernel.offset(3), INPUT_BYTES),
    escapes: new Uint16Array(buffer, kernel.offset(4), BLOCK),
    output: new Uint8Array(buffer, kernel.offset(5), 4 * BLOCK),
    spread: kernel.spread,
    symbols: (stream, count, words) => kernel.symbols(stream, count, words) === 1,
    merge: kernel.merge,
  }
}
