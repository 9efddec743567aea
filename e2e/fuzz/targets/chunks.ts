/**
 * Whole chunks of every codec, by both decoders: they give the same bytes or both refuse, write nowhere else, and accept no
 * byte behind a chunk's end. An input is a codec, a raw length, and the chunk's bytes.
 */

import assert from 'node:assert/strict'
import { CODECS, type Decoder, typescriptDecoder, wasmDecoder } from '../../../compress/decode.ts'
import { layoutOf } from '../../../compress/weights/layout.ts'
import { concat, type Rng } from '../../../sdk/core/index.ts'
import { varint } from '../mutate.ts'
import type { FuzzTarget } from '../target.ts'
import { decisionsOf, encodeDecisions } from './decisions.ts'
import { inputReader, unlessCorrupt } from './input.ts'

/** The longest chunk that is decoded. Layouts are read of any length. */
const MAX_RAW = 1 << 18
/** Mixed bytes take about a microsecond a bit. */
const MAX_MIXED = 1 << 11
/** Bytes before and behind the output that no decoder may touch. */
const GUARD = 32
const FILL = 0xa5

const decoders = [typescriptDecoder(), await wasmDecoder()]

/** What a decoder makes of a chunk: `undefined` where it refuses. */
async function outcomeOf(decoder: Decoder, codec: number, bytes: Uint8Array, rawLength: number) {
  const guarded = new Uint8Array(rawLength + 2 * GUARD).fill(FILL)
  const out = guarded.subarray(GUARD, GUARD + rawLength)
  const decoded = await unlessCorrupt(async () => {
    await decoder.decode(codec, bytes, out)
    return out
  })
  const around = [...guarded.subarray(0, GUARD), ...guarded.subarray(GUARD + rawLength)]
  assert.ok(
    around.every((byte) => byte === FILL),
    `${decoder.name} wrote outside its output`,
  )
  return decoded
}

interface Parts {
  readonly codec: number
  readonly rawLength: number
  readonly bytes: Uint8Array
}

function partsOf(input: Uint8Array): Parts {
  const reader = inputReader(input)
  return { codec: reader.byte(), rawLength: reader.varint(), bytes: reader.bytes() }
}

/** An input of these parts. */
export function chunkInput({ codec, rawLength, bytes }: Parts): Uint8Array {
  return concat([Uint8Array.of(codec), varint(rawLength), bytes])
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

/** Changes the header of a chunk of weights, and leaves it a header. */
function mutateHeader(input: Uint8Array, random: Rng): Uint8Array | undefined {
  const { codec, rawLength, bytes } = partsOf(input)
  if (codec !== CODECS.weights || rawLength > MAX_RAW) return undefined
  const reader = inputReader(bytes)
  const length = reader.varint()
  const decisions = decisionsOf(reader.bytes(length), rawLength)
  const header = encodeDecisions(mutateDecisions(decisions, random), rawLength)
  const head = concat([varint(header.length), header])
  return chunkInput({ codec, rawLength, bytes: fit(head, reader.bytes(), rawLength) })
}

export const target: FuzzTarget = {
  maxLength: 1 << 16,
  maxAllocated: 1 << 25,
  async run(input) {
    const { codec, rawLength, bytes } = partsOf(input)
    if (codec === CODECS.weights) await unlessCorrupt(() => layoutOf(bytes, rawLength))
    if (rawLength > (codec === CODECS.mix ? MAX_MIXED : MAX_RAW)) return
    const [ours, twin] = [
      await outcomeOf(decoders[0], codec, bytes, rawLength),
      await outcomeOf(decoders[1], codec, bytes, rawLength),
    ]
    assert.equal(ours !== undefined, twin !== undefined, `only ${decoders[ours ? 0 : 1].name} accepts it`)
    if (!ours || !twin) return
    assert.equal(Buffer.compare(ours, twin), 0, 'the decoders give different bytes')
    const longer = await outcomeOf(decoders[1], codec, concat([bytes, Uint8Array.of(0)]), rawLength)
    assert.equal(longer, undefined, 'accepts a byte more')
  },
  mutate: mutateHeader,
}
