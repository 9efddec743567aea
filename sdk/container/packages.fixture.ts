/** Packages for the tests of this room: one small and always the same, and arbitrary ones for property tests. */

import fc from 'fast-check'
import { type Bytes, byteLength, type DType, elementCount, sha256 } from '../core/index.ts'
import { encodeHeader, HEADER_BYTES } from './header.ts'
import { layOut } from './layout.ts'
import type { ChunkRange, GoldenInput, GraphEntry, GuardEntry, Manifest } from './manifest.ts'
import { BASE_FEATURE } from './validate.ts'
import { GUARD_FEATURE } from './validate-guard.ts'
import type { ChunkInput } from './write.ts'

export interface Contents {
  readonly manifest: Omit<Manifest, 'chunks'>
  readonly chunks: readonly ChunkInput[]
}

/** A chunk that is stored as it is. */
export async function storedChunk(bytes: Uint8Array): Promise<ChunkInput> {
  return { codec: 0, rawLength: bytes.length, bytes, rawDigest: await sha256(bytes) }
}

const counting = (length: number, first: number) => Uint8Array.from({ length }, (_, i) => first + i)

/** A graph of a 12-byte skeleton and two weights in two chunks, with both kinds of golden input. */
export async function smallContents(): Promise<Contents> {
  const manifest: Contents['manifest'] = {
    name: 'digits',
    release: 3,
    generator: 'hardpack 0.1.0',
    critical: [],
    license: 'Apache-2.0',
    graphs: [
      {
        name: 'main',
        skeleton: [{ chunk: 0, start: 0, length: 12 }],
        tensors: [
          {
            name: 'w',
            dtype: 'float32',
            shape: [2, 1],
            position: 4,
            external: true,
            ranges: [{ chunk: 1, start: 0, length: 8 }],
          },
          {
            name: 'b',
            dtype: 'int8',
            shape: [3],
            position: 9,
            external: false,
            ranges: [
              { chunk: 1, start: 8, length: 2 },
              { chunk: 0, start: 12, length: 1 },
            ],
          },
        ],
        inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 2] }],
        outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 0, ''] }],
        byteLength: 23,
        digest: await sha256(counting(23, 0)),
      },
    ],
    golden: [
      {
        graph: 0,
        inputs: [
          { name: 'x', dtype: 'float32', shape: [1, 2], source: { ranges: [{ chunk: 1, start: 10, length: 8 }] } },
        ],
        outputs: [
          {
            name: 'y',
            dtype: 'float32',
            shape: [1, 5],
            samples: 1,
            ranges: [{ chunk: 1, start: 18, length: 8 }],
            tolerance: 0.001,
          },
        ],
      },
      {
        graph: 0,
        inputs: [{ name: 'x', dtype: 'float32', shape: [1, 2], source: { seed: 7, amplitude: 1 } }],
        outputs: [],
      },
    ],
  }
  return { manifest, chunks: [await storedChunk(counting(13, 1)), await storedChunk(counting(26, 100))] }
}

/** An unsigned file of these contents around any bytes in place of their manifest, with the checksum, digest and lengths that fit. */
export async function fileAround(
  manifest: Uint8Array,
  { minor = 0, fileLength, contents }: { minor?: number; fileLength?: number; contents?: Contents } = {},
): Promise<Bytes> {
  const { chunks } = contents ?? (await smallContents())
  const lengths = chunks.map(({ bytes }) => ({ encodedLength: bytes.length }))
  const { offsets, end } = layOut(HEADER_BYTES + manifest.length, lengths)
  const file = new Uint8Array(fileLength ?? end)
  const manifestDigest = await sha256(manifest)
  const header = { minor, fileLength: file.length, manifestLength: manifest.length, signatureLength: 0, manifestDigest }
  file.set(encodeHeader(header))
  file.set(manifest, HEADER_BYTES)
  for (const [i, { bytes }] of chunks.entries()) file.set(bytes.subarray(0, file.length - offsets[i]), offsets[i])
  return file
}

const DTYPES: readonly DType[] = ['float32', 'uint8', 'int64', 'float16', 'bool', 'int4', 'float8e5m2']

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }).filter((s) => !/\p{Control}/u.test(s))
const shape = fc.array(fc.nat(4), { maxLength: 4 })
const plainRecord = <T extends object>(fields: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) =>
  fc.record(fields, { noNullPrototype: true })

const tensor = plainRecord({ name, dtype: fc.constantFrom(...DTYPES), shape, external: fc.boolean(), step: fc.nat(9) })
const value = plainRecord({
  name,
  dtype: fc.constantFrom(...DTYPES),
  shape: fc.array(fc.oneof(fc.nat(), fc.string({ unit: 'grapheme-ascii', maxLength: 5 })), { maxLength: 5 }),
})
const values = fc.uniqueArray(value, { selector: (v) => v.name, maxLength: 4 })
const graph = plainRecord({
  name,
  skeletonLength: fc.integer({ min: 1, max: 90 }),
  tensors: fc.array(tensor, { maxLength: 6 }),
  inputs: values,
  outputs: values,
})
/** What `contentsOf` makes contents of. */
export const arbitrarySpec = plainRecord({
  name,
  release: fc.maxSafeNat(),
  license: fc.string({ unit: 'grapheme-ascii', maxLength: 20 }),
  critical: fc.uniqueArray(name, { maxLength: 3 }),
  graphs: fc.uniqueArray(graph, { selector: (g) => g.name, minLength: 1, maxLength: 3 }),
  chunkSize: fc.integer({ min: 1, max: 70 }),
  goldenShape: shape,
  seed: fc.option(fc.nat(0xffffffff), { nil: undefined }),
  tolerance: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }).map((t) => t + 0),
  fill: fc.nat(255),
  hasBase: fc.boolean(),
  hasGuard: fc.boolean(),
})

