/**
 * The run-time side: chunks back to bytes. Nothing here learns or encodes, so that a browser downloads a few kilobytes.
 * Both decoders give the same bytes; whatever is wrong with a chunk is `CHUNK_CORRUPT`.
 */

import { inflate } from './bytes/inflate.ts'
import { unmix } from './bytes/mix.ts'
import { type Kernel, typescriptKernel } from './coder/kernel.ts'
import { wasmKernel } from './coder/wasm-kernel.ts'
import { decodeCopies } from './copies/decode.ts'
import { corrupt } from './corrupt.ts'
import { CODECS, type Decoder } from './types.ts'
import { decodeWeights } from './weights/decode.ts'

export { CODECS, type Decoder } from './types.ts'

function decoderOf(kernel: Kernel): Decoder {
  const decoder: Decoder = {
    name: kernel.name,
    decode(codec, bytes, out, base) {
      if (codec === CODECS.raw) {
        if (bytes.length !== out.length) throw corrupt(`${out.length} bytes, got ${bytes.length}`)
        out.set(bytes)
      } else if (codec === CODECS.deflate) inflate(bytes, out)
      else if (codec === CODECS.mix) unmix(bytes, out)
      else if (codec === CODECS.weights) decodeWeights(kernel, bytes, out, base)
      else if (codec === CODECS.copies) decodeCopies(bytes, out, decoder.decode)
      else throw corrupt(`a known codec, got ${codec}`)
    },
  }
  return decoder
}

/** The decoder in plain TypeScript: runs everywhere. */
export function typescriptDecoder(): Decoder {
  return decoderOf(typescriptKernel())
}

/**
 * The decoder in WebAssembly SIMD: several times as fast.
 *
 * @throws HardpackError `TARGET_UNAVAILABLE` where WebAssembly or its SIMD instructions are missing, or a
 *   Content-Security-Policy forbids them.
 */
export async function wasmDecoder(): Promise<Decoder> {
  return decoderOf(await wasmKernel())
}

/** The fastest decoder that works here: WebAssembly, else TypeScript. */
export async function bestDecoder(): Promise<Decoder> {
  try {
    return await wasmDecoder()
  } catch {
    return typescriptDecoder()
  }
}
