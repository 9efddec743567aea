/** What a package holds: sizes, tensors with their circuits, graphs, who signed it, and what others make of its weights. */

import { bestDecoder, type ChunkSegment, describeChunk } from '../../compress/index.ts'
import { VERSION } from '../container/header.ts'
import type { ChunkRange, GuardPolicy, Manifest, TensorEntry, ValueEntry } from '../container/manifest.ts'
import { type OpenedPackage, readChunk, readPackage } from '../container/read.ts'
import { byteLength, elementCount, type Source, toHex } from '../core/index.ts'
import { bytesAt } from '../open/arena.ts'
import { openBase } from '../open/base.ts'
import { decodeChunks, mainGraph } from '../open/load.ts'
import { readOptions } from '../open/trust.ts'
import { brotliBytes, orderZeroBytes } from './baselines.ts'
import type { VerifyOptions } from './verify.ts'

export interface InspectOptions extends VerifyOptions {
  /** Say what others make of each tensor (`baselines.ts`), if the package is whole or its base is given. */
  baselines?: boolean
  /** The most bytes of weights that brotli is tried on, at about two seconds a megabyte. Default: without limit. */
  brotliLimit?: number
}

/** Sizes of a tensor, or of all. */
export interface WeightSizes {
  readonly elements: number
  readonly rawBytes: number
  readonly packedBytes: number
  /** Packed; 0 where there are no elements. */
  readonly bitsPerWeight: number
  /** Under an order-0 code: of floats, of the exponents. Where `baselines` were asked for. */
  readonly orderZeroBytes?: number
  /** Added to a `brotli -11` stream of all weights. Where `baselines` were asked for, within the limit. */
  readonly brotliBytes?: number
}

export interface InspectedTensor extends WeightSizes {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  /** What its bytes are coded by, joined by `+` if several; `repeat` where all or some of them came before. */
  readonly circuit: string
}

export interface Inspection {
  readonly format: string
  readonly name: string
  readonly release: number
  readonly generator: string
  readonly license: string
  readonly bytes: {
    /** The ONNX files that were packed, and the package. */
    readonly raw: number
    readonly packed: number
    /** Where the package's bytes go. */
    readonly sections: { readonly container: number; readonly graphs: number; readonly weights: number }
  }
  /** The weights that were taken out of the model, in the order of the file; `pack` leaves those below 1 KiB in. */
  readonly tensors: readonly InspectedTensor[]
  /** All of them together. */
  readonly weights: WeightSizes
  readonly graphs: readonly {
    readonly name: string
    readonly byteLength: number
    readonly sha256: string
    readonly tensors: number
  }[]
  readonly inputs: readonly ValueEntry[]
  readonly outputs: readonly ValueEntry[]
  readonly golden: { readonly cases: number; readonly tolerances: Readonly<Record<string, number>> }
  /** The package that this one was packed against; `null` for one that stands alone. */
  readonly base: { readonly name: string; readonly release: number; readonly manifestSha256: string } | null
  readonly signature: { readonly signed: boolean; readonly verifiedKeys: readonly string[] }
  /** `null` for a package without a guard. */
  readonly guard: InspectedGuard | null
}

/** What says whether an input should be believed. */
export interface InspectedGuard {
  readonly detectors: readonly {
    readonly name: string
    readonly kind: string
    /** The pass that it belongs to; 0 runs with the model. */
    readonly tier: number
    readonly parameters: Readonly<Record<string, string>>
  }[]
  /** For which p-values of the passes before it a pass runs. */
  readonly tiers: readonly { readonly graph: string; readonly low: number; readonly high: number }[]
  /** Clean samples behind the p-values, on some targets. */
  readonly calibrations: readonly { readonly targets: readonly string[]; readonly samples: number }[]
  readonly policy: GuardPolicy
  /** How many classes a device may add. */
  readonly room: number
  /** The weights that it adds to those of the model. */
  readonly tensors: readonly InspectedTensor[]
  readonly weights: WeightSizes
}

/**
 * Describes a package. Reads and checks the encoded chunks; decodes them only for `baselines`. A base that is given is checked to be the one.
 *
 * @throws HardpackError as `readPackage` and `readChunk` do, and as `decodeChunks` does for `baselines`.
 * @example
 * const { weights } = await inspect(await fileSource('digits.hpk'), { trust: 'unsigned' })
 * weights.bitsPerWeight // 26.4 for typical float32
 */
