/**
 * From a verified manifest to graphs in memory: chunks are fetched, hashed, decoded straight into one arena, and hashed
 * again. A tensor that spans chunks is contiguous there, so the arena itself is the external data of the graph.
 */

import type { Decoder } from '../../compress/types.ts'
import type { Graph } from '../../targets/types.ts'
import type { ChunkRange, GraphEntry, Manifest } from '../container/manifest.ts'
import { type OpenedPackage, readChunk, verifyRaw } from '../container/read.ts'
import { type CallOptions, concat, HardpackError, type Source, tensorOf, throwIfAborted } from '../core/index.ts'
import type { GoldenCase } from '../run/golden.ts'
import { seededTensor } from '../run/seeded.ts'
import { type ExternalSplice, externalize, joinWeights } from './join.ts'

/** The name under which a graph refers to the decoded weights. */
const EXTERNAL_PATH = 'hardpack-weights'

/** Smaller initializers stay in the graph: a runtime may want them while it infers shapes. */
const MIN_EXTERNAL_BYTES = 1024

/** Every decoded chunk of a package, one after another. */
export interface Arena {
  readonly bytes: Uint8Array
  /** Where each chunk begins. */
  readonly starts: readonly number[]
}

/**
 * Fetches, checks and decodes every chunk.
 *
 * @throws HardpackError `CHUNK_CORRUPT` when a digest differs before or after decode, `NETWORK`, `IO`, `ABORTED`.
 */
export async function decodeChunks(
  source: Source,
  opened: OpenedPackage,
  decoder: Decoder,
  { signal, onProgress }: CallOptions = {},
): Promise<Arena> {
  const { chunks } = opened.manifest
  const starts: number[] = []
  let total = 0
  for (const { rawLength } of chunks) {
    // Tensors are read in place, and the widest element takes eight bytes.
    total = Math.ceil(total / 8) * 8
    starts.push(total)
    total += rawLength
  }
  const bytes = new Uint8Array(total)
  let next = chunks.length > 0 ? readChunk(source, opened, 0, signal) : undefined
  for (const [index, { codec, rawLength }] of chunks.entries()) {
    throwIfAborted(signal)
    onProgress?.({ stage: 'decode', done: starts[index], total })
    const encoded = (await next) as Uint8Array
    next = index + 1 < chunks.length ? readChunk(source, opened, index + 1, signal) : undefined
    next?.catch(() => {}) // Awaited in the next turn; a rejection before that is not unhandled.
    const raw = bytes.subarray(starts[index], starts[index] + rawLength)
    decoder.decode(codec, encoded, raw)
    await verifyRaw(opened, index, raw)
  }
  onProgress?.({ stage: 'decode', done: total, total })
  return { bytes, starts }
}

/** The bytes of a list of ranges: a view where they lie one after another, else a copy. */
export function bytesAt(arena: Arena, ranges: readonly ChunkRange[]): Uint8Array {
  const views = ranges.map(({ chunk, start, length }) => {
    const at = arena.starts[chunk] + start
    return arena.bytes.subarray(at, at + length)
  })
  let end = views[0]?.byteOffset ?? 0
  const contiguous = views.every((view) => {
    const follows = view.byteOffset === end
    end = view.byteOffset + view.length
    return follows
  })
  if (!contiguous) return concat(views)
  const start = (views[0]?.byteOffset ?? 0) - arena.bytes.byteOffset
  return arena.bytes.subarray(start, end - arena.bytes.byteOffset)
}

/** The whole ONNX file of a graph, byte for byte as it was packed. */
export function onnxFile(arena: Arena, graph: GraphEntry): Uint8Array {
  const splices = graph.tensors.map(({ position, ranges }) => ({ position, bytes: bytesAt(arena, ranges) }))
  return joinWeights(bytesAt(arena, graph.skeleton), splices)
}

/** A graph for a runtime: its large initializers are read from the arena, without another copy. */
export function runnableGraph(arena: Arena, graph: GraphEntry): Graph {
  const splices = graph.tensors.map(({ position, ranges, external }): ExternalSplice => {
    const bytes = bytesAt(arena, ranges)
    const inArena = bytes.buffer === arena.bytes.buffer
    if (!external || !inArena || bytes.length < MIN_EXTERNAL_BYTES) return { position, bytes }
    return { position, bytes, externalOffset: bytes.byteOffset - arena.bytes.byteOffset }
  })
  const model = externalize(bytesAt(arena, graph.skeleton), splices, EXTERNAL_PATH)
  const isExternal = splices.some(({ externalOffset }) => externalOffset !== undefined)
  return isExternal ? { model, externalData: [{ path: EXTERNAL_PATH, data: arena.bytes }] } : { model }
}

/** The golden cases of a graph, in memory. */
export function goldenCases(arena: Arena, manifest: Manifest, graph: number): GoldenCase[] {
  return manifest.golden
    .filter((entry) => entry.graph === graph)
    .map(({ inputs, outputs }) => ({
      inputs: Object.fromEntries(
        inputs.map(({ name, dtype, shape, source }) => [
          name,
          'seed' in source
            ? seededTensor(dtype, shape, source.seed, source.amplitude)
            : tensorOf(dtype, shape, bytesAt(arena, source.ranges)),
        ]),
      ),
      outputs: outputs.map(({ name, dtype, shape, samples, ranges, tolerance }) => ({
        name,
        dtype,
        shape,
        tolerance,
        values: tensorOf('float64', [samples], bytesAt(arena, ranges)).data as Float64Array,
      })),
    }))
}

/** The main graph: what `open` runs. */
export function mainGraph(manifest: Manifest): GraphEntry {
  const [graph] = manifest.graphs
  if (!graph) throw new HardpackError('INVALID_FORMAT', 'The package expected a graph, got none.')
  return graph
}
