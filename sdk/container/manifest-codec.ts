/**
 * The manifest as bytes: the protobuf messages of `manifest.proto`, in their one canonical encoding. Protobuf readers
 * take duplicate fields, overlong varints and any order, which is how two readers come to see two manifests in one file;
 * so a manifest that does not encode back to the very same bytes is refused.
 */

import { type Bytes, equal, LENGTH, VARINT, WireReader, WireWriter } from '../core/index.ts'
import { malformed } from './limits.ts'
import type {
  BaseEntry,
  ChunkEntry,
  ChunkRange,
  GoldenEntry,
  GoldenInput,
  GoldenOutput,
  GraphEntry,
  GuardCalibration,
  GuardDetector,
  GuardEntry,
  GuardParameter,
  GuardPolicy,
  GuardRoom,
  GuardTable,
  GuardTier,
  Manifest,
  TensorEntry,
  ValueEntry,
} from './manifest.ts'
import {
  bool,
  checkUint,
  digest,
  dtype,
  encodeText,
  float64,
  list,
  type Message,
  message,
  optional,
  required,
  text,
  texts,
  uint,
  uints,
} from './schema.ts'

const range = /* @__PURE__ */ message<ChunkRange>({ chunk: [1, uint], start: [2, uint], length: [3, uint] })
const ranges = /* @__PURE__ */ list(range)

const chunk = /* @__PURE__ */ message<ChunkEntry>({
  codec: [1, uint],
  encodedLength: [2, uint],
  rawLength: [3, uint],
  encodedDigest: [4, digest],
  rawDigest: [5, digest],
  base: [6, ranges],
})

const tensor = /* @__PURE__ */ message<TensorEntry>({
  name: [1, text],
  dtype: [2, dtype],
  shape: [3, uints],
  position: [4, uint],
  external: [5, bool],
  ranges: [6, ranges],
})

/** A size, or a string for a symbolic dimension: a `oneof`, so one of the two is written, be it zero or empty. */
const dimension: Message<number | string> = {
  encode(value) {
    if (typeof value === 'string') return new WireWriter().bytes(2, encodeText(value)).finish()
    checkUint(value)
    return new WireWriter().uint(1, value).finish()
  },
  decode(bytes) {
    const reader = new WireReader(bytes)
    const { field, type } = reader.tag(true)
    if (field === 1 && type === VARINT) return uint.read(reader, undefined)
    if (field === 2 && type === LENGTH) return text.read(reader, undefined)
    throw malformed(`A dimension of the manifest expected a size or a name, got field ${field}`)
  },
}

const value = /* @__PURE__ */ message<ValueEntry>({ name: [1, text], dtype: [2, dtype], shape: [3, list(dimension)] })

const graph = /* @__PURE__ */ message<GraphEntry>({
  name: [1, text],
  skeleton: [2, ranges],
  tensors: [3, list(tensor)],
  inputs: [4, list(value)],
  outputs: [5, list(value)],
  byteLength: [6, uint],
  digest: [7, digest],
})

interface Seed {
  readonly seed: number
  readonly amplitude: number
}

interface GoldenInputMessage extends Omit<GoldenInput, 'source'> {
  readonly ranges: readonly ChunkRange[]
  readonly seeded: Seed | undefined
}

const goldenInputMessage = /* @__PURE__ */ message<GoldenInputMessage>({
  name: [1, text],
  dtype: [2, dtype],
  shape: [3, uints],
  ranges: [4, ranges],
  seeded: [5, optional(message<Seed>({ seed: [1, uint], amplitude: [2, uint] }))],
})

const goldenInput: Message<GoldenInput> = {
  encode({ source, ...rest }) {
    return goldenInputMessage.encode(
      'seed' in source
        ? { ...rest, ranges: [], seeded: source }
        : { ...rest, ranges: source.ranges, seeded: undefined },
    )
  },
  decode(bytes) {
    const { ranges, seeded, ...rest } = goldenInputMessage.decode(bytes)
    return { ...rest, source: seeded ?? { ranges } }
  },
}

const goldenOutput = /* @__PURE__ */ message<GoldenOutput>({
  name: [1, text],
  dtype: [2, dtype],
  shape: [3, uints],
  samples: [4, uint],
  ranges: [5, ranges],
  tolerance: [6, float64],
})

const golden = /* @__PURE__ */ message<GoldenEntry>({
  graph: [1, uint],
  inputs: [2, list(goldenInput)],
  outputs: [3, list(goldenOutput)],
})

const base = /* @__PURE__ */ message<BaseEntry>({ digest: [1, digest], name: [2, text], release: [3, uint] })

const tier = /* @__PURE__ */ message<GuardTier>({ graph: [1, uint], low: [2, float64], high: [3, float64] })

const detector = /* @__PURE__ */ message<GuardDetector>({
  name: [1, text],
  kind: [2, text],
  tier: [3, uint],
  score: [4, text],
  twoSided: [5, bool],
  parameters: [6, list(message<GuardParameter>({ name: [1, text], value: [2, text] }))],
})

const guardTable = /* @__PURE__ */ message<GuardTable>({ count: [1, uint], ranges: [2, ranges] })

const calibration = /* @__PURE__ */ message<GuardCalibration>({
  targets: [1, texts],
  tables: [2, list(guardTable)],
  combined: [3, required('a table of the combined statistic', guardTable)],
})

const policy = /* @__PURE__ */ message<GuardPolicy>({
  flag: [1, float64],
  reject: [2, float64],
  confidence: [3, float64],
  combination: [4, text],
  withhold: [5, text],
})

const room = /* @__PURE__ */ message<GuardRoom>({
  detector: [1, uint],
  features: [2, text],
  means: [3, text],
  transform: [4, text],
  room: [5, uint],
  rank: [6, uint],
  samples: [7, uint],
  classes: [8, texts],
})

const guard = /* @__PURE__ */ message<GuardEntry>({
  tiers: [1, list(tier)],
  detectors: [2, list(detector)],
  calibrations: [3, list(calibration)],
  policy: [4, required('a policy of the guard', policy)],
  logits: [5, text],
  room: [6, optional(room)],
})

const manifest = /* @__PURE__ */ message<Manifest>({
  name: [1, text],
  release: [2, uint],
  generator: [3, text],
  critical: [4, texts],
  license: [5, text],
  chunks: [6, list(chunk)],
  graphs: [7, list(graph)],
  golden: [8, list(golden)],
  base: [9, optional(base)],
  guard: [10, optional(guard)],
})

/**
 * The canonical bytes of a manifest.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for a number or string that has no place in a manifest.
 */
export function encodeManifest(value: Manifest): Bytes {
  return manifest.encode(value)
}

/**
 * The manifest of these bytes.
 *
 * @param known false for a minor version newer than this reader: fields that it does not know are stepped over
 * @throws HardpackError `INVALID_FORMAT` when the bytes are no manifest, or not its canonical encoding.
 */
export function decodeManifest(bytes: Uint8Array, known = true): Manifest {
  const decoded = manifest.decode(bytes)
  if (known && !equal(encodeManifest(decoded), bytes)) {
    throw malformed('The manifest expected its canonical encoding, got another one')
  }
  return decoded
}