export async function inspect(source: Source, options: InspectOptions = {}): Promise<Inspection> {
  const opened = await readPackage(source, readOptions(options))
  const { manifest } = opened
  const { base } = options
  if (base) await openBase(manifest, () => base, options)
  const total = manifest.chunks.length
  const segments: ChunkSegment[][] = []
  for (const [index, { codec, rawLength }] of manifest.chunks.entries()) {
    options.onProgress?.({ stage: 'inspect', done: index, total })
    segments.push(describeChunk(codec, await readChunk(source, opened, index, options.signal), rawLength))
  }
  options.onProgress?.({ stage: 'inspect', done: total, total })
  const own = mainGraph(manifest).tensors
  const entries = [...own, ...furtherTensors(manifest)]
  const whole = base !== undefined || manifest.base === undefined
  const baselines = options.baselines && whole ? await baselinesOf(source, opened, entries, options) : []
  const seen = segments.map((): Span[] => [])
  const all = entries.map(({ name, dtype, shape, ranges }, i) => {
    const { circuit, packedBytes } = stored(segments, seen, ranges)
    const elements = elementCount(shape)
    const rawBytes = byteLength(dtype, elements)
    return { name, dtype, shape, circuit, ...sizes({ elements, rawBytes, packedBytes, ...baselines[i] }) }
  })
  const tensors = all.slice(0, own.length)
  const weightChunks = new Set(entries.flatMap(({ ranges }) => ranges.map(({ chunk }) => chunk)))
  let weights = 0
  let graphs = 0
  for (const [index, { encodedLength }] of manifest.chunks.entries()) {
    if (weightChunks.has(index)) weights += encodedLength
    else graphs += encodedLength
  }
  const { inputs, outputs } = mainGraph(manifest)
  return {
    format: `hpk ${VERSION.major}.${opened.minor}`,
    name: manifest.name,
    release: manifest.release,
    generator: manifest.generator,
    license: manifest.license,
    bytes: {
      raw: mainGraph(manifest).byteLength,
      packed: opened.byteLength,
      sections: { container: opened.byteLength - weights - graphs, graphs, weights },
    },
    tensors,
    weights: sumOf(tensors),
    guard: guardOf(manifest, all.slice(own.length)),
    graphs: manifest.graphs.map((graph) => ({
      name: graph.name,
      byteLength: graph.byteLength,
      sha256: toHex(graph.digest),
      tensors: graph.tensors.length,
    })),
    inputs,
    outputs,
    golden: {
      cases: manifest.golden.length,
      tolerances: Object.fromEntries(
        manifest.golden.flatMap(({ outputs }) => outputs.map(({ name, tolerance }) => [name, tolerance])),
      ),
    },
    base: manifest.base
      ? { name: manifest.base.name, release: manifest.base.release, manifestSha256: toHex(manifest.base.digest) }
      : null,
    signature: { signed: opened.signers.length > 0, verifiedKeys: opened.signers.map(toHex) },
  }
}

/** The tensors of further graphs, without those that a graph before has as well. */
function furtherTensors({ graphs }: Manifest): TensorEntry[] {
  const keyOf = ({ ranges }: TensorEntry): string =>
    ranges.map(({ chunk, start, length }) => `${chunk} ${start} ${length}`).join()
  const seen = new Set(graphs[0].tensors.map(keyOf))
  return graphs.slice(1).flatMap(({ tensors }) => {
    const fresh = tensors.filter((tensor) => !seen.has(keyOf(tensor)))
    for (const tensor of fresh) seen.add(keyOf(tensor))
    return fresh
  })
}

function guardOf({ guard, graphs }: Manifest, tensors: readonly InspectedTensor[]): InspectedGuard | null {
  if (!guard) return null
  return {
    detectors: guard.detectors.map(({ name, kind, tier, parameters }) => ({
      name,
      kind,
      tier,
      parameters: Object.fromEntries(parameters.map((parameter) => [parameter.name, parameter.value])),
    })),
    tiers: guard.tiers.map(({ graph, low, high }) => ({ graph: graphs[graph].name, low, high })),
    calibrations: guard.calibrations.map(({ targets, tables, combined }) => ({
      targets,
      samples: combined.count || tables[0].count,
    })),
    policy: guard.policy,
    room: guard.room?.room ?? 0,
    tensors,
    weights: sumOf(tensors),
  }
}

