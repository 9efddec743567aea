/** `open`: from bytes anywhere to a model that has proved itself on this device. */

import { browserWorkers } from '../../compress/pool/browser.ts'
import type { Workers } from '../../compress/pool/pool.ts'
import type { Target } from '../../targets/types.ts'
import { limitsOf } from '../container/limits.ts'
import { blobSource, bytesSource, type CallOptions, HardpackError, type Source, toHex } from '../core/index.ts'
import type { PolicyOptions } from '../run/guard/policy.ts'
import { Model } from '../run/model.ts'
import { type Attempt, start } from '../run/self-test.ts'
import type { ThreadOptions } from './decoder.ts'
import { loadPackage } from './load.ts'
import { readOptions, type TrustOptions } from './trust.ts'
import { urlSource } from './url-source.ts'

/** Where a package can come from: an address, bytes, a Blob or File, or any `Source`. */
export type PackageInput = string | URL | Uint8Array | ArrayBuffer | Blob | Source

export interface OpenOptions extends TrustOptions, ThreadOptions, CallOptions {
  /** In order of preference; the first that passes the self-test runs the model. */
  targets: readonly Target[]
  /**
   * The package that this one was packed against, or a function that gets it, such as from a cache. Looked at only where the
   * package needs one; it needs no signature, since the package names it by its digest.
   */
  base?: PackageInput | (() => PackageInput | Promise<PackageInput>)
  /** Tightens the policy of the package's guard. */
  guard?: PolicyOptions
}

/**
 * Opens a package: header, manifest, signature, chunks, decode, session, self-test, in this order. Nothing that was not
 * verified reaches a runtime.
 *
 * @throws HardpackError `INVALID_ARGUMENT`, `UNSIGNED`, `BAD_SIGNATURE`, `ROLLBACK`, `INVALID_FORMAT`,
 *   `UNSUPPORTED_VERSION`, `LIMIT_EXCEEDED`, `CHUNK_CORRUPT`, `BASE_REQUIRED`, `BASE_MISMATCH`, `IO`, `NETWORK`, `TARGET_UNAVAILABLE`,
 *   `SELF_TEST_FAILED`, `ABORTED`.
 * @example
 * const model = await open('model.hpk', { targets: [webgpu(), wasm()], trustedKeys: ['6f1d…'] })
 * const { outputs } = await model.run({ image })
 */
export function open(input: PackageInput, options: OpenOptions): Promise<Model> {
  return openWith(browserWorkers, input, options)
}

/** `open`, where threads are started in the way that is given. */
export async function openWith(workers: Workers, input: PackageInput, options: OpenOptions): Promise<Model> {
  if (!Array.isArray(options?.targets)) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `open() expected options.targets to be a list, got ${options?.targets}.`,
      {
        hint: 'Give the targets that may run the model, such as [webgpu(), wasm()].',
      },
    )
  }
  const closers: (() => void)[] = []
  const sourceOf = async (given: PackageInput, what: string): Promise<Source> => {
    if (!(typeof given === 'string' || given instanceof URL)) return givenSource(given, what)
    const source = await urlSource(given, limitsOf(options.limits), options.signal)
    closers.push(source.close)
    return source
  }
  const { base, signal, onProgress, decodeThreads } = options
  const { manifest, manifestDigest, graph, passes, tables, learning, signers, decoder } = await loadPackage(
    await sourceOf(input, 'open()'),
    readOptions(options),
    {
      signal,
      onProgress,
      decodeThreads,
      base:
        base === undefined
          ? undefined
          : async () => sourceOf(typeof base === 'function' ? await base() : base, 'The base of open()'),
    },
    workers,
  ).finally(() => {
    for (const close of closers) close()
  })
  const attempts: Attempt[] = []
  const guarding = manifest.guard && { entry: manifest.guard, ...(await import('../run/guard/guard.ts')) }
  const policy = guarding?.tighten(guarding.entry.policy, options.guard)
  const started = await start(passes, options.targets, attempts, options)
  const facts = {
    name: manifest.name,
    release: manifest.release,
    signers: signers.map(toHex),
    inputs: graph.inputs,
    outputs: graph.outputs,
    passes,
    attempts,
    decoder,
  }
  if (!guarding || !policy) return new Model(facts, started)
  const { inputs, outputs } = graph
  const { entry, Guard } = guarding
  try {
    const guard = new Guard({ entry, policy, tables, learning, inputs, outputs, manifestDigest }, started)
    return new Model(facts, started, guard)
  } catch (error) {
    await Promise.all(started.sessions.map((session) => session.close()))
    throw error
  }
}

function givenSource(input: Exclude<PackageInput, string | URL>, what: string): Source {
  if (input instanceof Uint8Array) return bytesSource(input)
  if (input instanceof ArrayBuffer) return bytesSource(new Uint8Array(input))
  if (input instanceof Blob) return blobSource(input)
  if (typeof input?.read === 'function') return input
  throw new HardpackError(
    'INVALID_ARGUMENT',
    `${what} expected a URL, Uint8Array, ArrayBuffer, Blob or Source, got ${Object.prototype.toString.call(input)}.`,
  )
}
