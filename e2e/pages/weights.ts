/** The page of `browser.test.ts`: decodes a package in the browser and says what came out. */

import { bestDecoder, typescriptDecoder } from '../../compress/decode.ts'
import { readPackage } from '../../sdk/container/read.ts'
import { bytesSource, sha256, toHex } from '../../sdk/core/index.ts'
import { decodeChunks, mainGraph, onnxFile } from '../../sdk/open/load.ts'

/** SHA-256 of all decoded chunks and of the ONNX file, by decoder. */
export async function digests(bytes: Uint8Array): Promise<Record<string, [string, string]>> {
  const source = bytesSource(bytes)
  const opened = await readPackage(source, { trust: 'unsigned' })
  const all: Record<string, [string, string]> = {}
  for (const decoder of [typescriptDecoder(), await bestDecoder()]) {
    const arena = await decodeChunks(source, opened, decoder)
    const file = onnxFile(arena, mainGraph(opened.manifest))
    all[decoder.name] = [toHex(await sha256(arena.bytes)), toHex(await sha256(file))]
  }
  return all
}

Object.assign(globalThis, {
  digestsOf: async (url: string) => digests(new Uint8Array(await (await fetch(url)).arrayBuffer())),
})
