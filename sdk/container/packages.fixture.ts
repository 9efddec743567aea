/** Packages for the tests of this room: one small and always the same, and arbitrary ones for property tests. */

import fc from 'fast-check'
import { type Bytes, byteLength, type DType, elementCount, sha256 } from '../core/index.ts'
import { encodeHeader, HEADER_BYTES } from './header.ts'
import { layOut } from './layout.ts'
import type { ChunkRange, GoldenInput, Manifest } from './manifest.ts'
import { BASE_FEATURE } from './validate.ts'
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

/** An unsigned file around any bytes in place of a manifest, with the checksum, digest and lengths that fit them. */
export async function fileAround(
  manifest: Uint8Array,
  { minor = 0, fileLength }: { minor?: number; fileLength?: number } = {},
): Promise<Bytes> {
  const { chunks } = await smallContents()
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
  const manifest = { name, release, generator: 'hardpack 0.1.0', critical, license, graphs, golden, base: undefined }
  return s.hasBase ? withBase({ manifest, chunks }, digest) : { manifest, chunks }
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
