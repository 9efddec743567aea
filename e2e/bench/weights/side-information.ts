/** What of a set's encoded bytes is not symbols: headers, in them scale latents, and states of coders. */

import { bitWriter } from '../../../compress/coder/bit-writer.ts'
import { STATE_BYTES, SYMBOLS, TOTAL } from '../../../compress/coder/rans.ts'
import { CODECS, type EncodedWeights, wasmDecoder } from '../../../compress/index.ts'
import { BYTE } from '../../../compress/weights/elements.ts'
import { codeHeader, type Header } from '../../../compress/weights/header.ts'
import { headerOf, layoutOf, type Section } from '../../../compress/weights/layout.ts'

export interface SideBytes {
  /** Of everything in headers but latents: tables, coefficients, sizes. */
  readonly tables: number
  readonly latents: number
  readonly states: number
  /** Integers without lines: what their symbols take more than at their own frequencies, as those of tables are of 12 bits, on a grid. */
  readonly grid: number
}

function headerBytes(header: Header, rawLength: number): number {
  const writer = bitWriter()
  codeHeader(writer, rawLength, header)
  return writer.finish().length
}

/** The same header with one class for each axis. */
function withoutLatents(header: Header): Header {
  const segments = header.segments.map((segment) => ({
    ...segment,
    latents: segment.latents.map((latent) => latent.slice().fill(latent[0])),
  }))
  return { ...header, segments }
}

/** Bits that the bytes of segments without lines take, less their entropy given their tables. */
function gridBits({ stream, placed }: Section, decoded: Uint8Array): number {
  const counts = (stream?.tables ?? []).map(() => new Float64Array(SYMBOLS))
  for (const { segment, offset } of placed) {
    const { latents, first, center, lines, fromBase, palette } = segment
    if (lines || fromBase || palette) continue
    const [rows, columns, inner] = latents
    let at = offset
    for (const row of rows) {
      for (const column of columns) {
        for (const k of inner) counts[first + row + column + k][(decoded[at++] - center) & 255]++
      }
    }
  }
  let bits = 0
  counts.forEach((own, i) => {
    const total = own.reduce((sum, n) => sum + n, 0)
    own.forEach((n, symbol) => {
      if (n > 0) bits += n * Math.log2((TOTAL * n) / (total * (stream?.tables[i][symbol] ?? 0)))
    })
  })
  return bits
}

export async function sideBytes({ chunks }: EncodedWeights): Promise<SideBytes> {
  const side = { tables: 0, latents: 0, states: 0, grid: 0 }
  const decoder = await wasmDecoder()
  for (const { codec, bytes, rawLength } of chunks) {
    if (codec !== CODECS.weights) continue
    const { header } = headerOf(bytes, rawLength)
    const all = headerBytes(header, rawLength)
    const flat = headerBytes(withoutLatents(header), rawLength)
    side.tables += flat
    side.latents += all - flat
    for (const stream of header.streams) side.states += STATE_BYTES * (stream?.words.length ?? 0)
    const decoded = new Uint8Array(rawLength)
    decoder.decode(codec, bytes, decoded)
    for (const section of layoutOf(bytes, rawLength)) {
      if (section.method === BYTE) side.grid += gridBits(section, decoded) / 8
    }
  }
  return side
}
