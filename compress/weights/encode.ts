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
import { encodeCopies, looksCopied } from '../copies/encode.ts'
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

/** The longest run of a tensor that becomes a chunk of copies. */
const COPIES_BYTES = 1 << 20

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

/** What a chunk costs beside its bytes: its entry in the manifest, a range, padding. */
const CHUNK_COST = 112

const sizeOf = (chunks: readonly EncodedChunk[]): number =>
  chunks.reduce((sum, { bytes }) => sum + bytes.length + CHUNK_COST, 0)

/** A piece as chunks of copies, in runs of whole rows where a row fits a chunk. */
function encodeByCopies(piece: Piece): EncodedChunk[] {
  const { dtype, shape, bytes } = piece
  const unit = byteLength(dtype, 1)
  const isPacked = byteLength(dtype, 2) === unit
  const inner = isPacked ? [] : shape.filter((dim) => dim !== 1).slice(1)
  const fits = elementCount(inner) * unit <= COPIES_BYTES
  const row = fits ? elementCount(inner) * unit : unit
  const step = Math.floor(COPIES_BYTES / row) * row
  const chunks: EncodedChunk[] = []
  for (let start = 0; start < bytes.length; start += step) {
    const run = bytes.subarray(start, start + step)
    const dims = [run.length / row, ...(fits ? inner : [])]
    const tensor: WeightTensor = { dtype: isPacked ? 'uint8' : dtype, shape: dims, bytes: run }
    chunks.push(encodeCopies(tensor, (vector) => encodeParts(splitTensors([vector])[0])))
  }
  return chunks
}

/** A chunk, and what it holds of which piece, in order. */
interface Filled {
  readonly chunk: EncodedChunk
  readonly shares: readonly {
    readonly piece: number
    readonly length: number
    readonly circuit: string
    readonly packedBytes: number
  }[]
}

function filledBy(candidate: Candidate & { base?: readonly BaseRange[] }, parts: readonly Part[]): Filled {
  const { codec, rawLength, bytes, circuits, shares, base } = candidate
  return {
    chunk: { codec, rawLength, bytes, ...(base && { base }) },
    shares: parts.map((part, i) => {
      return {
        piece: part.tensor,
        length: part.bytes.length,
        circuit: circuits[i],
        packedBytes: shares[i] * bytes.length,
      }
    }),
  }
}

function filledByCopies(piece: number, chunks: readonly EncodedChunk[]): Filled[] {
  return chunks.map((chunk) => {
    const { rawLength: length, bytes } = chunk
    return { chunk, shares: [{ piece, length, circuit: 'copies', packedBytes: bytes.length }] }
  })
}

/**
 * The parts of a chunk, and the pieces among them that are smaller as chunks of copies: all in one chunk, or without those, by
 * what all of it takes in the end.
 */
function encodeGroup(parts: readonly Part[], pieces: readonly Piece[]): Filled[] {
  const whole = encodeParts(parts)
  const shareOf = (piece: number): number =>
    parts.reduce((sum, { tensor }, i) => sum + (tensor === piece ? whole.shares[i] * whole.bytes.length : 0), 0)
  const copied = new Map<number, EncodedChunk[]>()
  for (const number of new Set(parts.map(({ tensor }) => tensor))) {
    const { length } = pieces[number].bytes
    const here = parts.reduce((sum, part) => sum + (part.tensor === number ? part.bytes.length : 0), 0)
    if (length > COPIES_BYTES || here < length || !looksCopied(pieces[number])) continue
    const chunks = encodeByCopies(pieces[number])
    if (sizeOf(chunks) < shareOf(number)) copied.set(number, chunks)
  }
  if (copied.size === 0) return [filledBy(whole, parts)]
  const others = parts.filter(({ tensor }) => !copied.has(tensor))
  const divided = [...copied].flatMap(([number, chunks]) => filledByCopies(number, chunks))
  if (others.length > 0) divided.unshift(filledBy(encodeParts(others), others))
  return sizeOf(divided.map(({ chunk }) => chunk)) < sizeOf([whole]) ? divided : [filledBy(whole, parts)]
}

/** How a piece of its own is smallest. */
function wayOf(piece: Piece): 'group' | 'delta' | 'copies' {
  const copied = piece.bytes.length > COPIES_BYTES && looksCopied(piece)
  if (piece.base === undefined && !copied) return 'group'
  const split = splitTensors([piece])
  const group = sizeOf(split.map(encodeParts))
  const delta = piece.base ? sizeOf(split.map((parts) => encodeDeltas(parts, [piece]))) : group
  const copies = copied ? sizeOf(encodeByCopies(piece)) : group
  if (copies < Math.min(group, delta)) return 'copies'
  return delta < group ? 'delta' : 'group'
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

/**
 * Encodes pieces into chunks. Large pieces that are copies of themselves come after the others, and pieces near their base
 * last, in chunks of their own: a chunk is encoded against as many bytes as it holds, or against none.
 */
async function encodePieces(pieces: readonly Piece[], { signal, onProgress }: CallOptions): Promise<Filled[]> {
  const total = pieces.reduce((sum, piece) => sum + piece.bytes.length, 0)
  const filled: Filled[] = []
  let done = 0
  const add = (more: readonly Filled[]): void => {
    filled.push(...more)
    for (const { chunk } of more) done += chunk.rawLength
    onProgress?.({ stage: 'encode weights', done, total })
  }
  const ways: string[] = []
  for (const piece of pieces) {
    if (piece.base || piece.bytes.length > COPIES_BYTES) await pause()
    throwIfAborted(signal)
    ways.push(wayOf(piece))
  }
  for (const way of ['group', 'copies', 'delta']) {
    const numbers = pieces.flatMap((_, i) => (ways[i] === way ? [i] : []))
    if (way === 'copies') {
      for (const number of numbers) add(filledByCopies(number, encodeByCopies(pieces[number])))
      continue
    }
    const own = splitTensors(numbers.map((i) => pieces[i]))
    for (const split of own) {
      await pause()
      throwIfAborted(signal)
      const parts = split.map((part) => ({ ...part, tensor: numbers[part.tensor] }))
      add(way === 'delta' ? [filledBy(encodeDeltas(parts, pieces), parts)] : encodeGroup(parts, pieces))
    }
  }
  return filled
}

/** What all chunks hold of a piece. */
interface Placed {
  readonly ranges: RawRange[]
  readonly circuits: Set<string>
  packedBytes: number
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
  const filled = await encodePieces(pieces, options)
  const placed = pieces.map((): Placed => ({ ranges: [], circuits: new Set(), packedBytes: 0 }))
  for (const [chunk, { shares }] of filled.entries()) {
    let start = 0
    for (const { piece, length, circuit, packedBytes } of shares) {
      appendRange(placed[piece].ranges, { chunk, start, length })
      placed[piece].circuits.add(circuit)
      placed[piece].packedBytes += packedBytes
      start += length
    }
  }
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
  return { chunks: filled.map(({ chunk }) => chunk), tensors: encoded }
}
