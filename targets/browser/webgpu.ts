/**
 * The `webgpu` target: ONNX Runtime's native WebGPU provider, in a worker. It is the only provider asked for: where it
 * cannot start, `create` throws and the caller decides, since ONNX Runtime itself would go on with WebAssembly and say
 * so on the console only. (Single operators that the provider lacks still run on the CPU, inside the same session.)
 */

import { messageOf } from '../../sdk/core/index.ts'
import type { Probe, Target } from '../types.ts'
import { type BrowserOptions, WorkerTarget } from './worker-target.ts'

export type WebgpuOptions = BrowserOptions

/** How software adapters call themselves: Chromium's, Mesa's, Windows'. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render|software/i

/**
 * The GPU of a browser.
 *
 * @example
 * const { available, reason, device } = await webgpu().probe()
 */
export function webgpu(options: WebgpuOptions = {}): Target {
  return new WorkerTarget({ provider: 'webgpu', options, threads: 1, probe })
}

async function probe(): Promise<Probe> {
  if (typeof navigator === 'undefined' || !('gpu' in navigator) || !navigator.gpu) {
    const insecure = globalThis.isSecureContext === false
    return {
      available: false,
      reason: insecure ? 'WebGPU needs a secure context (HTTPS)' : 'this browser has no WebGPU',
    }
  }
  try {
    const adapter = await navigator.gpu.requestAdapter()
    if (!adapter) return { available: false, reason: 'the browser gives no WebGPU adapter' }
    const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info
    const text = [vendor, architecture, device, description].filter(Boolean).join(' ') || 'unnamed adapter'
    const software = isFallbackAdapter || SOFTWARE.test(text)
    return { available: true, device: text, ...(software && { reason: 'software adapter' }) }
  } catch (error) {
    return { available: false, reason: `the WebGPU adapter failed: ${messageOf(error)}` }
  }
}
