/** The page of `vectors.test.ts`: decodes the golden vectors in the engine it is opened in, and posts what came out. */

import { typescriptDecoder, wasmDecoder } from '../../compress/decode.ts'
import { VECTORS } from '../../compress/vectors/vectors.ts'
import { messageOf, sha256, toHex } from '../../sdk/core/index.ts'

/** What an engine says: SHA-256 of each decoded vector by decoder, or why there is none. */
export type EngineReport =
  | { readonly engine: string; readonly digests: Readonly<Record<string, Readonly<Record<string, string>>>> }
  | { readonly error: string }

async function digests(): Promise<Record<string, Record<string, string>>> {
  const all: Record<string, Record<string, string>> = {}
  for (const decoder of [typescriptDecoder(), await wasmDecoder()]) {
    const own: Record<string, string> = {}
    for (const { name, codec, rawLength, base64 } of VECTORS) {
      const out = new Uint8Array(rawLength)
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
      await decoder.decode(codec, bytes, out)
      own[name] = toHex(await sha256(out))
    }
    all[decoder.name] = own
  }
  return all
}

const report: EngineReport = await digests().then(
  (all) => ({ engine: navigator.userAgent, digests: all }),
  (error) => ({ error: messageOf(error) }),
)
await fetch('report', { method: 'POST', body: JSON.stringify(report) })
