/** Encodes all segments of one stream: symbols under the learned tables, and the planes of what is left of each element. */

import { concat } from '../../sdk/core/index.ts'
import { selectorOf } from '../coder/kernel.ts'
import { planeBytes, setPlaneElement } from '../coder/planes.ts'
import { BLOCK, SYMBOLS } from '../coder/rans.ts'
import { encodeBlock, frequenciesOf } from '../coder/rans-encode.ts'
import { BYTE, ELEMENTS, planesLength } from './elements.ts'
import { ESCAPE, SATURATED, type Segment, type Stream } from './header.ts'
import { type Learned, learn, type Sample, symbolOf } from './learn.ts'
import type { Part } from './split.ts'

/** A part with what learning needs. */
interface Source extends Sample {
  readonly part: Part
  readonly center: number
  /** Sign and low mantissa bits. */
  readonly rests: Uint32Array
}

function sourceOf(part: Part, stream: number): Source {
  const { bytes, dims } = part
  const element = ELEMENTS[stream]
  const count = bytes.length / element.bytes
  const values = new Uint16Array(count)
  if (stream === BYTE) {
    const counts = new Uint32Array(256)
    for (const byte of bytes) counts[byte]++
    const center = (counts.indexOf(Math.max(...counts)) - 128) & 255
    for (let i = 0; i < count; i++) values[i] = (bytes[i] - center) & 255
    return { part, dims, values, center, rests: new Uint32Array(0) }
  }
  const rests = new Uint32Array(count)
  const { topBits, lowBits } = element
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let i = 0; i < count; i++) {
    const bits = element.bytes === 4 ? view.getUint32(4 * i, true) : view.getUint16(2 * i, true)
    values[i] = (bits >>> lowBits) & ((1 << topBits) - 1)
    rests[i] = (bits & ((1 << lowBits) - 1)) | ((bits >>> (topBits + lowBits)) << lowBits)
  }
  return { part, dims, values, center: 0, rests }
}

/** Symbols that cost more as symbols of their own than as escapes become escapes. */
function pruned(counts: Float64Array): Float64Array {
  const kept = counts.slice()
  const total = counts.reduce((sum, count) => sum + count, 0)
  for (let symbol = ESCAPE + 1; symbol < SYMBOLS; symbol++) {
    const count = counts[symbol]
    if (count === 0) continue
    const own =
      count * Math.min(12, Math.log2(total / count)) + Math.max(0, 1 / 4096 - count / total) * total * Math.LOG2E + 4
    if (own > count * (10 + 6)) {
      kept[ESCAPE] += count
      kept[symbol] = 0
    }
  }
  return kept
}

export interface EncodedStream {
  readonly stream: Stream
  readonly bytes: Uint8Array
  readonly segments: ReadonlyMap<Part, Segment>
  /** Bits of each part in this stream, latents included. */
  readonly bits: ReadonlyMap<Part, number>
}

function tablesOf(number: number, learned: Learned): Uint16Array[] {
  if (number !== BYTE) return learned.counts.map((counts) => frequenciesOf(pruned(counts)))
  let used = learned.counts.length
  while (used > 1 && learned.counts[used - 1].every((count) => count === 0)) used--
  return learned.counts.slice(0, used).map(frequenciesOf)
}

/** Learns the circuit of the parts and encodes them as stream `number`. */
export function encodeStream(number: number, parts: readonly Part[]): EncodedStream {
  const sources = parts.map((part) => sourceOf(part, number))
  const learned = learn(number, sources)
  const element = ELEMENTS[number]
  const tables = tablesOf(number, learned)
  const total = sources.reduce((sum, source) => sum + source.values.length, 0)
  const symbols = new Uint8Array(total)
  const classes = new Uint8Array(total)
  const rests = new Uint32Array(element.lowBits > 0 ? total : 0)
  const selector = selectorOf(number)
  const escapes: number[] = []
  const segments = new Map<Part, Segment>()
  const bits = new Map<Part, number>()

  let at = 0
  sources.forEach((source, index) => {
    const fit = learned.fits[index]
    const [a, b, d] = fit.latents
    const latents = fit.latents.map((latent) => Uint8Array.from(latent))
    segments.set(source.part, { method: number, count: source.values.length, latents, center: source.center })
    bits.set(source.part, fit.bits + source.values.length * element.planes.reduce((sum, width) => sum + width, 0))
    if (rests.length > 0) rests.set(source.rests, at)
    for (let r = 0, i = 0; r < a.length; r++) {
      for (let c = 0; c < b.length; c++) {
        for (let k = 0; k < d.length; k++, i++, at++) {
          const cls = Math.min(SATURATED, a[r] + b[c] + d[k])
          const value = source.values[i]
          let symbol = symbolOf(number, value, cls, learned.origins)
          if (number !== BYTE && tables[selector[cls]][symbol] === 0) symbol = ESCAPE
          if (number !== BYTE && symbol === ESCAPE) escapes.push(value)
          classes[at] = cls
          symbols[at] = symbol
        }
      }
    }
  })

  const blocks: Uint8Array[] = []
  const words: number[] = []
  for (let start = 0; start < total; start += BLOCK) {
    const end = Math.min(total, start + BLOCK)
    const block = encodeBlock(symbols.subarray(start, end), classes.subarray(start, end), selector, tables)
    words.push(block.words)
    const planes = new Uint8Array(planesLength(element, end - start))
    let offset = 0
    let shift = 0
    for (const width of element.planes) {
      for (let i = start; i < end; i++) {
        setPlaneElement(planes, offset, width, i - start, (rests[i] >>> shift) & ((1 << width) - 1))
      }
      offset += planeBytes(width, end - start)
      shift += width
    }
    blocks.push(block.bytes, planes)
  }
  const stream = { tables, origins: learned.origins, escapes: Uint16Array.from(escapes), words }
  return { stream, bytes: concat(blocks), segments, bits }
}
