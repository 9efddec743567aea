/**
 * `pack`: an ONNX model in, one package out. The order is fixed: read, take the reference, take the weights out, compress,
 * write, then read the result back and compare it with the model byte for byte.
 */

import { createRequire } from 'node:module'
import { checkEffort, type EncodeOptions, typescriptDecoder } from '../../compress/index.ts'
import { node } from '../../targets/node.ts'
import type { Target } from '../../targets/types.ts'
import { wasm } from '../../targets/wasm-node.ts'
import { DEFAULT_LIMITS } from '../container/limits.ts'
import type { ChunkRange, GoldenEntry, Manifest } from '../container/manifest.ts'
import { BASE_FEATURE } from '../container/validate.ts'
import { GUARD_FEATURE } from '../container/validate-guard.ts'
import { writePackage } from '../container/write.ts'
import {
  type Bytes,
  bytesOf,
  bytesSource,
  equal,
  HardpackError,
  type Source,
  sha256,
  type Tensor,
  throwIfAborted,
} from '../core/index.ts'
import { readModel, signatureOf } from '../onnx/index.ts'
import { type LoadedBase, loadBase, pairTensors } from './base.ts'
import { type GraphFile, graphEntries, planGraphs, type Weight } from './graphs.ts'
import { guardEntry, tableParts } from './guard/entry.ts'
import { type GuardOptions, makeGuard } from './guard/make.ts'
import { layOut, type Partner } from './layout.ts'
import { isQuantized } from './quantized.ts'
import { type Reference, type ReferenceOptions, takeReference } from './reference.ts'
import { unpack } from './verify.ts'

export interface PackOptions extends EncodeOptions {
  /** What the package calls itself. */
  name: string
  /** Counts up with each published version of the model. Default 1. */
  release?: number
  /** The licence of the weights, as an SPDX expression. */
  license?: string
  /** Inputs of golden cases, by name. Seeded ones are made when there are none. */
  golden?: readonly Readonly<Record<string, Tensor>>[]
  /** Shapes of seeded inputs whose dimensions are open. */
  shapes?: Readonly<Record<string, readonly number[]>>
  /**
   * A package that everybody who opens this one has: weights near its weights are packed as differences. It must not need a base
   * itself. Where nothing is smaller for it, the package needs none.
   */
  base?: Source
  /** Ed25519 secret keys to sign with. */
  secretKeys?: readonly Uint8Array[]
  /** What it takes to say whether an input should be believed; without it the package has no guard. */
  guard?: GuardOptions
  /** The runtimes that give and confirm the reference outputs. Default: onnxruntime in Node, native and WASM. */
  reference?: Target
  second?: Target
}

export interface PackResult {
  readonly bytes: Bytes
  /** How well the two reference runtimes agreed. */
  readonly agreement: Reference['agreement']
  /** How long encoding took, in milliseconds. */
  readonly encodeMs: number
}

const { version } = createRequire(import.meta.url)('hardpack/package.json') as { version: string }

/**
 * Packs an ONNX model. The same model, options and version give the same bytes.
 *
 * @param model a whole ONNX file in memory; external data already inlined (`inlineExternalData`)
 * @throws HardpackError `INVALID_ARGUMENT` for options that a package cannot hold, `INVALID_MODEL` for what is not ONNX,
 *   `UNSUPPORTED_MODEL` with the runtime's reason when it cannot run the model, `REFERENCE_MISMATCH` when two runtimes
 *   disagree on its outputs, `LIMIT_EXCEEDED`, `ABORTED`.
 * @example
 * const { bytes } = await pack(await readFile('model.onnx'), { name: 'digits' })
 * await writeFile('digits.hpk', bytes)
 */
