/**
 * The base of a package: another package, whose decoded bytes chunks of this one were encoded against. It is named by the
 * digest of its manifest, which is looked at before anything in it is parsed; so it needs no trust of its own, and it
 * stays the same when it is signed anew. A base stands alone: two packages are all that it ever takes to open one.
 *
 * Chunks of the base are decoded when they are first needed, once, and let go after their last use.
 */

import type { Decoder } from '../../compress/types.ts'
import type { Limits } from '../container/limits.ts'
import type { Manifest } from '../container/manifest.ts'
import { type OpenedPackage, readChunk, readPackage, verifyRaw } from '../container/read.ts'
import { checkBaseRanges } from '../container/validate.ts'
import { concat, HardpackError, type Source, toHex } from '../core/index.ts'

/** Where a base can be had; asked only when a package needs one. */
export type BaseSource = () => Source | Promise<Source>

export interface Base {
  /** The bytes that a chunk was encoded against; `undefined` for a chunk without a base. Once for each chunk. */
  bytesFor(chunk: number): Promise<Uint8Array | undefined>
}

interface BaseOptions {
  readonly limits?: Partial<Limits>
  readonly signal?: AbortSignal
}

/**
 * Opens the base that a package names, and checks that it is the one and has all that is needed.
 *
 * @returns `undefined` for a package that needs none
 * @throws HardpackError `BASE_REQUIRED` when there is none, `BASE_MISMATCH` when it is another package, `INVALID_FORMAT`
 *   when the package asks for what its base does not have, and as `readPackage` does.
 */
export async function openBase(
  manifest: Manifest,
  base: BaseSource | undefined,
  { limits, signal }: BaseOptions = {},
): Promise<{ source: Source; opened: OpenedPackage } | undefined> {
  if (manifest.base === undefined) return undefined
  const { name, release, digest } = manifest.base
  if (base === undefined) {
    throw new HardpackError(
      'BASE_REQUIRED',
      `The package expected its base "${name}" release ${release} (manifest ${toHex(digest).slice(0, 16)}…), got none.`,
      { hint: 'Give that package as well: open(…, { base }), or --base on the command line.' },
    )
  }
  const source = await base()
  const opened = await readPackage(source, { trust: 'unsigned', manifestDigest: digest, limits, signal })
  checkBaseRanges(manifest, opened.manifest)
  return { source, opened }
}

/** The bytes of an open base, as the chunks of a package ask for them. */
export function baseOf(
  { chunks }: Manifest,
  { source, opened }: { source: Source; opened: OpenedPackage },
  decoder: Decoder,
  signal?: AbortSignal,
): Base {
  const uses = opened.manifest.chunks.map(() => 0)
  const numbersOf = (chunk: number) => new Set(chunks[chunk].base.map((range) => range.chunk))
  for (const chunk of chunks.keys()) for (const number of numbersOf(chunk)) uses[number]++
  const decoded = new Map<number, Promise<Uint8Array>>()
  const decode = async (number: number): Promise<Uint8Array> => {
    const { codec, rawLength } = opened.manifest.chunks[number]
    const raw = new Uint8Array(rawLength)
    await decoder.decode(codec, await readChunk(source, opened, number, signal), raw)
    await verifyRaw(opened, number, raw)
    return raw
  }
  const chunkOf = (number: number): Promise<Uint8Array> => {
    const known = decoded.get(number) ?? decode(number)
    decoded.set(number, known)
    return known
  }
  return {
    async bytesFor(chunk) {
      const ranges = chunks[chunk].base
      if (ranges.length === 0) return undefined
      const parts: Uint8Array[] = []
      for (const { chunk: number, start, length } of ranges) {
        parts.push((await chunkOf(number)).subarray(start, start + length))
      }
      for (const number of numbersOf(chunk)) if (--uses[number] === 0) decoded.delete(number)
      return parts.length === 1 ? parts[0] : concat(parts)
    },
  }
}
