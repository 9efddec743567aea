/** `open`: from bytes anywhere to a model that has proved itself on this device. */

import { bestDecoder } from '../../compress/decode.ts'
import type { Target } from '../../targets/types.ts'
import type { Limits } from '../container/limits.ts'
import { readPackage } from '../container/read.ts'
import { blobSource, bytesSource, type CallOptions, fromHex, HardpackError, type Source, toHex } from '../core/index.ts'
import { Model } from '../run/model.ts'
import { type Attempt, start } from '../run/self-test.ts'
import { decodeChunks, goldenCases, mainGraph, runnableGraph } from './load.ts'
import { urlSource } from './url-source.ts'

/** Where a package can come from: an address, bytes, a Blob or File, or any `Source`. */
export type PackageInput = string | URL | Uint8Array | ArrayBuffer | Blob | Source

export interface TrustOptions {
  /** Ed25519 public keys, as 32 bytes or 64 hexadecimal digits, of which one must have signed the package. */
  trustedKeys?: readonly (Uint8Array | string)[]
  /** `unsigned` also opens a package without a signature. Default: `signed`. */
  trust?: 'signed' | 'unsigned'
  /** Refuse a package whose release is lower. */
  minRelease?: number
  limits?: Partial<Limits>
}

export interface OpenOptions extends TrustOptions, CallOptions {
  /** In order of preference; the first that passes the self-test runs the model. */
  targets: readonly Target[]
}

/**
 * Opens a package: header, manifest, signature, chunks, decode, session, self-test, in this order. Nothing that was not
 * verified reaches a runtime.
 *
 * @throws HardpackError `UNSIGNED`, `BAD_SIGNATURE`, `ROLLBACK`, `INVALID_FORMAT`, `UNSUPPORTED_VERSION`,
 *   `LIMIT_EXCEEDED`, `CHUNK_CORRUPT`, `NETWORK`, `TARGET_UNAVAILABLE`, `SELF_TEST_FAILED`, `ABORTED`.
 * @example
 * const model = await open('model.hpk', { targets: [webgpu(), wasm()], trustedKeys: ['6f1d…'] })
 * const { outputs } = await model.run({ image })
 */
export async function open(input: PackageInput, options: OpenOptions): Promise<Model> {
  const source = await sourceOf(input, options.signal)
  const opened = await readPackage(source, readOptions(options))
  const decoder = await bestDecoder()
  const arena = await decodeChunks(source, opened, decoder, options)
  const { manifest } = opened
  const graph = mainGraph(manifest)
  const golden = goldenCases(arena, manifest, 0)
  if (golden.length === 0) throw new HardpackError('INVALID_FORMAT', 'The package expected a golden case, got none.')
  const attempts: Attempt[] = []
  const started = await start(runnableGraph(arena, graph), golden, options.targets, attempts, options)
  const facts = {
    name: manifest.name,
    release: manifest.release,
    signers: opened.signers.map(toHex),
    inputs: graph.inputs,
    outputs: graph.outputs,
    golden,
    attempts,
    decoder: decoder.name,
  }
  return new Model(facts, started)
}

/** Trust options in the form that the container takes. */
export function readOptions({ trustedKeys, trust, minRelease, limits, signal }: TrustOptions & CallOptions): {
  trustedKeys?: readonly Uint8Array[]
  trust?: 'signed' | 'unsigned'
  minRelease?: number
  limits?: Partial<Limits>
  signal?: AbortSignal
} {
  return { trustedKeys: trustedKeys?.map(publicKey), trust, minRelease, limits, signal }
}

function publicKey(key: Uint8Array | string): Uint8Array {
  const bytes = typeof key === 'string' ? fromHex(key) : key
  if (bytes?.length !== 32) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      'A trusted key expected 32 bytes or 64 hexadecimal digits, got something else.',
      {
        hint: 'Give the public key that keygen printed.',
      },
    )
  }
  return bytes
}

async function sourceOf(input: PackageInput, signal: AbortSignal | undefined): Promise<Source> {
  if (typeof input === 'string' || input instanceof URL) return urlSource(input, signal)
  if (input instanceof Uint8Array) return bytesSource(input)
  if (input instanceof ArrayBuffer) return bytesSource(new Uint8Array(input))
  if (input instanceof Blob) return blobSource(input)
  return input
}
