import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { concat, type DType, dtypeOf, sha256, WireReader, WireWriter } from '../core/index.ts'
import type { Manifest } from './manifest.ts'
import { decodeManifest, encodeManifest } from './manifest-codec.ts'
import { arbitrarySpec, type Contents, contentsOf, smallContents } from './packages.fixture.ts'

async function manifestOf({ manifest, chunks }: Contents): Promise<Manifest> {
  const entries = chunks.map(async ({ codec, bytes, rawLength, rawDigest, base = [] }) => {
    return { codec, encodedLength: bytes.length, rawLength, encodedDigest: await sha256(bytes), rawDigest, base }
  })
  return { ...manifest, chunks: await Promise.all(entries) }
}

const small = async (changes: Partial<Manifest> = {}) =>
  encodeManifest({ ...(await manifestOf(await smallContents())), ...changes })

const schema = protobuf.parse(
  readFileSync(new URL('../../../sdk/container/manifest.proto', import.meta.url), 'utf8'),
).root
const ProtoManifest = schema.lookupType('hardpack.Manifest')

/** Digests as base64, so that it does not matter which class of bytes holds them. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_, v) => (v instanceof Uint8Array ? Buffer.from(v).toString('base64') : v)))

interface ProtoValue {
  readonly dtype: number
}
interface ProtoDimension {
  readonly value: 'size' | 'symbol'
  readonly size: number
  readonly symbol: string
}

/** What protobufjs reads in a manifest, in the shape of ours. */
function byProtobufjs(bytes: Uint8Array): unknown {
  const read = ProtoManifest.toObject(ProtoManifest.decode(bytes), {
    longs: Number,
    bytes: String,
    defaults: true,
    oneofs: true,
  })
  const named = (value: ProtoValue): object => ({ ...value, dtype: dtypeOf(value.dtype) })
  for (const graph of read.graphs) {
    graph.tensors = graph.tensors.map(named)
    for (const side of ['inputs', 'outputs']) {
      graph[side] = graph[side].map(named)
      for (const value of graph[side]) value.shape = value.shape.map((d: ProtoDimension) => d[d.value])
    }
  }
  for (const golden of read.golden) {
    golden.outputs = golden.outputs.map(named)
    golden.inputs = golden.inputs.map((input: ProtoValue & { ranges: unknown; seeded: unknown }) => {
      const { ranges, seeded, ...rest } = input
      return { ...named(rest), source: seeded ?? { ranges } }
    })
  }
  for (const key of ['base', 'guard']) if (read[key] === null) delete read[key]
  return read
}

test('a manifest reads back as it was', async () => {
  await fc.assert(
    fc.asyncProperty(arbitrarySpec, async (spec) => {
      const manifest = await manifestOf(await contentsOf(spec))
      assert.deepEqual(plain(decodeManifest(encodeManifest(manifest))), plain(manifest))
    }),
  )
})

test('protobufjs reads the same manifest by manifest.proto, and writes the same bytes', async () => {
  await fc.assert(
    fc.asyncProperty(arbitrarySpec, async (spec) => {
      const manifest = await manifestOf(await contentsOf(spec))
      const bytes = encodeManifest(manifest)
      assert.deepEqual(byProtobufjs(bytes), plain(manifest))
      assert.deepEqual([...ProtoManifest.encode(ProtoManifest.decode(bytes)).finish()], [...bytes])
    }),
  )
})

/** The fields of a message, each with its tag. */
function fieldsOf(bytes: Uint8Array): Uint8Array[] {
  const reader = new WireReader(bytes)
  const fields: Uint8Array[] = []
  while (!reader.done) {
    const start = reader.position
    reader.skip(reader.tag().type)
    fields.push(bytes.subarray(start, reader.position))
  }
  return fields
}

const field = (number: number, ...value: number[]) => new WireWriter().bytes(number, Uint8Array.from(value)).finish()

