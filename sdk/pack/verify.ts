/** `verify` and `unpack`: every digest, every chunk decoded, and the ONNX file put together again and compared. */

import { nodeWorkers } from '../../compress/pool/node.ts'
import { checkPadding, type OpenedPackage, readPackage } from '../container/read.ts'
import { type CallOptions, equal, HardpackError, type Source, sha256 } from '../core/index.ts'
import { withDecoder } from '../open/decoder.ts'
import { decodeChunks, onnxFile } from '../open/load.ts'
import { readOptions, type TrustOptions } from '../open/trust.ts'

export interface VerifyOptions extends TrustOptions, CallOptions {
  /** The package that this one was packed against, where it needs one. */
  base?: Source
}

export interface Verified {
  readonly opened: OpenedPackage
}

/**
 * Checks a whole package: header, manifest, signature, padding, both digests of every chunk, and that each graph gives
 * back the ONNX file that was packed.
 *
 * @throws HardpackError as `open` does, without running anything.
 * @example
 * const { opened } = await verify(bytesSource(bytes), { trustedKeys: [publicKey] })
 * opened.manifest.name
 */
export async function verify(source: Source, options: VerifyOptions = {}): Promise<Verified> {
  const { opened } = await unpackGraphs(source, options)
  return { opened }
}

/**
 * The ONNX file of a package, byte for byte as it was packed.
 *
 * @throws HardpackError whatever `verify` throws: nothing that does not verify is unpacked.
 */
export async function unpack(source: Source, options: VerifyOptions = {}): Promise<Uint8Array> {
  const { files } = await unpackGraphs(source, options)
  return files[0]
}

/**
 * The ONNX files of all graphs of a package.
 *
 * @returns one for each graph of the manifest; the model as it was packed first, then those of a guard
 * @throws HardpackError whatever `verify` throws.
 */
export async function unpackGraphs(
  source: Source,
  options: VerifyOptions = {},
): Promise<Verified & { readonly files: readonly Uint8Array[] }> {
  const opened = await readPackage(source, readOptions(options))
  await checkPadding(source, opened, options.signal)
  const base = options.base && (() => options.base as Source)
  const arena = await withDecoder(opened.manifest, {}, nodeWorkers, (decoder) =>
    decodeChunks(source, opened, decoder, { ...options, base }),
  )
  const files: Uint8Array[] = []
  for (const graph of opened.manifest.graphs) {
    const file = onnxFile(arena, graph)
    if (file.length !== graph.byteLength || !equal(await sha256(file), graph.digest)) {
      throw new HardpackError(
        'CHUNK_CORRUPT',
        `Graph "${graph.name}" expected the ONNX file that was packed, got other bytes.`,
        {
          hint: 'Pack the model again.',
        },
      )
    }
    files.push(file)
  }
  return { opened, files }
}
