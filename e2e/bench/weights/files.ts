/** Whole files: a package with all that is in it (header, manifest, golden data), beside the ONNX file under each peer. */

import { bytesSource, equal, messageOf } from '../../../sdk/core/index.ts'
import { pack } from '../../../sdk/pack/pack.ts'
import { unpack } from '../../../sdk/pack/verify.ts'
import { compressGenerally, GENERAL, type GeneralCompressor, ZPAQ } from '../general-compressors.ts'

export const FILE_PEERS = [...GENERAL, ZPAQ] as const

export interface FileRow {
  readonly model: string
  /** Whether it counts: a set of its weights takes 100 kB or more. */
  readonly counts: boolean
  readonly bytes: number
  /** Absent when the model is refused. */
  readonly packed?: number
  readonly refused?: string
  readonly peers: Readonly<Partial<Record<GeneralCompressor, number>>>
}

async function packedSize(name: string, model: Uint8Array): Promise<{ packed: number } | { refused: string }> {
  try {
    const { bytes } = await pack(model, { name })
    if (!equal(await unpack(bytesSource(bytes), { trust: 'unsigned' }), model))
      throw new Error('the package gives back another file.')
    return { packed: bytes.length }
  } catch (error) {
    return { refused: messageOf(error) }
  }
}

async function peerSizes(model: Uint8Array): Promise<Partial<Record<GeneralCompressor, number>>> {
  const sizes: Partial<Record<GeneralCompressor, number>> = {}
  for (const name of FILE_PEERS) sizes[name] = (await compressGenerally(name, model))?.length
  return sizes
}

/** Packs a model as `hardpack pack` does without options, and compresses its file by every peer. */
export async function wholeFile(name: string, model: Uint8Array, counts: boolean): Promise<FileRow> {
  const [packed, peers] = await Promise.all([packedSize(name, model), peerSizes(model)])
  return { model: name, counts, bytes: model.length, ...packed, peers }
}

/** Whether a package is smaller than the file under each of the four; `undefined` when one of them is absent. */
export function smallerThanAll({ packed, peers }: FileRow): boolean | undefined {
  const sizes = GENERAL.map((name) => peers[name])
  if (sizes.some((size) => size === undefined)) return undefined
  return packed !== undefined && sizes.every((size) => packed < (size ?? 0))
}