/** A chunk of the manifest whose two digests have these lengths. */
const chunkWith = (encoded: number, raw: number) =>
  new WireWriter().bytes(6, concat([field(4, ...new Uint8Array(encoded)), field(5, ...new Uint8Array(raw))])).finish()

test('what protobuf readers take but is not canonical is refused', async () => {
  const bytes = await small({ critical: [], license: '' })
  const [name, release, generator, ...rest] = fieldsOf(bytes)
  const refused: Record<string, Uint8Array> = {
    'a field twice': concat([name, name, release, generator, ...rest]),
    'fields in another order': concat([name, generator, release, ...rest]),
    'an overlong value': concat([name, Uint8Array.of(0x10, 0x83, 0x00), generator, ...rest]),
    'an overlong tag': concat([name, Uint8Array.of(0x90, 0x00, 0x03), generator, ...rest]),
    'an overlong length': concat([Uint8Array.of(0x0a, 0x86, 0x00), name.subarray(2), release, generator, ...rest]),
    'a default that is written': concat([name, release, generator, field(5), ...rest]),
    'an unknown field': concat([bytes, field(11, 1)]),
    'an unknown field in a message': concat([bytes.subarray(0, -2), Uint8Array.of(0x1a, 0x02, 0x4a, 0x00)]),
    'a wrong wire type': concat([name, field(2, 3), generator, ...rest]),
    'a string that is not UTF-8': concat([field(1, 0xff), release, generator, ...rest]),
    'a string in overlong UTF-8': concat([field(1, 0xc1, 0x81), release, generator, ...rest]),
    'a surrogate in UTF-8': concat([field(1, 0xed, 0xa0, 0x80), release, generator, ...rest]),
    'a digest of 31 bytes': concat([name, release, generator, chunkWith(31, 32), ...rest]),
    'a longer digest': concat([name, release, generator, chunkWith(32, 33), ...rest]),
    'a chunk without digests': concat([name, release, generator, field(6, 0x10, 1), ...rest]),
    'a cut': bytes.subarray(0, -1),
  }
  for (const [what, broken] of Object.entries(refused)) {
    assert.throws(() => decodeManifest(broken), { name: 'HardpackError', code: 'INVALID_FORMAT' }, what)
  }
})

test('a manifest of a newer minor version may hold fields that this reader does not know, still in order', async () => {
  const bytes = await small()
  const newer = concat([bytes, field(11, 1), field(11, 2), Uint8Array.of(0x60, 0x01)])
  assert.deepEqual(decodeManifest(newer, false), decodeManifest(bytes))
  const broken = {
    'fields in another order': concat([newer, field(11, 1)]),
    'a field twice': concat([field(1, 65), bytes]),
    'another wire type': field(2),
    'a string that is not UTF-8': field(1, 0xff),
    'an overlong varint': Uint8Array.of(0x10, 0x83, 0x00),
  }
  for (const [what, manifest] of Object.entries(broken)) {
    assert.throws(() => decodeManifest(manifest, false), { code: 'INVALID_FORMAT' }, what)
  }
})

test('a byte order mark is part of a name', async () => {
  const decoded = decodeManifest(await small({ name: '\ufeffdigits' }))
  assert.equal(decoded.name, '\ufeffdigits')
})

test('what has no place in a manifest is not written', async () => {
  const [graph] = (await smallContents()).manifest.graphs
  const wrong: Partial<Manifest>[] = [
    { release: -1 },
    { release: 1.5 },
    { release: Number.NaN },
    { release: 2 ** 53 },
    { name: '\ud800' },
    { critical: [''] },
    { graphs: [{ ...graph, outputs: [{ name: 'y', dtype: 'string' as DType, shape: [] }] }] },
    ...[-1, 0.5, '\udfff'].map((size) => ({
      graphs: [{ ...graph, inputs: [{ name: 'x', dtype: 'float32' as const, shape: [size] }] }],
    })),
  ]
  for (const changes of wrong) await assert.rejects(small(changes), { code: 'INVALID_ARGUMENT' })
})
