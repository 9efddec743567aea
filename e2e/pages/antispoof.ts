/** The page of `bench:antispoof`: both packages opened in the browser, and photos judged there. */

import { open } from '../../sdk/index.ts'
import type { Pixels } from '../../sdk/pack/samples/resize.ts'
import { wasm } from '../../targets/browser/wasm.ts'
import { webgpu } from '../../targets/browser/webgpu.ts'
import { type Chain, timedLook } from '../bench/antispoof/chain.ts'

const TARGETS = { wasm, webgpu }

export type PageTarget = keyof typeof TARGETS

/** Where the page finds a photo: its file, and its pixels as Node decoded them. */
export interface PagePhoto {
  readonly file: string
  readonly pixels: string
  readonly width: number
  readonly height: number
}

let chain: Chain | undefined

const bytesAt = async (url: string): Promise<ArrayBuffer> => (await fetch(url)).arrayBuffer()

/** A photo as this browser decodes it, turned as its EXIF says. */
async function decoded(url: string): Promise<Pixels> {
  const bitmap = await createImageBitmap(new Blob([await bytesAt(url)]))
  const { width, height } = bitmap
  const context = new OffscreenCanvas(width, height).getContext('2d')
  if (!context) throw new Error('no canvas')
  context.drawImage(bitmap, 0, 0)
  const rgba = context.getImageData(0, 0, width, height).data
  const data = new Uint8Array(width * height * 3)
  for (let i = 0; i < width * height; i++) for (let c = 0; c < 3; c++) data[3 * i + c] = rgba[4 * i + c]
  return { width, height, channels: 3, data }
}

export const page = {
  /** Why a target cannot run here; `null` when it can. */
  async reason(name: PageTarget): Promise<string | null> {
    const { available, reason } = await TARGETS[name]().probe()
    return available ? null : (reason ?? 'not available')
  },

  /** Opens both packages on a target, and says which device runs them. */
  async open(name: PageTarget, detector: string, classifier: string): Promise<string> {
    const options = { targets: [TARGETS[name]()], trust: 'unsigned' } as const
    chain = { detector: await open(detector, options), classifier: await open(classifier, options) }
    return chain.classifier.report().device ?? name
  },

  /** @param own whether the browser decodes the file itself */
  async look({ file, pixels, width, height }: PagePhoto, own: boolean): Promise<string> {
    if (!chain) throw new Error('open() comes first')
    const photo = own
      ? await decoded(file)
      : { width, height, channels: 3, data: new Uint8Array(await bytesAt(pixels)) }
    return JSON.stringify(await timedLook(chain, photo))
  },

  async close(): Promise<void> {
    await chain?.detector.close()
    await chain?.classifier.close()
    chain = undefined
  },
}

Object.assign(globalThis, { antispoof: page })
