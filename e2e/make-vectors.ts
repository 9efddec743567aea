/**
 * Makes the golden vectors: `node dist/e2e/make-vectors.js > compress/vectors/vectors.ts`. To be run when a format is
 * added, and never to make a red test green: files that exist have to open.
 */

import { createHash } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { CODECS, type EncodedChunk, encodeBytes, encodeWeights, typescriptDecoder } from '../compress/index.ts'
import { baseBytes, samples, TEXT } from '../compress/vectors/samples.ts'

const COLUMNS = 100

/** The chunks to keep, by name. */
async function chunks(): Promise<[string, EncodedChunk][]> {
  const made: [string, EncodedChunk][] = []
  for (const [name, tensors] of Object.entries(samples())) {
    for (const chunk of (await encodeWeights(tensors)).chunks) made.push([name, chunk])
  }
  const text = new TextEncoder().encode(TEXT)
  const deflated = new Uint8Array(deflateRawSync(text))
  made.push(['text, mixed', (await encodeBytes(text))[0]])
  made.push(['text, deflated', { codec: CODECS.deflate, rawLength: text.length, bytes: deflated }])
  return made
}

async function source(name: string, { codec, rawLength, bytes, base }: EncodedChunk): Promise<string> {
  const out = new Uint8Array(rawLength)
  await typescriptDecoder().decode(codec, bytes, out, base && baseBytes(rawLength))
  const base64 = Buffer.from(bytes).toString('base64')
  const lines = base64.match(new RegExp(`.{1,${COLUMNS}}`, 'g')) ?? []
  return `  {
    name: '${name}',
    codec: ${codec},
    rawLength: ${rawLength},
    hasBase: ${base !== undefined},
    sha256: '${createHash('sha256').update(out).digest('hex')}',
    base64: ${lines.length === 1 ? `'${base64}'` : `[\n${lines.map((line) => `      '${line}',\n`).join('')}    ].join('')`},
  },
`
}

const sources: string[] = []
for (const [name, chunk] of await chunks()) sources.push(await source(name, chunk))
process.stdout.write(`/** Chunks as bytes that never change, made by \`e2e/make-vectors.ts\`, and what they decode to. */

export interface Vector {
  readonly name: string
  readonly codec: number
  readonly rawLength: number
  /** Whether it is decoded with \`baseBytes(rawLength)\`. */
  readonly hasBase: boolean
  /** Of the decoded bytes. */
  readonly sha256: string
  readonly base64: string
}

export const VECTORS: readonly Vector[] = [
${sources.join('')}]
`)
