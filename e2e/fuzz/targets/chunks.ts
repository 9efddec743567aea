/**
 * Whole chunks of every codec, by both decoders: they give the same bytes or both refuse, write nowhere else, and accept no
 * byte behind a chunk's end. An input is a codec, a raw length, perhaps a base, and the chunk's bytes.
 */

import assert from 'node:assert/strict'
import { CODECS, type Decoder, typescriptDecoder, wasmDecoder } from '../../../compress/decode.ts'
import { type Header, MIX } from '../../../compress/weights/header.ts'
import { layoutOf, type Section } from '../../../compress/weights/layout.ts'
import { concat, type Rng } from '../../../sdk/core/index.ts'
import { varint } from '../mutate.ts'
import type { FuzzTarget } from '../target.ts'
import { decisionsOf, encodeDecisions, encodeHeader, headerOf } from './decisions.ts'
import { inputReader, unlessCorrupt } from './input.ts'
import { changeSomewhere } from './values.ts'

/** The longest chunk that is decoded. Layouts are read of any length. */
const MAX_RAW = 1 << 18
/** Mixed bytes take some microseconds a bit. */
const MAX_MIXED = 1 << 13
/** What copies leave over may be mixed. */
const MAX_COPIED = 1 << 15
/** Bytes before and behind the output that no decoder may touch. */
const GUARD = 32
const FILL = 0xa5

const decoders = [typescriptDecoder(), await wasmDecoder()]

interface Parts {
  readonly codec: number
  readonly rawLength: number
  /** As long as the raw bytes. */
  readonly base?: Uint8Array
  readonly bytes: Uint8Array
}

/** Set in the byte of the codec where a base follows: its length, its bytes. What it lacks is 0. */
const HAS_BASE = 0x80

function partsOf(input: Uint8Array): Parts {
  const reader = inputReader(input)
  const first = reader.byte()
  const codec = first & ~HAS_BASE
  const rawLength = reader.varint()
  if (!(first & HAS_BASE) || rawLength > MAX_RAW) return { codec, rawLength, bytes: reader.bytes() }
  const base = new Uint8Array(rawLength)
  base.set(reader.bytes(reader.varint()).subarray(0, rawLength))
  return { codec, rawLength, base, bytes: reader.bytes() }
}

/** An input of these parts. */
export function chunkInput({ codec, rawLength, base, bytes }: Parts): Uint8Array {
  const bases = base ? [varint(base.length), base] : []
  return concat([Uint8Array.of(base ? codec | HAS_BASE : codec), varint(rawLength), ...bases, bytes])
}

/** What a decoder makes of a chunk: `undefined` where it refuses. */
async function outcomeOf(decoder: Decoder, { codec, rawLength, base, bytes }: Parts) {
  const guarded = new Uint8Array(rawLength + 2 * GUARD).fill(FILL)
  const out = guarded.subarray(GUARD, GUARD + rawLength)
  const decoded = await unlessCorrupt(async () => {
    await decoder.decode(codec, bytes, out, base)
    return out
  })
  const around = [...guarded.subarray(0, GUARD), ...guarded.subarray(GUARD + rawLength)]
  assert.ok(
    around.every((byte) => byte === FILL),
    `${decoder.name} wrote outside its output`,
  )
  return decoded
}

/** How many mixed bytes a chunk says that it has. */
async function mixedLength({ codec, rawLength, bytes }: Parts): Promise<number> {
  if (codec !== CODECS.weights) return codec === CODECS.mix ? rawLength : 0
  const layout = (await unlessCorrupt(() => layoutOf(bytes, rawLength))) ?? []
  return layout.find(({ method }) => method === MIX)?.count ?? 0
}

/** Whether a chunk is decoded in a moment. */
async function isShort(parts: Parts): Promise<boolean> {
  if ((await mixedLength(parts)) > MAX_MIXED) return false
  return parts.rawLength <= (parts.codec === CODECS.copies ? MAX_COPIED : MAX_RAW)
}

/** One to four decisions changed, added or taken out. */
function mutateDecisions(decisions: Uint8Array, random: Rng): Uint8Array {
  const mutated = [...decisions]
  for (let left = 1 + random.below(4); left > 0; left--) {
    const at = random.below(mutated.length + 1)
    const kind = random.below(4)
    if (kind === 0) mutated.splice(at, 0, random.below(2))
    else if (kind === 1) mutated.splice(at, 1)
    else if (at < mutated.length) mutated[at] ^= 1
  }
  return Uint8Array.from(mutated)
}

