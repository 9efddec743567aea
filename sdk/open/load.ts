/**
 * From a verified manifest to graphs in memory: chunks are fetched, hashed, decoded straight into one arena, and hashed
 * again. A tensor that spans chunks is contiguous there, so the arena itself is the external data of the graph.
 */

import type { Workers } from '../../compress/pool/pool.ts'
import type { Decoder } from '../../compress/types.ts'
import type { Graph } from '../../targets/types.ts'
import type { Limits } from '../container/limits.ts'
import type { GraphEntry, GuardTable, Manifest } from '../container/manifest.ts'
import { type OpenedPackage, type ReadOptions, readPackage } from '../container/read.ts'
import { type CallOptions, HardpackError, type Source, tensorOf } from '../core/index.ts'
import type { GoldenCase } from '../run/golden.ts'
import type { CalibrationTables } from '../run/guard/calibrated.ts'
import { seededTensor } from '../run/seeded.ts'
import type { Pass } from '../run/self-test.ts'
import { type Arena, arenaOf, bytesAt, memoryFor, settle } from './arena.ts'
import { type BaseSource, baseOf, openBase } from './base.ts'
import { decodeInto } from './decode-chunks.ts'
import { type ThreadOptions, withDecoder } from './decoder.ts'
import { countExternalTensors } from './external-tensors.ts'
import { type ExternalSplice, externalize, joinWeights } from './join.ts'

/** The name under which a graph refers to the decoded weights. */
const EXTERNAL_PATH = 'hardpack-weights'

/** Smaller initializers stay in the graph: a runtime may want them while it infers shapes. */
const MIN_EXTERNAL_BYTES = 1024

/** A package that was checked and decoded: what it takes to start it. */
export interface LoadedPackage {
  readonly manifest: Manifest
  /** SHA-256 of the manifest: it names the whole content. */
  readonly manifestDigest: Uint8Array
  /** Keys whose signature is valid. */
  readonly signers: readonly Uint8Array[]
  /** What the app sees: the inputs and outputs of the model. */
  readonly graph: GraphEntry
  /** The graphs to start; the first runs the model. Golden cases: at least one, each with an output. */
  readonly passes: readonly Pass[]
  /** The tables of the guard, one list for each of its calibrations. */
  readonly tables: readonly CalibrationTables[]
  /** Which decoder unpacked it: `wasm` or `typescript`, and in how many threads where there were several. */
  readonly decoder: string
}

/**
 * Opens a package and decodes it, up to what a target takes.
 *
 * @param workers how threads are started here; without it everything is decoded in this one
 * @throws HardpackError as `readPackage`, `withDecoder` and `decodeChunks` do; `INVALID_FORMAT` for a package that cannot be
 *   tested.
 */
export async function loadPackage(
  source: Source,
  trust: ReadOptions,
  options: DecodeOptions & ThreadOptions,
  workers?: Workers,
): Promise<LoadedPackage> {
  const opened = await readPackage(source, trust)
  const { manifest, manifestDigest, signers } = opened
  const graph = mainGraph(manifest)
  const run = graphsToRun(manifest)
  for (const index of run) checkGolden(manifest, index)
  const { arena, decoder } = await withDecoder(manifest, options, workers, async (decoder) => {
    const arena = await decodeChunks(source, opened, decoder, { ...options, limits: trust.limits })
    return { arena, decoder: decoder.name }
  })
  const passes = run.map((index) => ({
    name: manifest.graphs[index].name,
    runnable: runnableGraph(arena, manifest.graphs[index]),
    golden: goldenCases(arena, manifest, index),
  }))
  return { manifest, manifestDigest, signers, graph, passes, tables: calibrationTables(arena, manifest), decoder }
}

/** The indices of the graphs that are run: those of the guard's tiers, or the main graph. */
export function graphsToRun({ guard }: Manifest): readonly number[] {
  return guard ? guard.tiers.map(({ graph }) => graph) : [0]
}

function calibrationTables(arena: Arena, { guard }: Manifest): CalibrationTables[] {
  // Copied: tables outlive the arena.
  const load = ({ count, ranges }: GuardTable): Float32Array =>
    tensorOf('float32', [count], bytesAt(arena, ranges).slice()).data as Float32Array
  return (guard?.calibrations ?? []).map(({ tables, combined }) => ({
    tables: tables.map(load),
    combined: load(combined),
  }))
}

