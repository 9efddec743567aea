/** The page of `browser.test.ts`: decodes a package in the browser and says what came out. */

import { typescriptDecoder, wasmDecoder } from '../../compress/decode.ts'
import { browserWorkers } from '../../compress/pool/browser.ts'
import { DecoderPool, type Workers } from '../../compress/pool/pool.ts'
import { readPackage } from '../../sdk/container/read.ts'
import { bytesSource, sha256, toHex } from '../../sdk/core/index.ts'
import { decodeChunks, mainGraph, onnxFile } from '../../sdk/open/load.ts'

/** What each decoder calls itself, and the SHA-256 of all that it decoded and of the ONNX file. */
export type Digests = Record<'typescript' | 'wasm' | 'pool', { decoder: string; weights: string; file: string }>

export async function digests(bytes: Uint8Array, workers: Workers): Promise<Digests> {
  const source = bytesSource(bytes)
  const opened = await readPackage(source, { trust: 'unsigned' })
  const pool = new DecoderPool(workers, 2)
  const decoders = { typescript: typescriptDecoder(), wasm: await wasmDecoder(), pool }
  try {
    const entries = Object.entries(decoders).map(async ([kind, decoder]) => {
      const arena = await decodeChunks(source, opened, decoder)
      const weights = toHex(await sha256(arena.bytes))
      const file = toHex(await sha256(onnxFile(arena, mainGraph(opened.manifest))))
      return [kind, { decoder: decoder.name, weights, file }]
    })
    return Object.fromEntries(await Promise.all(entries))
  } finally {
    pool.close()
  }
}

Object.assign(globalThis, {
  digestsOf: async (url: string) => digests(new Uint8Array(await (await fetch(url)).arrayBuffer()), browserWorkers),
})
