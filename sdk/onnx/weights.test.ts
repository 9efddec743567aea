import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import fc from 'fast-check'
import { concat, equal, HardpackError, WireWriter } from '../core/index.ts'
import { makeGraph, makeModel, makeNode, makeTensor, makeValue } from './build.ts'
import { tensorsOf } from './graph.ts'
import { readModel, writeModel } from './model.ts'
import { create, type TensorProto } from './proto.ts'
import { constantModel, ifModel, packedModel, randomTensor, SAMPLES, sparseModel } from './sample-models.ts'
import { locateWeights, splitWeights, type WeightLocation } from './weights.ts'

const samples = Object.entries(SAMPLES).map(([name, make]) => ({ name, bytes: writeModel(make().model) }))
const silero = readFileSync(createRequire(import.meta.url).resolve('@ricky0123/vad-web/dist/silero_vad_v5.onnx'))

/** The inverse of `splitWeights`. */
function splice(skeleton: Uint8Array, model: Uint8Array, locations: readonly WeightLocation[]): Uint8Array {
  const parts: Uint8Array[] = []
  let taken = 0
  let position = 0
  for (const { start, end } of locations) {
    const kept = start - position
    parts.push(skeleton.subarray(taken, taken + kept), model.subarray(start, end))
    taken += kept
    position = end
  }
  parts.push(skeleton.subarray(taken))
  return concat(parts)
}

/** What protobufjs decodes as contiguous payloads: views into the same buffer, so they tell where they lie. */
function payloadRanges(model: Uint8Array, minBytes: number): string[] {
  const runs = [...tensorsOf(readModel(model))].flatMap((t) =>
    Object.hasOwn(t, 'rawData') ? [t.rawData] : [...t.floatData, ...t.doubleData],
  )
  return runs
    .filter((run) => run.length >= minBytes)
    .map((run) => run.byteOffset - model.byteOffset)
    .sort((a, b) => a - b)
    .map(String)
}

for (const { name, bytes } of [...samples, { name: 'Silero VAD', bytes: silero }]) {
  test(`${name}: the walk finds what protobufjs decodes, and skeleton + weights are the file`, () => {
    const locations = locateWeights(bytes)
    assert.ok(locations.length > 0)
    assert.deepEqual(
      locations.map(({ start }) => String(start)),
      payloadRanges(bytes, 256),
    )
    const skeleton = splitWeights(bytes, locations)
    const weightBytes = locations.reduce((sum, { start, end }) => sum + end - start, 0)
    assert.equal(skeleton.length, bytes.length - weightBytes)
    assert.ok(equal(splice(skeleton, bytes, locations), bytes))
  })
}

test('a location has name, element type, shape, and whether a runtime may take it as external data', () => {
  const about = (bytes: Uint8Array, minBytes?: number) =>
    locateWeights(bytes, { minBytes }).map(({ name, dtype, shape, external }) => ({ name, dtype, shape, external }))
  const matrix = { dtype: 'float32', shape: [16, 8] }
  assert.deepEqual(about(writeModel(constantModel().model)), [{ name: 'w', ...matrix, external: false }])
  assert.deepEqual(about(writeModel(ifModel().model)), [
    { name: 'w_then', ...matrix, external: false },
    { name: 'w_else', ...matrix, external: false },
  ])
  assert.deepEqual(about(writeModel(packedModel().model)), [
    { name: 'w', ...matrix, external: false },
    { name: 'bias', dtype: 'float64', shape: [4, 8], external: false },
  ])
  assert.deepEqual(about(writeModel(sparseModel().model)), [
    { name: 'w', dtype: 'float32', shape: [64], external: false },
    { name: '', dtype: 'int64', shape: [64], external: false },
  ])
  const conv = about(writeModel(SAMPLES.convolution().model), 1)
  assert.deepEqual(
    conv.map(({ name, external }) => [name, external]),
    ['kernel', 'bias', 'shape', 'dense'].map((name) => [name, true]),
  )
})

function modelWith(tensor: TensorProto): Uint8Array {
  const node = makeNode('Identity', ['w'], ['y'])
  return writeModel(
    makeModel(makeGraph('g', { nodes: [node], outputs: [makeValue('y', 'float32', [64])], initializers: [tensor] })),
  )
}

test('a tensor that is not one plain run of its own length stays in the skeleton', () => {
  const plain = (): TensorProto => makeTensor('w', randomTensor([64], 1))
  const with_ = (fields: Partial<TensorProto>) => Object.assign(plain(), fields)
  assert.equal(locateWeights(modelWith(plain())).length, 1)
  const odd: Record<string, TensorProto> = {
    'too short': with_({ dims: [65] }),
    'too long': with_({ dims: [63] }),
    'a negative dimension': with_({ dims: [-64] }),
    'dimensions beyond any size': with_({ dims: [2 ** 40, 2 ** 40] }),
    strings: with_({ dataType: 8 }),
    complex: with_({ dataType: 14, dims: [32] }),
    'an unknown type': with_({ dataType: 99 }),
    'a negative type': with_({ dataType: -1 }),
    'nine dimensions': with_({ dims: [64, 1, 1, 1, 1, 1, 1, 1, 1] }),
    'external data': with_({ dataLocation: 1 }),
    'two payloads': with_({ floatData: [plain().rawData] }),
    'floats in double_data': create('TensorProto', { dims: [64], dataType: 1, doubleData: [plain().rawData] }),
    'two runs': create('TensorProto', {
      dims: [128],
      dataType: 1,
      floatData: [plain().rawData, plain().rawData],
    }),
  }
  for (const [why, tensor] of Object.entries(odd)) assert.deepEqual(locateWeights(modelWith(tensor)), [], why)
})

