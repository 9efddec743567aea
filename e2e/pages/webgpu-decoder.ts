/** The page of `webgpu-decoder.test.ts`: decodes chunks on the GPU, all at once, and says what came out. */

import { webgpuDecoder } from '../../compress/webgpu/index.ts'
import { HardpackError, sha256, toHex } from '../../sdk/core/index.ts'

/** A chunk as JSON, its bytes as base64. */
export interface ChunkCase {
  readonly codec: number
  readonly rawLength: number
  readonly bytes: string
  readonly base?: string
}

const bytesOf = (text: string): Uint8Array => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))

async function casesOf(url: string): Promise<ChunkCase[]> {
  return (await fetch(url)).json()
}

async function newDevice(): Promise<GPUDevice> {
  const adapter = await navigator.gpu.requestAdapter()
  if (!adapter) throw new Error('no adapter')
  return adapter.requestDevice()
}

const codeOf = (error: unknown): string => (error instanceof HardpackError ? error.code : `untyped: ${error}`)

/** SHA-256 of the decoded bytes, or the code of the error. */
async function outcomeOf(decoder: Awaited<ReturnType<typeof webgpuDecoder>>, own: ChunkCase): Promise<string> {
  const out = new Uint8Array(own.rawLength)
  try {
    await decoder.decode(own.codec, bytesOf(own.bytes), out, own.base === undefined ? undefined : bytesOf(own.base))
  } catch (error) {
    return codeOf(error)
  }
  return toHex(await sha256(out))
}

export const page = {
  hasAdapter: async (): Promise<boolean> => Boolean(await navigator.gpu?.requestAdapter()),

  async outcomes(url: string): Promise<string[]> {
    const device = await newDevice()
    const decoder = await webgpuDecoder(device)
    const outcomes = await Promise.all((await casesOf(url)).map((own) => outcomeOf(decoder, own)))
    device.destroy()
    return outcomes
  },

  /** Outcomes of chunks under way when the device is lost, and of one that comes after. */
  async lostDevice(url: string): Promise<string[]> {
    const device = await newDevice()
    const decoder = await webgpuDecoder(device)
    const cases = await casesOf(url)
    const underWay = cases.map((own) => outcomeOf(decoder, own))
    await undefined
    device.destroy()
    return [...(await Promise.all(underWay)), await outcomeOf(decoder, cases[0] as ChunkCase)]
  },

  /** The code of the error on a device that does not take the shader. */
  async refusal(): Promise<string> {
    const device = await newDevice()
    const module = device.createShaderModule({ code: 'no shader' })
    device.createShaderModule = () => module
    return webgpuDecoder(device).then(() => 'no error', codeOf)
  },
}

Object.assign(globalThis, { e2e: page })
