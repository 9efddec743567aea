/** Packages of many chunks of weights for the tests of this room. */

import { encodeWeights } from '../../compress/index.ts'
import type { EncodedChunk } from '../../compress/types.ts'
import type { Manifest } from '../container/manifest.ts'
import { type ChunkInput, writePackage } from '../container/write.ts'
import { type Bytes, rng, sha256 } from '../core/index.ts'

/** A chunk of random weights, `rows` times 64 of four bytes, and what it decodes to. */
export async function weightsChunk(rows: number, seed: number): Promise<{ chunk: ChunkInput; raw: Bytes }> {
  const random = rng(seed)
  const data = Float32Array.from({ length: 64 * rows }, () => random.uniform() + random.uniform() - 1)
  const raw = new Uint8Array(data.buffer)
  const { chunks } = await encodeWeights([{ dtype: 'float32', shape: [rows, 64], bytes: raw }])
  const [{ codec, rawLength, bytes }] = chunks as [EncodedChunk]
  return { chunk: { codec, rawLength, bytes, rawDigest: await sha256(raw) }, raw }
}

/** An unsigned package that holds nothing but these chunks. */
export function packageOf(chunks: readonly ChunkInput[]): Promise<Bytes> {
  const byteLength = chunks.reduce((sum, { rawLength }) => sum + rawLength, 0)
  const manifest: Omit<Manifest, 'chunks'> = {
    name: 'chunks',
    release: 1,
    generator: '',
    critical: [],
    license: '',
    graphs: [
      {
        name: 'main',
        skeleton: chunks.map(({ rawLength }, chunk) => ({ chunk, start: 0, length: rawLength })),
        tensors: [],
        inputs: [],
        outputs: [],
        byteLength,
        digest: new Uint8Array(32),
      },
    ],
    golden: [],
  }
  return writePackage(manifest, chunks)
}