/** A file with `If` in `If`, by hand: the writer refuses such depth, too. */
function nested(levels: number): Uint8Array {
  let message: Uint8Array = new Uint8Array(0)
  for (let i = 0; i < levels; i++) {
    for (const field of [ATTRIBUTE_G, NODE_ATTRIBUTE, GRAPH_NODE]) {
      message = new WireWriter().bytes(field, message).finish()
    }
  }
  return new WireWriter().uint(1, 8).bytes(7, message).finish()
}
const ATTRIBUTE_G = 6
const NODE_ATTRIBUTE = 5
const GRAPH_NODE = 1

test('subgraphs may nest, but not deeper than any runtime reads', () => {
  assert.deepEqual(locateWeights(nested(30)), [])
  assert.equal(readModel(nested(30)).graph.node.length, 1)
  assert.throws(() => locateWeights(nested(1000)), { code: 'INVALID_MODEL', message: /nested at most 100/ })
  assert.throws(() => readModel(nested(1000)), { code: 'INVALID_MODEL' })
})

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0))

test('what is not an ONNX file is refused in one sentence that says what it looks like', () => {
  const conv = samples[0].bytes
  const wrong: [string, Uint8Array, RegExp][] = [
    ['empty', new Uint8Array(0), /an empty file/],
    ['HTML', latin1('\n<!DOCTYPE html><html><head>'), /an HTML page/],
    ['PNG', latin1('\x89PNG\r\n\x1a\n\0\0\0\rIHDR'), /a PNG image/],
    ['JPEG', latin1('\xff\xd8\xff\xe0\0\x10JFIF\0'), /a JPEG image/],
    ['LFS', latin1('version https://git-lfs.github.com/spec/v1\noid sha256:00'), /a Git LFS pointer/],
    ['ZIP', latin1('PK\x03\x04\0\0\0\0archive/data.pkl'), /a ZIP archive/],
    ['HDF5', latin1('\x89HDF\r\n\x1a\n'), /HDF5/],
    ['GGUF', latin1('GGUF\x03\0\0\0'), /GGUF/],
    ['TFLite', latin1('\x1c\0\0\0TFL3\0\0'), /TensorFlow Lite/],
    ['ORT', latin1('\x10\0\0\0ORTM\0\0'), /ORT format/],
    ['safetensors', latin1('\x40\0\0\0\0\0\0\0{"w":{"dtype":"F32"}}'), /safetensors/],
    ['gzip', latin1('\x1f\x8b\x08\0'), /gzip/],
    ['hardpack', latin1('\x89HPK\r\n\x1a\n\x01\0'), /a hardpack package/],
    ['text', latin1('hello, world\n'), /a text file/],
    ['zeros', new Uint8Array(100), /other bytes/],
    ['no graph', Uint8Array.of(8, 8), /damaged content/],
    ['cut short', conv.subarray(0, 1000), /whose last \d+ bytes are missing/],
  ]
  for (const [name, bytes, message] of wrong) {
    for (const read of [locateWeights, readModel]) {
      assert.throws(() => read(bytes), { name: 'HardpackError', code: 'INVALID_MODEL', message }, name)
    }
  }
})

/** Runs what may be refused; anything but a HardpackError escapes. */
function orRefused<T>(run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    if (error instanceof HardpackError) return undefined
    throw error
  }
}

test('no mutation and no truncation of a model is more than refused, and what is found stays in the file', () => {
  const edit = fc.record({ at: fc.nat(), value: fc.nat(255) })
  fc.assert(
    fc.property(
      fc.constantFrom(...samples),
      fc.array(edit, { maxLength: 8 }),
      fc.option(fc.nat()),
      ({ bytes: original }, edits, cut) => {
        const bytes = original.slice(0, cut === null ? original.length : cut % (original.length + 1))
        for (const { at, value } of edits) if (bytes.length > 0) bytes[at % bytes.length] = value
        const locations = orRefused(() => locateWeights(bytes, { minBytes: 1 }))
        if (locations) assert.ok(equal(splice(splitWeights(bytes, locations), bytes, locations), bytes))
        const model = orRefused(() => readModel(bytes))
        if (model) orRefused(() => writeModel(model))
      },
    ),
    { numRuns: 3000 },
  )
})

test('random bytes are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      orRefused(() => locateWeights(bytes))
      orRefused(() => readModel(bytes))
    }),
    { numRuns: 2000 },
  )
})

test('any part of the locations may be split off; ranges out of order are refused', () => {
  const { bytes } = samples[0]
  const all = locateWeights(bytes, { minBytes: 1 })
  fc.assert(
    fc.property(fc.subarray(all), (some) => {
      assert.ok(equal(splice(splitWeights(bytes, some), bytes, some), bytes))
    }),
  )
  assert.throws(() => splitWeights(bytes, [...all].reverse()), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => splitWeights(bytes.subarray(0, 100), all), { code: 'INVALID_ARGUMENT' })
})
