/** Until the WebAssembly twin is written: the kernel in TypeScript under its name. */

import { type Kernel, typescriptKernel } from './kernel.ts'

export async function wasmKernel(): Promise<Kernel> {
  return { ...typescriptKernel(), name: 'wasm' }
}
