/** The base package at pack time: its weights, and which of them belongs to which weight of the new model. */

import { bestDecoder } from '../../compress/decode.ts'
import type { BaseEntry, ChunkRange, TensorEntry } from '../container/manifest.ts'
import { readChunk, readPackage, verifyRaw } from '../container/read.ts'
import { type CallOptions, concat, type DType, HardpackError, type Source } from '../core/index.ts'

export interface LoadedBase {
  readonly entry: BaseEntry
  /** The weights of all its graphs. */
  readonly tensors: readonly TensorEntry[]
  /** The bytes of ranges of its chunks. */
  bytesOf(ranges: readonly ChunkRange[]): Uint8Array
}

/**
 * Reads and decodes a base package.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for a package that needs a base itself, and as `readPackage` and `readChunk` do.
 */
export async function loadBase(source: Source, options: CallOptions): Promise<LoadedBase> {
  const opened = await readPackage(source, { trust: 'unsigned', signal: options.signal })
  const { name, release, base, graphs, chunks } = opened.manifest
  if (base) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `The base expected a package that stands alone, got one that needs "${base.name}" release ${base.release}.`,
      { hint: 'Pack against that one instead.' },
    )
  }
  const decoder = await bestDecoder()
  const decoded: Uint8Array[] = []
  for (const [index, { codec, rawLength }] of chunks.entries()) {
    options.onProgress?.({ stage: 'decode the base', done: index, total: chunks.length })
    const raw = new Uint8Array(rawLength)
    await decoder.decode(codec, await readChunk(source, opened, index, options.signal), raw)
    await verifyRaw(opened, index, raw)
    decoded.push(raw)
  }
  options.onProgress?.({ stage: 'decode the base', done: chunks.length, total: chunks.length })
  return {
    entry: { digest: opened.manifestDigest, name, release },
    tensors: graphs.flatMap(({ tensors }) => tensors),
    bytesOf(ranges) {
      const parts = ranges.map(({ chunk, start, length }) => decoded[chunk].subarray(start, start + length))
      return parts.length === 1 ? parts[0] : concat(parts)
    },
  }
}

/** What two weights are compared by. */
export interface Pairable {
  readonly name: string
  readonly dtype: DType
  readonly shape: readonly number[]
}

/**
 * For each weight the one of the base that it most likely comes from: of the same type and shape, and of the same name; those
 * that are left, in order. Each is taken once.
 *
 * @example
 * pairTensors([{ name: 'a', dtype: 'int8', shape: [2] }], [{ name: 'b', dtype: 'int8', shape: [2] }]) // [{ name: 'b', … }]
 */
export function pairTensors<T extends Pairable>(weights: readonly Pairable[], base: readonly T[]): (T | undefined)[] {
  const kind = ({ dtype, shape }: Pairable): string => `${dtype}[${shape}]`
  const named = ({ name, ...rest }: Pairable): string => `${kind({ name, ...rest })} ${name}`
  const pairs: (T | undefined)[] = weights.map(() => undefined)
  const taken = new Set<T>()
  for (const keyOf of [named, kind]) {
    const free = new Map<string, T[]>()
    for (const tensor of base) {
      if (!taken.has(tensor)) free.set(keyOf(tensor), [...(free.get(keyOf(tensor)) ?? []), tensor])
    }
    for (const [i, weight] of weights.entries()) {
      const partner = pairs[i] ? undefined : free.get(keyOf(weight))?.shift()
      if (!partner) continue
      pairs[i] = partner
      taken.add(partner)
    }
  }
  return pairs
}