type Spec = typeof arbitrarySpec extends fc.Arbitrary<infer T> ? T : never

/** Valid contents of any shape: what they hold lies one after another on a tape that is cut into chunks. */
export async function contentsOf(s: Spec): Promise<Contents> {
  let used = 0
  const take = (length: number): ChunkRange[] => {
    const ranges: ChunkRange[] = []
    for (const end = used + length; used < end; ) {
      const chunk = Math.floor(used / s.chunkSize)
      const start = used % s.chunkSize
      const part = Math.min(s.chunkSize - start, end - used)
      ranges.push({ chunk, start, length: part })
      used += part
    }
    return ranges
  }
  const digest = await sha256(Uint8Array.of(s.fill))
  const graphs = s.graphs.map((g) => {
    const before = used
    const skeleton = take(g.skeletonLength)
    let position = 0
    const tensors = g.tensors.map(({ step, ...rest }) => {
      position = Math.min(position + step, g.skeletonLength)
      return { ...rest, position, ranges: take(byteLength(rest.dtype, elementCount(rest.shape))) }
    })
    return { name: g.name, skeleton, tensors, inputs: g.inputs, outputs: g.outputs, byteLength: used - before, digest }
  })
  const golden = graphs.map((g, index) => ({
    graph: index,
    inputs: g.inputs.map(({ name, dtype }): GoldenInput => {
      const ranges = () => take(byteLength(dtype, elementCount(s.goldenShape)))
      const source = s.seed === undefined ? { ranges: ranges() } : { seed: s.seed, amplitude: 1 + s.fill }
      return { name, dtype, shape: s.goldenShape, source }
    }),
    outputs: g.outputs.map(({ name, dtype }) => {
      const samples = elementCount(s.goldenShape)
      return { name, dtype, shape: s.goldenShape, samples, ranges: take(samples * 8), tolerance: s.tolerance }
    }),
  }))
  const chunks: ChunkInput[] = []
  for (let at = 0; at < used; at += s.chunkSize) {
    chunks.push(await storedChunk(new Uint8Array(Math.min(s.chunkSize, used - at)).fill(s.fill)))
  }
  const { name, release, license, critical } = s
  const rest = { base: undefined, guard: undefined }
  const manifest = { name, release, generator: 'hardpack 0.1.0', critical, license, graphs, golden, ...rest }
  const plain = { manifest, chunks }
  const guarded = s.hasGuard ? await withGuard(plain) : plain
  return s.hasBase ? withBase(guarded, digest) : guarded
}

/**
 * The same contents with a guard of two tiers. Both graphs are skeletons only, and share the bytes of one chunk with the tables of
 * two detectors and of their combination.
 */
export async function withGuard({ manifest, chunks }: Contents): Promise<Contents> {
  const chunk = await storedChunk(counting(24, 7))
  const at = (start: number, length: number): ChunkRange[] => [{ chunk: chunks.length, start, length }]
  const names = new Set(manifest.graphs.map(({ name }) => name))
  const graph = (role: string): GraphEntry => ({
    name: names.has(role) ? `${role} of many names` : role,
    skeleton: at(0, 24),
    tensors: [],
    inputs: ['x', 'means', 'transform'].map((name) => ({ name, dtype: 'float32', shape: ['n', 2] })),
    outputs: ['logits', 'score', 'features'].map((name) => ({ name, dtype: 'float32', shape: ['n', 2] })),
    byteLength: 24,
    digest: new Uint8Array(32).fill(3),
  })
  const first = manifest.graphs.length
  const detector = { kind: 'mahalanobis', score: 'score', parameters: [{ name: 'rank', value: '2' }] }
  const guard: GuardEntry = {
    tiers: [
      { graph: first, low: 0, high: 1 },
      { graph: first + 1, low: 0.01, high: 0.5 },
    ],
    detectors: [
      { ...detector, name: 'a', tier: 0, twoSided: false },
      { ...detector, name: 'b', tier: 1, twoSided: true },
    ],
    calibrations: [
      {
        targets: ['node', 'wasm'],
        tables: [
          { count: 2, ranges: at(0, 8) },
          { count: 3, ranges: at(4, 12) },
        ],
        combined: { count: 2, ranges: at(16, 8) },
      },
    ],
    policy: { flag: 0.05, reject: 0.01, confidence: 0, combination: 'simes', withhold: 'indeterminate' },
    logits: 'logits',
    room: {
      detector: 0,
      features: 'features',
      means: 'means',
      transform: 'transform',
      room: 4,
      rank: 2,
      samples: 100,
      classes: ['cat', 'dog'],
    },
  }
  return {
    manifest: {
      ...manifest,
      critical: [...manifest.critical.filter((feature) => feature !== GUARD_FEATURE), GUARD_FEATURE],
      graphs: [...manifest.graphs, graph('guarded'), graph('second')],
      guard,
    },
    chunks: [...chunks, chunk],
  }
}

/** The same contents, their last chunk encoded against two ranges (or one) of a base package. */
export function withBase({ manifest, chunks }: Contents, digest: Uint8Array): Contents {
  const last = chunks[chunks.length - 1]
  const half = last.rawLength >> 1
  const base = [
    { chunk: 3, start: 5, length: half },
    { chunk: 0, start: 0, length: last.rawLength - half },
  ].filter(({ length }) => length > 0)
  return {
    manifest: {
      ...manifest,
      critical: [...manifest.critical.filter((feature) => feature !== BASE_FEATURE), BASE_FEATURE],
      base: { digest, name: 'digits', release: 2 },
    },
    chunks: [...chunks.slice(0, -1), { ...last, base }],
  }
}
