/**
 * What a manifest must mean, after its bytes were read: every range lies in its chunk, sizes add up, names are distinct,
 * and every decoded byte belongs to something. A package that passes can be put together without another check.
 */

import { byteLength, type DType, elementCount } from '../core/index.ts'
import { checkLimit, type Limits, malformed } from './limits.ts'
import type { ChunkEntry, ChunkRange, GoldenEntry, GraphEntry, Manifest, ValueEntry } from './manifest.ts'
import { checkDistinct, checkText, rangeBytes, type Scope } from './scope.ts'
import { guardBytes } from './validate-guard.ts'

/** The critical feature of a package that needs another one. */
export const BASE_FEATURE = 'base'

/**
 * Checks a manifest.
 *
 * @throws HardpackError `INVALID_FORMAT` for a rule that is broken, `LIMIT_EXCEEDED` for a size over its limit.
 */
export function validateManifest(manifest: Manifest, limits: Limits): void {
  const { chunks, graphs, golden } = manifest
  checkText('The name of the package', manifest.name, limits, 1)
  checkText('The generator', manifest.generator, limits)
  checkText('The license', manifest.license, limits)
  for (const feature of manifest.critical) checkText('A critical feature', feature, limits, 1)
  checkDistinct('The critical features', manifest.critical)
  checkChunks(chunks, limits)
  checkBase(manifest, limits)
  if (graphs.length === 0) throw malformed('The package expected a graph, got none')
  checkDistinct('The graphs', graphs.map(nameOf))
  const tensors = graphs.reduce((sum, graph) => sum + graph.tensors.length, 0)
  checkLimit(limits, 'tensors', 'The number of tensors', tensors)

  const scope: Scope = { chunks, limits, ranges: [] }
  let expanded = 0
  for (const graph of graphs) expanded += graphBytes(scope, graph)
  for (const entry of golden) {
    const graph = graphs[entry.graph]
    if (!graph) throw malformed(`A golden case expected a graph below ${graphs.length}, got ${entry.graph}`)
    expanded += goldenBytes(scope, entry, graph)
  }
  expanded += guardBytes(scope, manifest)
  checkLimit(limits, 'modelBytes', 'The size of all graphs, golden cases and tables', expanded)
  checkCover(chunks, scope.ranges)
}

const nameOf = ({ name }: { readonly name: string }): string => name

function checkChunks(chunks: readonly ChunkEntry[], limits: Limits): void {
  checkLimit(limits, 'chunks', 'The number of chunks', chunks.length)
  let total = 0
  for (const [index, { encodedLength, rawLength }] of chunks.entries()) {
    checkLimit(limits, 'chunkBytes', `The size of chunk ${index}`, rawLength)
    if (encodedLength < 1 || encodedLength > rawLength) {
      throw malformed(`Chunk ${index} expected 1 to ${rawLength} encoded bytes, got ${encodedLength}`)
    }
    total += rawLength
  }
  checkLimit(limits, 'modelBytes', 'The size of all chunks', total)
}

/** Checks what can be known of the base package before it is there; `checkBaseRanges` checks the rest. */
function checkBase({ base, critical, chunks }: Manifest, limits: Limits): void {
  if (critical.includes(BASE_FEATURE) !== (base !== undefined)) {
    throw malformed(`The package expected the critical feature "${BASE_FEATURE}" and a base package, got one of them`)
  }
  const based = chunks.filter((chunk) => chunk.base.length > 0)
  if (based.length > 0 !== (base !== undefined)) {
    throw malformed('The package expected a base package and chunks that need it, got one of them')
  }
  if (base) checkText('The name of the base package', base.name, limits, 1)
  for (const [index, chunk] of chunks.entries()) {
    if (chunk.base.length === 0) continue
    let total = 0
    for (const { chunk: number, start, length } of chunk.base) {
      checkLimit(limits, 'chunks', 'The number of a base chunk', number)
      checkLimit(limits, 'chunkBytes', 'The start of a base range', start)
      checkLimit(limits, 'chunkBytes', 'The length of a base range', length)
      if (length < 1) throw malformed(`Chunk ${index} expected base ranges of at least 1 byte, got ${length}`)
      total += length
    }
    if (total !== chunk.rawLength) {
      throw malformed(`Chunk ${index} expected ${chunk.rawLength} bytes of its base, got ${total}`)
    }
  }
}

/**
 * Checks what a package needs of its base against the base itself.
 *
 * @throws HardpackError `INVALID_FORMAT` for a base that is not the one that is named, that needs a base itself, or that
 *   lacks a range.
 */
export function checkBaseRanges({ base, chunks }: Manifest, its: Manifest): void {
  if (its.base) throw malformed('A base package expected no base of its own, got one')
  if (base?.name !== its.name || base.release !== its.release) {
    throw malformed(`The base package expected "${its.name}" release ${its.release}, got another name or release`)
  }
  for (const [index, { base: ranges }] of chunks.entries()) {
    for (const { chunk, start, length } of ranges) {
      const rawLength = its.chunks[chunk]?.rawLength ?? 0
      if (length <= rawLength && start <= rawLength - length) continue
      throw malformed(
        `Chunk ${index} expected a range within the ${rawLength} bytes of base chunk ${chunk}, got ${length} at ${start}`,
      )
    }
  }
}

