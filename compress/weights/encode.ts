/** Weights into chunks: each part by the circuit or byte codec that makes its chunk smallest, everything counted. */

import {
  byteLength,
  type CallOptions,
  concat,
  elementCount,
  HardpackError,
  throwIfAborted,
} from '../../sdk/core/index.ts'
import { deflate, mix } from '../bytes/encode.ts'
import { appendRange, type RawRange, sliceRanges } from '../ranges.ts'
import {
  type BaseRange,
  CODECS,
  type EncodedChunk,
  type EncodedTensor,
  type EncodedWeights,
  type WeightTensor,
} from '../types.ts'
import { type ChunkCache, encodeChunk } from './encode-chunk.ts'
import { circuitOf, DEFLATE, MIX, RAW } from './header.ts'
import { findRepeats, type Run } from './repeats.ts'
import { type Part, splitTensors } from './split.ts'

/** Parts shorter than this are tried in a pool: their latents and planes cost more than they save. */
const SMALL = 1 << 10
/**
 * Mixed bytes decode a thousand times slower than a circuit: they are tried in chunks up to this length, where that is
 * no matter, and have to save this share.
 */
const MIX_LIMIT = 1 << 16
const MIX_GAIN = 0.15

interface Candidate extends EncodedChunk {
  readonly circuits: readonly string[]
  /** Share of each part in the encoded bytes. */
  readonly shares: readonly number[]
  /** The length by which candidates are compared. */
  readonly price: number
}

/** The chunk as one string of bytes under a byte codec. */
function plain(codec: number, name: string, bytes: Uint8Array, parts: readonly Part[]): Candidate {
  const rawLength = parts.reduce((sum, part) => sum + part.bytes.length, 0)
  return {
    codec,
    rawLength,
    bytes,
    circuits: parts.map(() => name),
    shares: parts.map((part) => part.bytes.length / rawLength),
    price: bytes.length + (codec === CODECS.mix ? MIX_GAIN * rawLength : 0),
  }
}

/** The chunk as circuits and pools, by the method of each part. */
function divided(parts: readonly Part[], methods: readonly number[], cache: ChunkCache): Candidate {
  const { bytes, bits } = encodeChunk(parts, methods, cache)
  const total = bits.reduce((sum, own) => sum + own, 0)
  const mixed = parts.reduce((sum, part, i) => sum + (methods[i] === MIX ? part.bytes.length : 0), 0)
  return {
    codec: CODECS.weights,
    rawLength: parts.reduce((sum, part) => sum + part.bytes.length, 0),
    bytes,
    circuits: methods.map(circuitOf),
    shares: bits.map((own) => own / total),
    price: bytes.length + MIX_GAIN * mixed,
  }
}

/** The smallest of the ways to encode a chunk. */
function encodeParts(parts: readonly Part[]): Candidate {
  const raw = concat(parts.map((part) => part.bytes))
  const deflated = parts.map((part) => deflate(part.bytes).length)
  const candidates = [plain(CODECS.raw, 'raw', raw, parts), plain(CODECS.deflate, 'deflate', deflate(raw), parts)]
  if (raw.length <= MIX_LIMIT) candidates.push(plain(CODECS.mix, 'mix', mix(raw), parts))

  const cache: ChunkCache = { streams: new Map(), pools: new Map() }
  /** Parts without a circuit, and those that `pooled` names, as bytes: mixed, too, in a small chunk. */
  const add = (pooled: (part: Part, index: number) => boolean): Candidate => {
    const inPool = parts.map((part, i) => part.stream === undefined || pooled(part, i))
    const pool = parts.reduce((sum, part, i) => sum + (inPool[i] ? part.bytes.length : 0), 0)
    const byDeflate = parts.map((part, i) => (deflated[i] < part.bytes.length ? DEFLATE : RAW))
    const variants = [parts.map((part, i) => (inPool[i] ? byDeflate[i] : (part.stream ?? RAW)))]
    if (pool > 0 && raw.length <= MIX_LIMIT)
      variants.push(parts.map((part, i) => (inPool[i] ? MIX : (part.stream ?? RAW))))
    const tried = variants.map((methods) => divided(parts, methods, cache))
    candidates.push(...tried)
    return tried[0]
  }
  const circuits = add(() => false)
  const saves = parts.map((_, i) => circuits.shares[i] * circuits.bytes.length <= deflated[i])
  add((_, i) => !saves[i])
  add((part, i) => part.bytes.length < SMALL || !saves[i])
  return candidates.reduce((best, candidate) => (candidate.price < best.price ? candidate : best))
}

/** What is left to encode of a tensor, and where its bytes are in that tensor. */
interface Piece extends WeightTensor {
  readonly source: readonly BaseRange[]
}

/** What the chunks hold of each piece. */
interface Placed {
  readonly ranges: RawRange[]
  readonly circuits: Set<string>
  packedBytes: number
}

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, i) => byte ^ b[i])

/** A part's place in its piece. */
const startOf = (part: Part, pieces: readonly Piece[]): number =>
  part.bytes.byteOffset - pieces[part.tensor].bytes.byteOffset

