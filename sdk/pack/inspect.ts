/** What a package holds, without decoding it: sizes, tensors with their circuits, graphs, and who signed it. */

import { type ChunkSegment, describeChunk } from '../../compress/index.ts'
import { VERSION } from '../container/header.ts'
import type { ChunkRange, ValueEntry } from '../container/manifest.ts'
import { readChunk, readPackage } from '../container/read.ts'
import { byteLength, elementCount, type Source, toHex } from '../core/index.ts'
import { openBase } from '../open/base.ts'
import { mainGraph } from '../open/load.ts'
import { readOptions } from '../open/trust.ts'
import type { VerifyOptions } from './verify.ts'

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
  /** The weights that were taken out of the graphs; `pack` leaves those below 1 KiB in. */
  readonly tensors: readonly {
    readonly name: string
    readonly dtype: string
    readonly shape: readonly number[]
    /** What its bytes are coded by; `repeat` where all or, after other names, some of them came before. */
    readonly circuit: string
    readonly rawBytes: number
    readonly packedBytes: number
  }[]
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
}

/**
 * Describes a package. Reads and checks the encoded chunks, decodes none; a base that is given is checked to be the one.
 *
 * @throws HardpackError as `readPackage` and `readChunk` do.
 */
export async function inspect(source: Source, options: VerifyOptions = {}): Promise<Inspection> {
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
  const seen = segments.map((): Span[] => [])
  const tensors = manifest.graphs.flatMap((graph) =>
    graph.tensors.map(({ name, dtype, shape, ranges }) => ({
      name,
      dtype,
      shape,
      rawBytes: byteLength(dtype, elementCount(shape)),
      ...stored(segments, seen, ranges),
    })),
  )
  const weightChunks = new Set(
    manifest.graphs.flatMap((graph) => graph.tensors.flatMap(({ ranges }) => ranges.map((r) => r.chunk))),
  )
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
      raw: manifest.graphs.reduce((sum, graph) => sum + graph.byteLength, 0),
      packed: opened.byteLength,
      sections: { container: opened.byteLength - weights - graphs, graphs, weights },
    },
    tensors,
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
