/**
 * The bytes of a package as a cost. Bits a weight differ between layers, so each tensor is measured by the codec itself, on
 * the original; a narrower tensor is taken to need as many a weight. What is no weight of a contraction stays as it is.
 */

import type { Effort } from '../../compress/index.ts'
import type { Analysis, Kept } from '../../compress/prune/index.ts'
import type { Target } from '../../targets/types.ts'
import { bytesSource, type CallOptions } from '../core/index.ts'
import { inspect } from '../pack/inspect.ts'
import { pack } from '../pack/pack.ts'
import { reportName } from '../pack/report-name.ts'
import { sharesOf } from './widths.ts'

/** The others take several times as long, for less than a tenth of a percent. */
const EFFORT: Effort = 'fast'

export interface PackedSizes {
  /** The whole package. */
  readonly total: number
  /** Of weights by name, those that are not part of the skeleton. */
  readonly tensors: ReadonlyMap<string, number>
}

export interface PackedSizesOptions extends CallOptions {
  readonly name: string
  /** What it is, for the progress. */
  readonly what: string
  readonly target: Target
  /** Of inputs whose dimensions are open. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>
}

/**
 * Packs a model and says where its bytes go.
 *
 * @throws HardpackError as `pack` does.
 */
export async function packedSizes(
  file: Uint8Array,
  { name, what, target, shapes, signal, onProgress }: PackedSizesOptions,
): Promise<PackedSizes> {
  const { bytes } = await pack(file, {
    name,
    effort: EFFORT,
    shapes,
    // Whether two runtimes agree is for those who ship it.
    reference: target,
    second: target,
    signal,
    onProgress: onProgress && (({ stage, ...rest }) => onProgress({ stage: `pack the ${what}: ${stage}`, ...rest })),
  })
  const { tensors } = await inspect(bytesSource(bytes), { trust: 'unsigned', signal })
  return { total: bytes.length, tensors: new Map(tensors.map(({ name, packedBytes }) => [name, packedBytes])) }
}

/** Packed bytes of the weight of each contraction, by the name of its output. */
export function bytesByContraction(
  { contractions }: Pick<Analysis, 'contractions'>,
  sizes: PackedSizes,
): Map<string, number> {
  return new Map(
    contractions.map(({ output, weight }) => [output, sizes.tensors.get(reportName(weight)) ?? 0] as const),
  )
}

/**
 * Packed bytes of what is kept, estimated.
 *
 * @example
 * const cost = bytesCost(analysis, await packedSizes(file, { name: 'net', what: 'original', target }))
 * cost(new Map([['conv1', [0, 1, 2, 3]]])) // fewer than before
 */
export function bytesCost(
  analysis: Pick<Analysis, 'contractions' | 'groups' | 'branches'>,
  sizes: PackedSizes,
): (kept: Kept) => number {
  const bytes = bytesByContraction(analysis, sizes)
  return (kept) => {
    const shares = sharesOf(analysis, kept)
    return [...bytes].reduce((total, [output, own]) => total - own * (1 - (shares.get(output) ?? 1)), sizes.total)
  }
}
