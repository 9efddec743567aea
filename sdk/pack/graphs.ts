/**
 * What the graphs of a package are made of. A guard brings graphs that hold the model once more: each weight is stored once,
 * however many graphs have it, and a graph that only appends to another one shares its skeleton.
 */

import { sliceRanges } from '../../compress/ranges.ts'
import type { ChunkRange, GraphEntry, TensorEntry, ValueEntry } from '../container/manifest.ts'
import { type DType, sha256, toHex } from '../core/index.ts'
import { type Appended, locateWeights, splitWeights, type WeightLocation } from '../onnx/index.ts'
import { reportName } from './report-name.ts'

/** Smaller weights stay in the skeleton: an entry in the manifest costs more than a circuit would save. */
const MIN_WEIGHT_BYTES = 1024

/** A graph to pack. */
export interface GraphFile {
  readonly name: string
  readonly file: Uint8Array
  readonly inputs: readonly ValueEntry[]
  readonly outputs: readonly ValueEntry[]
  /** Where it is another graph of the package with something appended: the index of that graph, and where. */
  readonly appendedTo?: { readonly graph: number; readonly places: Appended }
}

/** A weight of one graph or of several. */
export interface Weight {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** A piece of a skeleton: bytes `[start, start + length)` of a plain part. */
interface Piece {
  readonly part: number
  readonly start: number
  readonly length: number
}

interface PlannedGraph {
  readonly graph: GraphFile
  readonly locations: readonly WeightLocation[]
  /** Of each location: the index of its weight. */
  readonly weights: readonly number[]
  readonly skeleton: readonly Piece[]
}

export interface GraphPlan {
  /** Bytes that are not weights, in the order in which they are to be stored. */
  readonly parts: readonly Uint8Array[]
  /** Each once. */
  readonly weights: readonly Weight[]
  readonly graphs: readonly PlannedGraph[]
}

/** Takes graphs apart. */
export async function planGraphs(graphs: readonly GraphFile[]): Promise<GraphPlan> {
  const parts: Uint8Array[] = []
  const weights: Weight[] = []
  const known = new Map<string, number>()
  const planned: PlannedGraph[] = []
  for (const graph of graphs) {
    const locations = locateWeights(graph.file, { minBytes: MIN_WEIGHT_BYTES })
    const indices: number[] = []
    for (const { name, dtype, shape, start, end } of locations) {
      const bytes = graph.file.subarray(start, end)
      const key = `${dtype} ${toHex(await sha256(bytes))}`
      // Weights of one graph that are equal are for the encoder to find: it tells them from near ones, too.
      const index = graph === graphs[0] ? undefined : known.get(key)
      if (index === undefined) {
        known.set(key, weights.length)
        indices.push(weights.length)
        weights.push({ name: reportName(name), dtype, shape, bytes })
      } else indices.push(index)
    }
    const skeleton = splitWeights(graph.file, locations)
    planned.push({ graph, locations, weights: indices, skeleton: pieces(graph, skeleton, parts, planned) })
  }
  return { parts, weights, graphs: planned }
}

/** The pieces of a skeleton; what no graph before it has becomes a part. */
function pieces(
  { appendedTo }: GraphFile,
  skeleton: Uint8Array,
  parts: Uint8Array[],
  before: readonly PlannedGraph[],
): Piece[] {
  const whole = (bytes: Uint8Array): Piece => {
    parts.push(bytes)
    return { part: parts.length - 1, start: 0, length: bytes.length }
  }
  if (!appendedTo) return [whole(skeleton)]
  const { length, content, end, lengthBytes } = appendedTo.places
  const shorter = before[appendedTo.graph]
  // Positions in a skeleton lie before those in the file by the weights in front of them.
  const at = (position: number): number =>
    shorter.locations.reduce((sum, { start, end }) => (end <= position ? sum - (end - start) : sum), position)
  const total = shorter.skeleton.reduce((sum, piece) => sum + piece.length, 0)
  const kept = at(end) - at(content)
  const appendedAt = at(length) + lengthBytes + kept
  return [
    ...sliceRanges(shorter.skeleton, 0, at(length)),
    whole(skeleton.subarray(at(length), at(length) + lengthBytes)),
    ...sliceRanges(shorter.skeleton, at(content), kept),
    whole(skeleton.subarray(appendedAt, skeleton.length - (total - at(end)))),
    ...sliceRanges(shorter.skeleton, at(end), total - at(end)),
  ]
}

/**
 * The entries of the graphs in the manifest.
 *
 * @param places of the parts, and of the weights
 */
export function graphEntries(
  { graphs }: GraphPlan,
  places: {
    readonly parts: readonly (readonly ChunkRange[])[]
    readonly weights: readonly (readonly ChunkRange[])[]
  },
): Promise<GraphEntry[]> {
  return Promise.all(
    graphs.map(async ({ graph: { name, file, inputs, outputs }, locations, weights, skeleton }) => ({
      name,
      skeleton: skeleton.flatMap(({ part, start, length }) => sliceRanges(places.parts[part], start, length)),
      tensors: tensorEntries(
        locations,
        weights.map((weight) => places.weights[weight]),
      ),
      inputs,
      outputs,
      byteLength: file.length,
      digest: await sha256(file),
    })),
  )
}

function tensorEntries(
  locations: readonly WeightLocation[],
  ranges: readonly (readonly ChunkRange[])[],
): TensorEntry[] {
  let removed = 0
  return locations.map(({ name, dtype, shape, start, end, external }, i) => {
    const position = start - removed
    removed += end - start
    return { name: reportName(name), dtype, shape, position, external, ranges: ranges[i] }
  })
}