type Baselines = Pick<WeightSizes, 'orderZeroBytes' | 'brotliBytes'>

async function baselinesOf(
  source: Source,
  opened: OpenedPackage,
  entries: readonly TensorEntry[],
  { brotliLimit = Number.POSITIVE_INFINITY, base, signal, onProgress }: InspectOptions,
): Promise<Baselines[]> {
  if (entries.length === 0) return []
  const arena = await decodeChunks(source, opened, await bestDecoder(), {
    base: base && (() => base),
    signal,
    onProgress,
  })
  const bytes = entries.map(({ ranges }) => bytesAt(arena, ranges))
  const total = bytes.reduce((sum, { length }) => sum + length, 0)
  const brotli = total <= brotliLimit ? await brotliBytes(bytes, { signal, onProgress }) : undefined
  return entries.map(({ dtype }, i) => ({
    orderZeroBytes: orderZeroBytes(dtype, bytes[i]),
    ...(brotli ? { brotliBytes: brotli[i] } : {}),
  }))
}

function sizes(of: Omit<WeightSizes, 'bitsPerWeight'>): WeightSizes {
  return { ...of, bitsPerWeight: of.elements > 0 ? (8 * of.packedBytes) / of.elements : 0 }
}

/** The sizes of several tensors together. A baseline that one of them lacks is left out. */
export function sumOf(tensors: readonly WeightSizes[]): WeightSizes {
  const sum = (key: keyof WeightSizes): number => tensors.reduce((total, tensor) => total + (tensor[key] ?? 0), 0)
  const has = (key: keyof WeightSizes): boolean =>
    tensors.length > 0 && tensors.every((tensor) => tensor[key] !== undefined)
  return sizes({
    elements: sum('elements'),
    rawBytes: sum('rawBytes'),
    packedBytes: sum('packedBytes'),
    ...(has('orderZeroBytes') ? { orderZeroBytes: sum('orderZeroBytes') } : {}),
    ...(has('brotliBytes') ? { brotliBytes: sum('brotliBytes') } : {}),
  })
}

/** Bytes `[start, end)` of a decoded chunk. */
interface Span {
  readonly start: number
  readonly end: number
}

/** The parts of a span that no span of the list holds; the list, ascending and disjoint, then holds it all. */
function firstSeen(seen: Span[], { start, end }: Span): Span[] {
  let first = 0
  for (let past = seen.length; first < past; ) {
    const middle = (first + past) >> 1
    if (seen[middle].end < start) first = middle + 1
    else past = middle
  }
  const fresh: Span[] = []
  let at = start
  let last = first
  for (; last < seen.length && seen[last].start <= end; last++) {
    if (seen[last].start > at) fresh.push({ start: at, end: seen[last].start })
    at = Math.max(at, seen[last].end)
  }
  if (at < end) fresh.push({ start: at, end })
  const joined = { start: Math.min(start, seen[first]?.start ?? start), end: Math.max(at, end) }
  seen.splice(first, last - first, joined)
  return fresh
}

/**
 * The circuits and the encoded bytes of a tensor: the shares of the segments that its ranges lie in. Bytes that an earlier
 * tensor, or an earlier range, has named count there; here they are a repeat.
 */
function stored(
  segments: readonly (readonly ChunkSegment[])[],
  seen: readonly Span[][],
  ranges: readonly ChunkRange[],
): { circuit: string; packedBytes: number } {
  const circuits = new Set<string>()
  let packedBytes = 0
  let bytes = 0
  let fresh = 0
  for (const { chunk, start, length } of ranges) {
    bytes += length
    for (const span of firstSeen(seen[chunk], { start, end: start + length })) {
      fresh += span.end - span.start
      for (const segment of segments[chunk]) {
        const shared = Math.min(span.end, segment.start + segment.length) - Math.max(span.start, segment.start)
        if (shared <= 0) continue
        circuits.add(segment.circuit)
        packedBytes += (segment.packedBytes * shared) / segment.length
      }
    }
  }
  if (fresh < bytes) circuits.add('repeat')
  return { circuit: [...circuits].join('+'), packedBytes: Math.round(packedBytes) }
}
