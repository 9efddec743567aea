/**
 * The inner loops of the weights decoder, over scratch memory that belongs to the kernel. There are two: this one in
 * TypeScript, and its WebAssembly SIMD twin (`wasm-kernel.ts`), with the same bytes as result.
 */

import { planeElement } from './planes.ts'
import { BLOCK, decodeBlock, MAX_TABLES, STATE_BYTES, TOTAL } from './rans.ts'

/** The table of classes from 128 on, in streams of floats; the others have tables 0 to 3. */
export const DEAD_TABLE = 4
/** Classes from here on are dead: they share a table, and have an origin of their own. */
export const DEAD_CLASSES = 128

/** The table of each class: of floats its quarter octave, of bytes (stream 3) the class itself. */
export function selectorOf(stream: number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, cls) =>
    stream === 3 ? cls & (MAX_TABLES - 1) : cls < DEAD_CLASSES ? cls & 3 : DEAD_TABLE,
  )
}

export interface Kernel {
  readonly name: string
  /** Decoding tables, one after the other (`buildTable`). */
  readonly tables: Uint32Array
  /** A byte a weight of the block. */
  readonly pattern: Uint8Array
  readonly rows: Uint8Array
  /** The encoded block: states, words, planes. */
  readonly input: Uint8Array
  readonly escapes: Uint16Array
  /** The decoded block. */
  readonly output: Uint8Array

  /**
   * Writes the classes of weights [at, at + count) of the block: min(255, row[i] + pattern[j]), beginning in row 0 at pattern
   * element `first`, over `length` pattern elements a row.
   */
  spread(at: number, count: number, first: number, length: number): void
  /** Decodes the symbols of `input`, each by the table of its class; false for a corrupt block. */
  symbols(stream: number, count: number, words: number): boolean
  /**
   * Joins symbols and planes into elements of `stream` in `output`.
   *
   * @param living added to the top of living classes
   * @param dead added to the top of dead ones
   * @param planes where the planes begin in `input`
   * @returns how many of the `escapes` escapes were used; -1 when there were too few
   */
  merge(stream: number, count: number, living: number, dead: number, planes: number, escapes: number): number
}

/** Bytes of scratch that 16-byte stores may run over. */
export const SLACK = 256
export const INPUT_BYTES = STATE_BYTES + 2 * BLOCK + 3 * BLOCK + SLACK

/** The kernel in plain TypeScript; its scratch memory is about 1.5 MB. */
export function typescriptKernel(): Kernel {
  const tables = new Uint32Array(MAX_TABLES * TOTAL)
  const pattern = new Uint8Array(BLOCK)
  const rows = new Uint8Array(BLOCK)
  const input = new Uint8Array(INPUT_BYTES)
  const escapes = new Uint16Array(BLOCK)
  const output = new Uint8Array(4 * BLOCK)
  const classes = new Uint8Array(BLOCK)
  const symbols = new Uint8Array(BLOCK)
  const halves = new Uint16Array(output.buffer)
  const selectors = [0, 1, 2, 3].map(selectorOf)

  return {
    name: 'typescript',
    tables,
    pattern,
    rows,
    input,
    escapes,
    output,
    spread(at, count, first, length) {
      let row = 0
      let column = first
      for (let i = at; i < at + count; i++) {
        classes[i] = Math.min(255, rows[row] + pattern[column])
        if (++column === length) {
          column = 0
          row++
        }
      }
    },
    symbols: (stream, count, words) => decodeBlock(input, words, tables, classes, selectors[stream], count, symbols),
    merge(stream, count, living, dead, planes, available) {
      if (stream === 3) {
        output.set(symbols.subarray(0, count))
        return 0
      }
      let used = 0
      const step = stream === 0 ? 2 : 1
      const low = stream === 0 ? 2 * count : 0
      const wide = stream === 2
      const first = wide ? planes + count : planes + low
      const second = first + 16 * Math.ceil(count / 32)
      for (let i = 0; i < count; i++) {
        const symbol = symbols[i]
        let top = symbol + (classes[i] & ~3) + (classes[i] < DEAD_CLASSES ? living : dead)
        if (symbol === 0) top = 0
        else if (symbol === 1) {
          if (used === available) return -1
          top = escapes[used++]
        }
        if (wide) {
          const sign = planeElement(input, first, 1, i)
          halves[i] = (sign << 15) | ((top & 127) << 8) | input[planes + i]
        } else {
          const rest = planeElement(input, first, 4, i) | (planeElement(input, second, 2, i) << 4)
          halves[step * i + step - 1] = ((rest & 32) << 10) | ((top & 1023) << 5) | (rest & 31)
          if (step === 2) halves[2 * i] = input[planes + 2 * i] | (input[planes + 2 * i + 1] << 8)
        }
      }
      return used
    },
  }
}
