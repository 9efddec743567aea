/** Weights into chunks: each part by the circuit or byte codec that makes its chunk smallest, everything counted. */

import { byteLength, concat, elementCount, equal, HardpackError, throwIfAborted } from '../../sdk/core/index.ts'
import { deflate, mix } from '../bytes/encode.ts'
import { appendRange, type RawRange, sliceRanges } from '../ranges.ts'
import {
  CODECS,
  EFFORTS,
  type Effort,
  type EncodedChunk,
  type EncodedTensor,
  type EncodedWeights,
  type EncodeOptions,
  type WeightTensor,
} from '../types.ts'
import { type ChunkCache, encodeChunk } from './encode-chunk.ts'
import { encodeGroup, encodeLarge, type Filled, isLarge, type Piece } from './groups.ts'
import { DEFLATE, MIX, RAW } from './header.ts'
import { findRepeats, type Run } from './repeats.ts'
import { type Coding, codingsOf } from './sources.ts'
import { type Part, splitTensors } from './split.ts'

/** Parts shorter than this are tried in a pool: their latents and planes cost more than they save. */
const SMALL = 1 << 10
/**
 * Mixed bytes decode a thousand times slower than a circuit: they are tried in chunks up to this length, where that is
 * no matter, and have to save this share.
 */
const MIX_LIMIT = 1 << 16
const MIX_GAIN = 0.15

