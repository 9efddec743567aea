/**
 * The inner loops of the weights decoder, over scratch memory that belongs to the kernel. There are two: this one in
 * TypeScript, and its WebAssembly SIMD twin (`wasm-kernel.ts`), with the same bytes as result.
 *
 * A block goes through a kernel tile by tile: the latents of a tile are spread to classes, classes choose tables, tables decode
 * symbols. Then the symbols of floats and the planes are merged into elements, and tiles with lines are reordered.
 */

import { ELEMENTS, isFloat, planesOf, QUARTERS } from '../weights/elements.ts'
import { DEAD_CLASSES } from '../weights/header.ts'
import { historyTable, type Lines, predict, shiftOf, stepOf, UNIT_BITS, unitsOf } from '../weights/lines.ts'
import { readPlanes } from './planes.ts'
import { BLOCK, blockDecoder, buildTable, LANES, MAX_TABLES, STATE_BYTES, TOTAL } from './rans.ts'

/** The elements of a tile, which lie from `at` on in the block. */
export interface Box {
  readonly at: number
  readonly rows: number
  readonly columns: number
  readonly inner: number
  /** Which of the three the lines run through; 0 where there are none. */
  readonly axis: number
}

/** What decides the tables and symbols of a tile. */
export interface Circuit {
  /** The stream's number. */
  readonly stream: number
  readonly first: number
  /** The stream's last table. */
  readonly last: number
  /** Added to the symbols of integers; of floats 0. */
  readonly center: number
  /** The table, in fours, of each step of a predicted mean. */
  readonly bins: Uint8Array
  readonly lines: Lines | undefined
}

export interface Kernel {
  readonly name: string
  /** Of a tile: rows, columns and inner, one after the other. */
  readonly latents: Uint8Array
  /** The encoded block: states, words, planes. */
  readonly input: Uint8Array
  readonly escapes: Uint16Array
  /** A class an element, in coded order. */
  readonly classes: Uint8Array

  /**
   * Builds the decoding table of this number.
   *
   * @param frequencies of 256 symbols
   * @throws HardpackError `CHUNK_CORRUPT` unless they sum to 2^12 exactly.
   */
  setTable(number: number, frequencies: Uint16Array): void
  /** Begins a block: its states, and the number of its words. */
  begin(words: number): void
  /** Writes the classes of a tile: min(255, the sum of its three latents). */
  spread(box: Box): void
  /** Decodes the symbols of a tile by its classes. Lines change the classes of floats by what they predict. */
  decode(box: Box, circuit: Circuit): void
  /** Ends a block; false for a corrupt one. */
  end(): boolean
  /**
   * Joins the symbols, classes and planes of a block of floats into elements, in coded order.
   *
   * @param origins added to the top of living and of dead classes
   * @param planes where the planes begin in `input`
   * @returns how many of the `escapes` escapes were used; -1 when there were too few
   */
  merge(stream: number, count: number, origins: readonly [number, number], planes: number, escapes: number): number
  /**
   * The elements of a tile in natural order, of `bytes` 2 or 4 bytes; of 1 byte they are its symbols, which of integers include the center
   * and the prediction. Valid until the next call.
   */
  elements(box: Box, bytes: number): Uint8Array
}

/** Bytes of scratch that 16-byte stores may run over. */
export const SLACK = 256
export const INPUT_BYTES = STATE_BYTES + 2 * BLOCK + 3 * BLOCK + SLACK
/** Rows are at most a block, and so is columns × inner. */
export const LATENT_BYTES = 2 * BLOCK + SLACK

const clamp = (value: number, most: number): number => Math.max(0, Math.min(most, value))

/** The place of element (r, c, k) in coded order. */
function codedPlace({ axis, rows, columns, inner }: Box, r: number, c: number, k: number): number {
  if (axis === 0) return (r * columns + c) * inner + k
  if (axis === 1) return (c * rows + r) * inner + k
  return (k * rows + r) * columns + c
}

/** Elements of 1, 2 or 4 bytes. */
function viewsOf(bytes: Uint8Array, { buffer }: Uint8Array): Record<number, Uint8Array | Uint16Array | Uint32Array> {
  return { 1: bytes, 2: new Uint16Array(buffer), 4: new Uint32Array(buffer) }
}

/**
 * The kernel in plain TypeScript; its scratch memory is about 2.5 MB.
 *
 * @param decoderOf what makes the decoder of blocks, for those who want to look on
 */