/** What follows the header, as long as the header wants it: a refusal of the layout says so. */
function fit(head: Uint8Array, tail: Uint8Array, rawLength: number): Uint8Array {
  const bytes = concat([head, tail])
  try {
    layoutOf(bytes, rawLength)
  } catch (error) {
    const wanted = Number(/expected (\d+) bytes, got/.exec(String(error))?.[1])
    if (wanted >= head.length && wanted <= target.maxLength) {
      const fitted = new Uint8Array(wanted)
      fitted.set(bytes.subarray(0, wanted))
      return fitted
    }
  }
  return bytes
}

/** Raw bytes of the segments of `changed`, which came from those of `layout`. */
function lengthOf(changed: Header, layout: readonly Section[]): number {
  const placed = layout.flatMap((section) => section.placed).sort((a, b) => a.offset - b.offset)
  return changed.segments.reduce((sum, { count, latents }, i) => {
    const { segment, length } = placed[i]
    const elements = latents.length > 0 ? latents.reduce((product, { length: own }) => product * own, 1) : count
    return sum + elements * (length / segment.count)
  }, 0)
}

interface Weights {
  readonly rawLength: number
  readonly header: Uint8Array
  readonly tail: Uint8Array
}

type HeaderChange = (weights: Weights, random: Rng) => Weights | undefined

/** One to four decisions of the header's reader change. */
const changeDecisions: HeaderChange = ({ rawLength, header, tail }, random) => {
  const decisions = mutateDecisions(decisionsOf(header, rawLength), random)
  return { rawLength, header: encodeDecisions(decisions, rawLength), tail }
}

/** One to four values of the header change, and the raw length with them. */
const changeValues: HeaderChange = ({ rawLength, header, tail }, random) => {
  try {
    const bytes = concat([varint(header.length), header, tail])
    const layout = layoutOf(bytes, rawLength)
    let changed = headerOf(decisionsOf(header, rawLength), rawLength)
    for (let left = 1 + random.below(4); left > 0; left--) changed = changeSomewhere(changed, random)
    const length = lengthOf(changed, layout)
    if (!(length <= MAX_RAW)) return undefined
    return { rawLength: length, header: encodeHeader(changed, length), tail }
  } catch {
    return undefined // There is no layout to begin with.
  }
}

/** One to four bytes behind the header change. */
const changeTail: HeaderChange = ({ rawLength, header, tail }, random) => {
  if (tail.length === 0) return undefined
  const changed = tail.slice()
  for (let left = 1 + random.below(4); left > 0; left--) changed[random.below(tail.length)] ^= 1 << random.below(8)
  return { rawLength, header, tail: changed }
}

const HEADER_CHANGES = [changeDecisions, changeValues, changeTail]

/** Changes a chunk of weights, and leaves it one as far as its layout. */
function mutateWeights(input: Uint8Array, random: Rng): Uint8Array | undefined {
  const { codec, rawLength, base, bytes } = partsOf(input)
  if (codec !== CODECS.weights || rawLength > MAX_RAW) return undefined
  const reader = inputReader(bytes)
  const header = reader.bytes(reader.varint())
  const change = HEADER_CHANGES[random.below(HEADER_CHANGES.length)]
  const changed = change({ rawLength, header, tail: reader.bytes() }, random)
  if (!changed) return undefined
  const head = concat([varint(changed.header.length), changed.header])
  return chunkInput({ codec, rawLength: changed.rawLength, base, bytes: fit(head, changed.tail, changed.rawLength) })
}

export const target: FuzzTarget = {
  maxLength: 1 << 16,
  // Three decodes, and a layout of up to 4 MiB.
  maxAllocated: 1 << 25,
  async run(input) {
    const parts = partsOf(input)
    if (!(await isShort(parts))) return
    const [ours, twin] = [await outcomeOf(decoders[0], parts), await outcomeOf(decoders[1], parts)]
    assert.equal(ours !== undefined, twin !== undefined, `only ${decoders[ours ? 0 : 1].name} accepts it`)
    if (!ours || !twin) return
    assert.equal(Buffer.compare(ours, twin), 0, 'the decoders give different bytes')
    const bytes = concat([parts.bytes, Uint8Array.of(0)])
    const longer = await outcomeOf(decoders[1], { ...parts, bytes })
    assert.equal(longer, undefined, 'accepts a byte more')
  },
  mutate: mutateWeights,
}