/** Checks a graph; gives the bytes of its ONNX file. */
function graphBytes(
  scope: Scope,
  { name, skeleton, tensors, inputs, outputs, byteLength: declared }: GraphEntry,
): number {
  checkText('The name of a graph', name, scope.limits, 1)
  const skeletonBytes = rangeBytes(scope, `The skeleton of graph "${name}"`, skeleton)
  let total = skeletonBytes
  let last = 0
  for (const tensor of tensors) {
    checkText('The name of a tensor', tensor.name, scope.limits)
    const what = `Tensor "${tensor.name}"`
    total += filledBytes(scope, what, tensor.dtype, tensor.shape, tensor.ranges)
    if (tensor.position < last || tensor.position > skeletonBytes) {
      throw malformed(`${what} expected a position from ${last} to ${skeletonBytes}, got ${tensor.position}`)
    }
    last = tensor.position
  }
  if (total !== declared) throw malformed(`Graph "${name}" expected ${declared} bytes, got ${total}`)
  checkValues(scope, inputs)
  checkValues(scope, outputs)
  return total
}

function checkValues({ limits }: Scope, values: readonly ValueEntry[]): void {
  for (const { name, shape } of values) {
    checkText('The name of a graph input or output', name, limits, 1)
    checkLimit(limits, 'rank', `The rank of "${name}"`, shape.length)
    for (const size of shape) if (typeof size === 'string') checkText('The name of a dimension', size, limits)
  }
  checkDistinct('The inputs or outputs of a graph', values.map(nameOf))
}

/** Checks a golden case; gives the bytes that it takes in memory. */
function goldenBytes(scope: Scope, { inputs, outputs }: GoldenEntry, graph: GraphEntry): number {
  checkDistinct('The inputs of a golden case', inputs.map(nameOf))
  checkDistinct('The outputs of a golden case', outputs.map(nameOf))
  let total = 0
  for (const { name, dtype, shape, source } of inputs) {
    const what = goldenName(scope, 'Golden input', name, dtype, graph.inputs)
    if ('ranges' in source) {
      total += filledBytes(scope, what, dtype, shape, source.ranges)
      continue
    }
    total += shapeBytes(scope, what, dtype, shape)
    if (source.seed >= 2 ** 32) throw malformed(`${what} expected a seed below 2^32, got ${source.seed}`)
    if (source.amplitude < 1) throw malformed(`${what} expected an amplitude of at least 1, got ${source.amplitude}`)
  }
  for (const { name, dtype, shape, samples, ranges, tolerance } of outputs) {
    const what = goldenName(scope, 'Golden output', name, dtype, graph.outputs)
    shapeBytes(scope, what, dtype, shape)
    const count = elementCount(shape)
    const fewest = Math.min(1, count)
    if (samples < fewest || samples > count)
      throw malformed(`${what} expected ${fewest} to ${count} samples, got ${samples}`)
    const size = rangeBytes(scope, what, ranges)
    if (size !== samples * 8) throw malformed(`${what} expected ${samples * 8} bytes of samples, got ${size}`)
    total += size
    if (!(tolerance >= 0 && tolerance < Number.POSITIVE_INFINITY)) {
      throw malformed(`${what} expected a finite tolerance of at least 0, got ${tolerance}`)
    }
  }
  return total
}

/** Checks that a golden tensor is a value of its graph; gives what to call it. */
function goldenName(scope: Scope, kind: string, name: string, dtype: DType, values: readonly ValueEntry[]): string {
  checkText(`The name of a ${kind.toLowerCase()}`, name, scope.limits, 1)
  const what = `${kind} "${name}"`
  const value = values.find((other) => other.name === name)
  if (!value) throw malformed(`${what} expected a value of its graph, got an unknown name`)
  if (value.dtype !== dtype) throw malformed(`${what} expected ${value.dtype}, got ${dtype}`)
  return what
}

/** Every decoded byte must belong to something: what nobody reads could be anything. */
function checkCover(chunks: readonly ChunkEntry[], ranges: readonly ChunkRange[]): void {
  const ends = chunks.map(() => 0)
  for (const { chunk, start, length } of ranges.toSorted((a, b) => a.chunk - b.chunk || a.start - b.start)) {
    if (start > ends[chunk]) break
    ends[chunk] = Math.max(ends[chunk], start + length)
  }
  const hole = ends.findIndex((end, index) => end < chunks[index].rawLength)
  if (hole >= 0) throw malformed(`Chunk ${hole} expected every byte to be used, got a hole at ${ends[hole]}`)
}

/** The bytes of ranges that must fill one tensor. */
function filledBytes(
  scope: Scope,
  what: string,
  dtype: DType,
  shape: readonly number[],
  ranges: readonly ChunkRange[],
): number {
  const expected = shapeBytes(scope, what, dtype, shape)
  const size = rangeBytes(scope, what, ranges)
  if (size !== expected) throw malformed(`${what} expected ${expected} bytes for ${dtype}[${shape}], got ${size}`)
  return size
}

function shapeBytes({ limits }: Scope, what: string, dtype: DType, shape: readonly number[]): number {
  checkLimit(limits, 'rank', `The rank of ${what}`, shape.length)
  return byteLength(dtype, elementCount(shape))
}