/** The smallest chunk of the parts' differences to their bases. */
function encodeDeltas(parts: readonly Part[], pieces: readonly Piece[]): Candidate & { base: readonly BaseRange[] } {
  const inner = encodeParts(
    parts.map((part) => {
      const start = startOf(part, pieces)
      return { ...part, bytes: xor(part.bytes, (pieces[part.tensor].base as Uint8Array).subarray(start)) }
    }),
  )
  return {
    ...inner,
    codec: CODECS.xor,
    bytes: concat([Uint8Array.of(inner.codec), inner.bytes]),
    circuits: inner.circuits.map(() => 'Δ'),
    base: parts.flatMap((part) => sliceRanges(pieces[part.tensor].source, startOf(part, pieces), part.bytes.length)),
  }
}

/** Whether a piece is smaller as its differences to its base, by the chunks that it would fill alone. */
function isNearBase(piece: Piece): boolean {
  if (piece.base === undefined) return false
  const sizeOf = (encode: (parts: readonly Part[]) => EncodedChunk): number =>
    splitTensors([piece]).reduce((sum, parts) => sum + encode(parts).bytes.length, 0)
  return sizeOf((parts) => encodeDeltas(parts, [piece])) < sizeOf(encodeParts)
}

/**
 * Encodes pieces into chunks, and adds these to a list. Pieces near their base come last, in chunks of their own: a chunk is
 * encoded against as many bytes as it holds, or against none.
 */
async function encodePieces(
  pieces: readonly Piece[],
  chunks: EncodedChunk[],
  { signal, onProgress }: CallOptions,
): Promise<Placed[]> {
  const placed = pieces.map((): Placed => ({ ranges: [], circuits: new Set(), packedBytes: 0 }))
  const total = pieces.reduce((sum, piece) => sum + piece.bytes.length, 0)
  let done = 0
  const near = pieces.map((piece) => isNearBase(piece))
  for (const delta of [false, true]) {
    const numbers = pieces.flatMap((_, i) => (near[i] === delta ? [i] : []))
    const own = numbers.map((i) => pieces[i])
    for (const parts of splitTensors(own)) {
      await new Promise((resolve) => setTimeout(resolve))
      throwIfAborted(signal)
      const encoded = delta ? encodeDeltas(parts, own) : encodeParts(parts)
      const { codec, rawLength, bytes, circuits, shares } = encoded
      let start = 0
      parts.forEach((part, i) => {
        const { length } = part.bytes
        const place = placed[numbers[part.tensor]]
        appendRange(place.ranges, { chunk: chunks.length, start, length })
        place.circuits.add(circuits[i])
        place.packedBytes += shares[i] * bytes.length
        start += length
      })
      chunks.push({ codec, rawLength, bytes, ...('base' in encoded && { base: encoded.base }) })
      done += rawLength
      onProgress?.({ stage: 'encode weights', done, total })
    }
  }
  return placed
}

/** The ranges of a tensor: those of its rest, and for each copy the ranges of what it copies. */
function rangesOf(
  runs: readonly Run[],
  rest: readonly RawRange[],
  before: readonly (readonly RawRange[])[],
): RawRange[] {
  const ranges: RawRange[] = []
  let used = 0
  for (const { length, copy } of runs) {
    // A copy may be of this tensor's own beginning.
    const slice = copy
      ? sliceRanges(before[copy.tensor] ?? ranges, copy.start, length)
      : sliceRanges(rest, used, length)
    if (!copy) used += length
    for (const range of slice) appendRange(ranges, range)
  }
  return ranges
}

/**
 * Encodes tensors into chunks of about 1 MiB, in the order given. What repeats is encoded once.
 *
 * @returns the chunks, and for each tensor its ranges; a tensor without elements has none
 * @throws HardpackError `INVALID_ARGUMENT` for a tensor whose bytes, or those of its base, do not fit its shape; `ABORTED`.
 * @example
 * const { chunks, tensors } = await encodeWeights([{ dtype: 'float32', shape: [64, 32], bytes }])
 */
export async function encodeWeights(
  tensors: readonly WeightTensor[],
  options: CallOptions = {},
): Promise<EncodedWeights> {
  for (const { dtype, shape, bytes, base = bytes } of tensors) {
    const expected = byteLength(dtype, elementCount(shape))
    const wrong = [bytes.length, base.length].find((length) => length !== expected)
    if (wrong === undefined) continue
    const tensor = `${dtype}[${shape.join(',')}]`
    throw new HardpackError('INVALID_ARGUMENT', `Tensor ${tensor} expected ${expected} bytes, got ${wrong}.`)
  }
  const { runs, rest } = await findRepeats(tensors, options)
  const pieces = rest.flatMap((piece, tensor): Piece[] => {
    const own = runs[tensor].filter(({ copy }) => copy === undefined)
    return piece ? [{ ...piece, source: own.map(({ start, length }) => ({ tensor, start, length })) }] : []
  })
  const chunks: EncodedChunk[] = []
  const placed = await encodePieces(pieces, chunks, options)
  const ranges: RawRange[][] = []
  let next = 0
  const encoded = rest.map((piece, i): EncodedTensor => {
    const own = piece ? placed[next++] : undefined
    ranges.push(rangesOf(runs[i], own?.ranges ?? [], ranges))
    const circuits = [...(own?.circuits ?? []), ...(runs[i].some(({ copy }) => copy) ? ['repeat'] : [])]
    return {
      circuit: circuits.join('+') || 'raw',
      ranges: ranges[i],
      packedBytes: Math.round(own?.packedBytes ?? 0),
    }
  })
  return { chunks, tensors: encoded }
}