/** A self-test that compares nothing would accept any target. */
function checkGolden({ golden }: Manifest, run: number): void {
  const cases = golden.filter(({ graph }) => graph === run)
  if (cases.length > 0 && cases.every(({ outputs }) => outputs.length > 0)) return
  throw new HardpackError(
    'INVALID_FORMAT',
    `The package expected golden cases with outputs, got ${cases.length === 0 ? 'no case' : 'a case without one'}.`,
    { hint: 'Pack the model again.' },
  )
}

export interface DecodeOptions extends CallOptions {
  /** Where to get the base that the package may need. */
  base?: BaseSource
  limits?: Partial<Limits>
}

/**
 * Fetches, checks and decodes every chunk.
 *
 * @throws HardpackError `CHUNK_CORRUPT` when a digest differs before or after decode, `LIMIT_EXCEEDED` when there is no
 *   memory for them, `BASE_REQUIRED`, `BASE_MISMATCH`, `NETWORK`, `IO`, `ABORTED`.
 */
export async function decodeChunks(
  source: Source,
  opened: OpenedPackage,
  decoder: Decoder,
  { signal, onProgress, base: baseSource, limits }: DecodeOptions = {},
): Promise<Arena> {
  const { manifest } = opened
  const opening = await openBase(manifest, baseSource, { limits, signal })
  const base = opening && baseOf(manifest, opening, decoder, signal)
  const arena = arenaOf(manifest)
  const places = {
    memoryFor: (chunk: number) => memoryFor(arena, chunk, manifest.chunks[chunk].rawLength),
    baseFor: async (chunk: number) => base?.bytesFor(chunk),
    settle: (chunk: number, raw: Uint8Array) => settle(arena, chunk, raw),
  }
  await decodeInto(places, source, opened, decoder, { signal, onProgress })
  return arena
}

/** The whole ONNX file of a graph, byte for byte as it was packed. */
export function onnxFile(arena: Arena, graph: GraphEntry): Uint8Array {
  const splices = graph.tensors.map(({ position, ranges }) => ({ position, bytes: bytesAt(arena, ranges) }))
  return joinWeights(bytesAt(arena, graph.skeleton), splices)
}

/**
 * A graph for a runtime: its large initializers are read from the arena, without another copy.
 *
 * @throws HardpackError `INVALID_FORMAT` for a graph that would have a runtime read a file.
 */
export function runnableGraph(arena: Arena, graph: GraphEntry): Graph {
  const splices = graph.tensors.map(({ position, ranges, external }): ExternalSplice => {
    const bytes = bytesAt(arena, ranges)
    const inArena = bytes.buffer === arena.bytes.buffer
    if (!external || !inArena || bytes.length < MIN_EXTERNAL_BYTES) return { position, bytes }
    return { position, bytes, externalOffset: bytes.byteOffset - arena.bytes.byteOffset }
  })
  const model = externalize(bytesAt(arena, graph.skeleton), splices, EXTERNAL_PATH)
  const external = splices.filter(({ externalOffset }) => externalOffset !== undefined).length
  if (countExternalTensors(model) !== external) {
    throw new HardpackError(
      'INVALID_FORMAT',
      'A graph expected all its weights in the package, got one in another file.',
      {
        hint: 'Do not use this package: it makes a runtime read files of this machine.',
      },
    )
  }
  return external > 0 ? { model, externalData: [{ path: EXTERNAL_PATH, data: arena.bytes }] } : { model }
}

/** The golden cases of a graph, in memory of their own: they outlive the arena. */
export function goldenCases(arena: Arena, manifest: Manifest, graph: number): GoldenCase[] {
  return manifest.golden
    .filter((entry) => entry.graph === graph)
    .map(({ inputs, outputs }) => ({
      inputs: Object.fromEntries(
        inputs.map(({ name, dtype, shape, source }) => [
          name,
          'seed' in source
            ? seededTensor(dtype, shape, source.seed, source.amplitude)
            : tensorOf(dtype, shape, bytesAt(arena, source.ranges).slice()),
        ]),
      ),
      outputs: outputs.map(({ name, dtype, shape, samples, ranges, tolerance }) => ({
        name,
        dtype,
        shape,
        tolerance,
        values: tensorOf('float64', [samples], bytesAt(arena, ranges).slice()).data as Float64Array,
      })),
    }))
}

/** The main graph: the model as it was packed. A manifest that was read has one. */
export function mainGraph(manifest: Manifest): GraphEntry {
  return manifest.graphs[0]
}
