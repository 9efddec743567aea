/** Weights into chunks: each part by the circuit or byte codec that makes its chunk smallest, everything counted. */

import { type CallOptions, throwIfAborted } from '../../sdk/core/index.ts'
import { deflate } from '../bytes/encode.ts'
import { CODECS, type EncodedChunk, type EncodedTensor, type EncodedWeights, type WeightTensor } from '../types.ts'
import { BYTE } from './elements.ts'
import { encodeChunk } from './encode-chunk.ts'
import { DEFLATE, RAW } from './header.ts'
import { type Part, splitTensors } from './split.ts'

/** Parts shorter than this are tried in a pool first: their latents and planes cost more than they save. */
const SMALL = 1 << 10

interface Candidate extends EncodedChunk {
  readonly circuits: readonly string[]
  /** Share of each part. */
  readonly shares: readonly number[]
}

const circuitOf = (method: number): string =>
  method < BYTE ? 'A' : method === BYTE ? 'Q' : method === RAW ? 'raw' : method === DEFLATE ? 'deflate' : 'mix'

function plain(codec: number, bytes: Uint8Array, parts: readonly Part[], rawLength: number): Candidate {
  return {
    codec,
    rawLength,
    bytes,
    circuits: parts.map(() => (codec === CODECS.raw ? 'raw' : 'deflate')),
    shares: parts.map((part) => part.bytes.length / rawLength),
  }
}

function encodeParts(parts: readonly Part[]): Candidate {
  const rawLength = parts.reduce((sum, part) => sum + part.bytes.length, 0)
  const raw = new Uint8Array(rawLength)
  let position = 0
  for (const part of parts) {
    raw.set(part.bytes, position)
    position += part.bytes.length
  }
  const deflated = parts.map((part) => deflate(part.bytes).length)
  const pool = parts.map((part, i) => (deflated[i] < part.bytes.length ? DEFLATE : RAW))
  const candidates = [plain(CODECS.raw, raw, parts, rawLength), plain(CODECS.deflate, deflate(raw), parts, rawLength)]
  const add = (methods: readonly number[]): Candidate => {
    const encoded = encodeChunk(parts, methods)
    const total = encoded.parts.reduce((sum, part) => sum + part.bits, 0)
    const candidate = {
      codec: CODECS.weights,
      rawLength,
      bytes: encoded.bytes,
      circuits: encoded.parts.map((part) => circuitOf(part.method)),
      shares: encoded.parts.map((part) => part.bits / total),
    }
    candidates.push(candidate)
    return candidate
  }
  const all = parts.map((part, i) => part.stream ?? pool[i])
  if (all.some((method) => method < RAW)) {
    const first = add(all)
    const sizes = first.shares.map((share) => share * first.bytes.length)
    add(parts.map((part, i) => (all[i] < RAW && (part.bytes.length < SMALL || sizes[i] > deflated[i]) ? pool[i] : all[i])))
    add(parts.map((_, i) => (all[i] < RAW && sizes[i] > deflated[i] ? pool[i] : all[i])))
  }
  add(pool)
  return candidates.reduce((best, candidate) => (candidate.bytes.length < best.bytes.length ? candidate : best))
}

/**
 * Encodes tensors into chunks of about 1 MiB, in the order given.
 *
 * @returns the chunks, and for each tensor its ranges; a tensor without elements has none
 * @throws HardpackError `INVALID_ARGUMENT` for a tensor whose bytes do not fit its shape; `ABORTED`.
 * @example
 * const { chunks, tensors } = await encodeWeights([{ dtype: 'float32', shape: [64, 32], bytes }])
 */
export async function encodeWeights(tensors: readonly WeightTensor[], options: CallOptions = {}): Promise<EncodedWeights> {
  const split = splitTensors(tensors)
  const chunks: EncodedChunk[] = []
  const ranges = tensors.map((): { chunk: number; start: number; length: number }[] => [])
  const circuits = tensors.map((): string[] => [])
  const packed = tensors.map(() => 0)
  const total = tensors.reduce((sum, tensor) => sum + tensor.bytes.length, 0)
  let done = 0
  for (const parts of split) {
    await new Promise((resolve) => setTimeout(resolve))
    throwIfAborted(options.signal)
    const { codec, rawLength, bytes, circuits: names, shares } = encodeParts(parts)
    let start = 0
    parts.forEach((part, i) => {
      const length = part.bytes.length
      const last = ranges[part.tensor].at(-1)
      if (last?.chunk === chunks.length) ranges[part.tensor][ranges[part.tensor].length - 1] = { ...last, length: last.length + length }
      else ranges[part.tensor].push({ chunk: chunks.length, start, length })
      start += length
      packed[part.tensor] += shares[i] * bytes.length
      if (!circuits[part.tensor].includes(names[i])) circuits[part.tensor].push(names[i])
    })
    chunks.push({ codec, rawLength, bytes })
    done += rawLength
    options.onProgress?.({ stage: 'encode weights', done, total })
  }
  const encoded = tensors.map(
    (_, i): EncodedTensor => ({
      circuit: circuits[i].join('+') || 'raw',
      ranges: ranges[i],
      packedBytes: Math.round(packed[i]),
    }),
  )
  return { chunks, tensors: encoded }
}