export function typescriptKernel(decoderOf = blockDecoder): Kernel {
  const tables = new Uint32Array(MAX_TABLES * TOTAL)
  const latents = new Uint8Array(LATENT_BYTES)
  const input = new Uint8Array(INPUT_BYTES)
  const escapes = new Uint16Array(BLOCK)
  const classes = new Uint8Array(BLOCK)
  const symbols = new Uint8Array(BLOCK)
  const output = new Uint8Array(4 * BLOCK)
  const rests = new Uint32Array(BLOCK)
  const histories = historyTable()
  const history = new Int16Array(BLOCK)
  const coder = decoderOf(input, tables)
  const natural = new Uint8Array(4 * BLOCK)
  const outputs = viewsOf(symbols, output)
  const naturals = viewsOf(natural, natural)

  /** Lines of floats: a table by class and mean, a class by spread, a sign by the sign of the mean. */
  function decodeFloat(i: number, lane: number, mean: number, shift: number, { first, last, bins }: Circuit): number {
    const cls = classes[i]
    if (cls >= DEAD_CLASSES) {
      symbols[i] = coder.symbol(lane, last)
      return 0
    }
    const moved = clamp(cls + shift, DEAD_CLASSES - 1)
    const symbol = coder.symbol(lane, first + QUARTERS * bins[stepOf(mean)] + (moved & 3)) ^ (mean < 0 ? 1 : 0)
    classes[i] = moved
    symbols[i] = symbol
    if (symbol < 4) return 0
    const magnitude = clamp((symbol >> 1) + (moved & ~3) - (cls & ~3), 127)
    const value = histories[4 * magnitude + (cls & 3)]
    return symbol & 1 ? -value : value
  }

  /** Lines of bytes: a class by spread, and the mean is added. */
  function decodeByte(i: number, lane: number, mean: number, shift: number, circuit: Circuit): number {
    const { first, last, center } = circuit
    const value = coder.symbol(lane, first + clamp(classes[i] + shift, last - first)) + unitsOf(mean)
    symbols[i] = value + center
    return ((value << 24) >> 24) << UNIT_BITS
  }

  function decodeLines({ at, rows, columns, inner, axis }: Box, circuit: Circuit, lines: Lines): void {
    const number = [rows, columns, inner][axis]
    const length = (rows * columns * inner) / number
    const decodeElement = isFloat(circuit.stream) ? decodeFloat : decodeByte
    const moves = lines.shifts.length > 0
    for (let line = 0, i = 0; line < number; line++) {
      for (let place = 0; place < length; place++, i++) {
        const mean = predict(lines, lines.mean, history, line, length, place, false)
        const spread = moves ? predict(lines, lines.spread, history, line, length, place, true) : 0
        const shift = shiftOf(lines, line, spread)
        history[i] = decodeElement(at + i, place & (LANES - 1), mean, shift, circuit)
      }
    }
  }

  return {
    name: 'typescript',
    latents,
    input,
    escapes,
    classes,
    setTable: (number, frequencies) => buildTable(frequencies, tables.subarray(number * TOTAL, (number + 1) * TOTAL)),
    begin: coder.begin,
    end: coder.end,
    spread(box) {
      const { at, rows, columns, inner } = box
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          const sum = latents[r] + latents[rows + c]
          for (let k = 0; k < inner; k++) {
            classes[at + codedPlace(box, r, c, k)] = Math.min(255, sum + latents[rows + columns + k])
          }
        }
      }
    },
    decode(box, circuit) {
      const { stream, first, last, center, lines } = circuit
      if (lines) return decodeLines(box, circuit, lines)
      const { at, rows, columns, inner } = box
      const float = isFloat(stream)
      for (let i = 0; i < rows * columns * inner; i++) {
        const cls = classes[at + i]
        const table = first + (float ? cls & 3 : cls)
        symbols[at + i] = coder.symbol(i & (LANES - 1), float && cls >= DEAD_CLASSES ? last : table) + center
      }
    },
    merge(stream, count, [living, dead], planes, available) {
      const { bytes, topBits, lowBits = 0 } = ELEMENTS[stream]
      const out = outputs[bytes]
      readPlanes(input, planes, planesOf(lowBits), rests.subarray(0, count))
      const mask = (1 << topBits) - 1
      let used = 0
      for (let i = 0; i < count; i++) {
        const magnitude = symbols[i] >> 1
        let top = magnitude + (classes[i] & ~3) + (classes[i] < DEAD_CLASSES ? living : dead)
        if (magnitude === 0) top = 0
        else if (magnitude === 1) {
          if (used === available) return -1
          top = escapes[used++]
        }
        out[i] = ((((symbols[i] & 1) << topBits) | (top & mask)) << lowBits) | rests[i]
      }
      return used
    },
    elements(box, bytes) {
      const { at, rows, columns, inner, axis } = box
      const coded = outputs[bytes].subarray(at, at + rows * columns * inner)
      if (axis === 0) return new Uint8Array(coded.buffer, coded.byteOffset, coded.byteLength)
      const out = naturals[bytes]
      for (let r = 0, i = 0; r < rows; r++) {
        for (let c = 0; c < columns; c++) {
          for (let k = 0; k < inner; k++) out[i++] = coded[codedPlace(box, r, c, k)]
        }
      }
      return natural.subarray(0, coded.byteLength)
    },
  }
}