export interface Candidate extends EncodedChunk {
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

/** The chunk as circuits and pools, by the coding of each part. */
function divided(parts: readonly Part[], codings: readonly Coding[], cache: ChunkCache): Candidate {
  const { bytes, bits, circuits } = encodeChunk(parts, codings, cache)
  const total = bits.reduce((sum, own) => sum + own, 0)
  const mixed = parts.reduce((sum, part, i) => sum + (codings[i].method === MIX ? part.bytes.length : 0), 0)
  return {
    codec: CODECS.weights,
    rawLength: parts.reduce((sum, part) => sum + part.bytes.length, 0),
    bytes,
    circuits,
    shares: bits.map((own) => own / total),
    price: bytes.length + MIX_GAIN * mixed,
  }
}

/** The circuit under which each part is smallest, as far as it has several. */
function bestCircuits(parts: readonly Part[], cache: ChunkCache): (Coding | undefined)[] {
  const all = parts.map(codingsOf)
  const most = all.reduce((count, own) => Math.max(count, own.length), 0)
  if (most < 2) return all.map(([usual]) => usual)
  const sizes = Array.from({ length: most }, (_, choice) => {
    const { bytes, shares } = divided(
      parts,
      all.map((own) => own[choice] ?? own[0] ?? { method: RAW }),
      cache,
    )
    return shares.map((share) => share * bytes.length)
  })
  return all.map((own, part) =>
    own.reduce<Coding | undefined>((best, coding, choice) => {
      const before = best ? sizes[own.indexOf(best)][part] : Number.POSITIVE_INFINITY
      return sizes[choice][part] < before ? coding : best
    }, undefined),
  )
}

/** The smallest of the ways to encode a chunk. */
function encodeParts(parts: readonly Part[], effort: Effort): Candidate {
  const raw = concat(parts.map((part) => part.bytes))
  const deflated = parts.map((part) => deflate(part.bytes).length)
  const candidates = [plain(CODECS.raw, 'raw', raw, parts), plain(CODECS.deflate, 'deflate', deflate(raw), parts)]
  if (raw.length <= MIX_LIMIT) candidates.push(plain(CODECS.mix, 'mix', mix(raw), parts))

  const cache: ChunkCache = { effort, streams: new Map(), pools: new Map() }
  const circuitCodings = bestCircuits(parts, cache)
  /** Parts without a circuit, and those that `pooled` names, as bytes: mixed, too, in a small chunk. */
  const add = (pooled: (part: Part, index: number) => boolean): Candidate => {
    const pools = parts.map((part, i): Coding | undefined => {
      if (circuitCodings[i] && !pooled(part, i)) return undefined
      return { method: deflated[i] < part.bytes.length ? DEFLATE : RAW }
    })
    const codings = parts.map((_, i) => pools[i] ?? circuitCodings[i] ?? { method: RAW })
    const tried = [divided(parts, codings, cache)]
    if (raw.length <= MIX_LIMIT && pools.some((pool) => pool)) {
      tried.push(
        divided(
          parts,
          codings.map((coding, i) => (pools[i] ? { method: MIX } : coding)),
          cache,
        ),
      )
    }
    candidates.push(...tried)
    return tried[0]
  }
  const circuits = add(() => false)
  const saves = parts.map((_, i) => circuits.shares[i] * circuits.bytes.length <= deflated[i])
  add((_, i) => !saves[i])
  add((part, i) => part.bytes.length < SMALL || !saves[i])
  // Bytes that repeat across parts are worth more together than each of them shows.
  add((_, i) => circuitCodings[i]?.palette !== undefined || !saves[i])
  return candidates.reduce((best, candidate) => (candidate.price < best.price ? candidate : best))
}

/**
 * Refuses an effort that there is not.
 *
 * @throws HardpackError `INVALID_ARGUMENT`.
 */
export function checkEffort(effort: Effort = 'default'): void {
  if (EFFORTS.includes(effort)) return
  throw new HardpackError(
    'INVALID_ARGUMENT',
    `The effort expected fast, default or best, got ${JSON.stringify(effort)}.`,
    { hint: 'Leave it out for default.' },
  )
}

/** By its base: weights that a training left as they were share no table with those that it changed. */
function kindOf({ bytes, base }: Piece): 'alone' | 'changed' | 'same' {
  if (base === undefined) return 'alone'
  return equal(bytes, base) ? 'same' : 'changed'
}

/** What all chunks hold of a piece. */
interface Placed {
  readonly ranges: RawRange[]
  readonly circuits: Set<string>
  packedBytes: number
}

/**
 * Encodes pieces into chunks. Large pieces that are copies of themselves have chunks of their own, and so have pieces with a base: a
 * chunk is encoded against as many bytes as it holds, or against none.
 */
async function encodePieces(
  pieces: readonly Piece[],
  { signal, onProgress, effort = 'default' }: EncodeOptions,
): Promise<Filled[]> {
  const total = pieces.reduce((sum, piece) => sum + piece.bytes.length, 0)
  // Learning longer is no promise: the best is the better of two.
  const efforts: readonly Effort[] = effort === 'best' ? ['default', 'best'] : [effort]
  const encode = (parts: readonly Part[]): Candidate =>
    efforts.map((own) => encodeParts(parts, own)).reduce((best, next) => (next.price < best.price ? next : best))
  const filled: Filled[] = []
  let done = 0
  const add = async (make: () => readonly Filled[]): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve))
    throwIfAborted(signal)
    const more = make()
    filled.push(...more)
    for (const { chunk } of more) done += chunk.rawLength
    if (more.length > 0) onProgress?.({ stage: 'encode weights', done, total })
  }
  const apart = new Set<number>()
  for (const [number, piece] of pieces.entries()) {
    if (!isLarge(piece)) continue
    await add(() => {
      const own = encodeLarge(number, piece, encode)
      if (own.length > 0) apart.add(number)
      return own
    })
  }
  for (const kind of ['alone', 'changed', 'same']) {
    const numbers = pieces.flatMap((piece, i) => (kindOf(piece) === kind && !apart.has(i) ? [i] : []))
    for (const split of splitTensors(numbers.map((i) => pieces[i]))) {
      const parts = split.map((part) => ({ ...part, tensor: numbers[part.tensor] }))
      await add(() => encodeGroup(parts, pieces, encode))
    }
  }
  return filled
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
 * @throws HardpackError `INVALID_ARGUMENT` for a tensor whose bytes, or those of its base, do not fit its shape, or an unknown
 *   effort; `ABORTED`.
 * @example
 * const { chunks, tensors } = await encodeWeights([{ dtype: 'float32', shape: [64, 32], bytes }])
 */
export async function encodeWeights(
  tensors: readonly WeightTensor[],
  options: EncodeOptions = {},
): Promise<EncodedWeights> {
  checkEffort(options.effort)
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