export async function pack(model: Uint8Array, options: PackOptions): Promise<PackResult> {
  const { signal, onProgress, effort } = options
  throwIfAborted(signal)
  checkOptions(options)
  const graph = readModel(model)
  const signature = signatureOf(graph)
  if (signature.outputs.length === 0) {
    throw new HardpackError('UNSUPPORTED_MODEL', 'The model expected an output, got none.', {
      hint: 'Export it with its outputs.',
    })
  }
  const referenceOptions: ReferenceOptions = {
    reference: options.reference ?? node({ threads: 1 }),
    second: options.second ?? wasm(),
    golden: options.golden,
    shapes: options.shapes,
    quantized: isQuantized(graph),
    signal,
    onProgress,
  }
  const reference = await takeReference({ model }, signature.inputs, referenceOptions)
  const main: GraphFile = {
    name: 'main',
    file: model,
    inputs: signature.inputs,
    outputs: signature.outputs.map((output) => ({
      ...output,
      shape: output.shape ?? observedShape(reference, output.name),
    })),
  }
  const guard = options.guard && (await makeGuard(main, graph, options.guard, reference, referenceOptions))
  const tests = guard?.references ?? [reference]
  const plan = await planGraphs([main, ...(guard?.graphs ?? [])])
  const goldenBytes = tests.flatMap(goldenParts)
  const base = options.base && (await loadBase(options.base, { signal, onProgress }))
  const partners = base ? partnersOf(plan.weights, base) : []
  const startedAt = performance.now()
  const parts = [...plan.parts, ...goldenBytes, ...(guard ? tableParts(guard) : [])]
  const layout = await layOut(parts, plan.weights, partners, { effort, signal, onProgress })
  const encodeMs = performance.now() - startedAt
  const needsBase = layout.chunks.some((chunk) => chunk.base.length > 0)
  const places = layout.plain.slice(plan.parts.length)
  const manifest: Omit<Manifest, 'chunks'> = {
    name: options.name,
    release: options.release ?? 1,
    generator: `hardpack ${version}`,
    critical: [...(needsBase ? [BASE_FEATURE] : []), ...(guard ? [GUARD_FEATURE] : [])],
    base: needsBase ? base?.entry : undefined,
    license: options.license ?? '',
    graphs: await graphEntries(plan, { parts: layout.plain, weights: layout.weights }),
    golden: goldenEntries(tests, guard ? 1 : 0, places),
    guard: guard && guardEntry(guard, places.slice(goldenBytes.length)),
  }
  // Digests of what one decoder gives are checked on what the other gives when the file is read back below.
  const decoder = typescriptDecoder()
  const chunks = []
  for (const [index, { codec, rawLength, bytes, base: ranges }] of layout.chunks.entries()) {
    throwIfAborted(signal)
    onProgress?.({ stage: 'decode and compare', done: index, total: layout.chunks.length })
    const raw = new Uint8Array(rawLength)
    await decoder.decode(codec, bytes, raw, ranges.length > 0 ? base?.bytesOf(ranges) : undefined)
    chunks.push({ codec, rawLength, bytes, rawDigest: await sha256(raw), base: ranges })
  }
  const bytes = await writePackage(manifest, chunks, { secretKeys: options.secretKeys })
  const again = await unpack(bytesSource(bytes), { trust: 'unsigned', base: options.base, signal })
  if (!equal(again, model)) {
    throw new HardpackError('CHUNK_CORRUPT', 'The package expected to decode to the model, got other bytes.', {
      hint: 'This is a fault of hardpack: please report the model.',
    })
  }
  onProgress?.({ stage: 'decode and compare', done: layout.chunks.length, total: layout.chunks.length })
  return { bytes, agreement: reference.agreement, encodeMs }
}

/** Refuses, before the long work, what a manifest cannot hold. */
function checkOptions({ name, license = '', release = 1, effort }: PackOptions): void {
  checkEffort(effort)
  const { nameBytes } = DEFAULT_LIMITS
  for (const [key, value, minLength] of [
    ['name', name, 1],
    ['license', license, 0],
  ] as const) {
    const length = typeof value === 'string' ? new TextEncoder().encode(value).length : -1
    if (length >= minLength && length <= nameBytes && !/\p{Cc}/u.test(value)) continue
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `The ${key} expected ${minLength} to ${nameBytes} bytes of text without control characters, got ${JSON.stringify(value)}.`,
      { hint: `Give another ${key}.` },
    )
  }
  if (!(Number.isSafeInteger(release) && release >= 0)) {
    throw new HardpackError('INVALID_ARGUMENT', `The release expected a whole number, got ${release}.`, {
      hint: 'Count releases up from 1.',
    })
  }
}

function partnersOf(weights: readonly Weight[], base: LoadedBase): (Partner | undefined)[] {
  return pairTensors(weights, base.tensors).map((tensor) => {
    return tensor && { ranges: tensor.ranges, bytes: base.bytesOf(tensor.ranges) }
  })
}

/** The shape of an output whose model does not say: as many open dimensions as it has in the golden cases. */
function observedShape({ cases }: Reference, name: string): string[] {
  const shape = cases[0].outputs.find((output) => output.name === name)?.shape ?? []
  return shape.map((_, axis) => `${name}_${axis}`)
}

/** The bytes that golden cases need, in the order in which `goldenEntries` takes their places. */
function goldenParts({ cases }: Reference): Uint8Array[] {
  return cases.flatMap(({ trial, outputs }) => [
    ...Object.values(trial.inputs)
      .filter(({ origin }) => origin === 'given')
      .map(({ tensor }) => bytesOf(tensor)),
    ...outputs.map(({ values }) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
  ])
}

/** @param first the graph that the first of the references is of; the others follow */
function goldenEntries(
  references: readonly Reference[],
  first: number,
  places: readonly (readonly ChunkRange[])[],
): GoldenEntry[] {
  let next = 0
  return references.flatMap(({ cases }, index) =>
    cases.map(({ trial, outputs }) => ({
      graph: first + index,
      inputs: Object.entries(trial.inputs).map(([name, { tensor, origin }]) => ({
        name,
        dtype: tensor.dtype,
        shape: tensor.shape,
        source: origin === 'given' ? { ranges: places[next++] } : origin,
      })),
      outputs: outputs.map(({ name, dtype, shape, values, tolerance }) => ({
        name,
        dtype,
        shape,
        samples: values.length,
        ranges: places[next++],
        tolerance,
      })),
    })),
  )
}
