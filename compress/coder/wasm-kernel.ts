/** The WebAssembly SIMD twin of the kernel, `assembly/kernel.ts`: 40 pages of memory, once, for a decoder's whole life. */

import { HardpackError } from '../../sdk/core/index.ts'
import { inflate } from '../bytes/inflate.ts'
import { isFloat } from '../weights/elements.ts'
import { historyTable, type Lines, MAX_LAGS, MAX_LINE_SETS, SHIFTS, STEPS } from '../weights/lines.ts'
import { KERNEL, KERNEL_BYTES } from './kernel.generated.ts'
import { INPUT_BYTES, type Kernel, LATENT_BYTES } from './kernel.ts'
import { BLOCK, checkFrequencies, SYMBOLS } from './rans.ts'

const PAGES = 40

interface Exports {
  offset(index: number): number
  setTable(number: number): void
  begin(words: number): void
  spread(at: number, rows: number, columns: number, inner: number, axis: number): void
  decode(at: number, count: number, float: boolean, first: number, last: number, center: number): void
  decodeLines(
    at: number,
    number: number,
    length: number,
    float: boolean,
    first: number,
    last: number,
    center: number,
    lags: number,
    perLine: boolean,
    moves: boolean,
  ): void
  end(): number
  merge(stream: number, count: number, living: number, dead: number, planes: number, escapes: number): number
  reorder(at: number, rows: number, columns: number, inner: number, axis: number, bytes: number): void
}

async function instantiate(): Promise<{ buffer: ArrayBuffer; exports: Exports }> {
  try {
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES })
    const bytes = new Uint8Array(KERNEL_BYTES)
    inflate(
      Uint8Array.from(atob(KERNEL), (character) => character.charCodeAt(0)),
      bytes,
    )
    const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } })
    return { buffer: memory.buffer, exports: instance.exports as unknown as Exports }
  } catch (cause) {
    throw new HardpackError('TARGET_UNAVAILABLE', 'The decoder expected WebAssembly with SIMD, got none.', {
      hint: "Use the TypeScript decoder, or allow 'wasm-unsafe-eval' in the Content-Security-Policy.",
      cause,
    })
  }
}

/**
 * The kernel in WebAssembly.
 *
 * @throws HardpackError `TARGET_UNAVAILABLE` where WebAssembly or its SIMD instructions are missing, or a
 *   Content-Security-Policy forbids compiling it.
 */
export async function wasmKernel(): Promise<Kernel> {
  const { buffer, exports: kernel } = await instantiate()
  const frequencies = new Uint16Array(buffer, kernel.offset(0), SYMBOLS)
  const symbols = new Uint8Array(buffer, kernel.offset(3), BLOCK)
  const output = new Uint8Array(buffer, kernel.offset(6), 4 * BLOCK)
  const natural = new Uint8Array(buffer, kernel.offset(7), 4 * BLOCK)
  const mean = new Int8Array(buffer, kernel.offset(8), MAX_LAGS * MAX_LINE_SETS)
  const spread = new Int8Array(buffer, kernel.offset(9), MAX_LAGS * MAX_LINE_SETS)
  const lags = new Uint8Array(buffer, kernel.offset(10), MAX_LAGS)
  const shifts = new Int8Array(buffer, kernel.offset(11), SHIFTS)
  const bins = new Uint8Array(buffer, kernel.offset(12), STEPS)
  // Doubled: that is what the kernel's multiplication takes.
  new Int16Array(buffer, kernel.offset(13)).set(historyTable().map((history) => 2 * history))

  function setLines(lines: Lines): void {
    mean.set(lines.mean)
    spread.set(lines.spread)
    lags.set(lines.lags)
    shifts.set(lines.shifts)
  }

  return {
    name: 'wasm',
    latents: new Uint8Array(buffer, kernel.offset(1), LATENT_BYTES),
    classes: new Uint8Array(buffer, kernel.offset(2), BLOCK),
    escapes: new Uint16Array(buffer, kernel.offset(4), BLOCK),
    input: new Uint8Array(buffer, kernel.offset(5), INPUT_BYTES),
    setTable(number, own) {
      checkFrequencies(own)
      frequencies.set(own)
      kernel.setTable(number)
    },
    begin: kernel.begin,
    end: () => kernel.end() === 1,
    spread: ({ at, rows, columns, inner, axis }) => kernel.spread(at, rows, columns, inner, axis),
    decode({ at, rows, columns, inner, axis }, { stream, first, last, center, bins: ofSteps, lines }) {
      const count = rows * columns * inner
      const float = isFloat(stream)
      if (!lines) return kernel.decode(at, count, float, first, last, center)
      setLines(lines)
      bins.set(ofSteps)
      const number = [rows, columns, inner][axis]
      const moves = lines.shifts.length > 0
      const { length } = lines.lags
      kernel.decodeLines(at, number, count / number, float, first, last, center, length, lines.perLine, moves)
    },
    merge: (stream, count, [living, dead], planes, escapes) =>
      kernel.merge(stream, count, living, dead, planes, escapes),
    elements({ at, rows, columns, inner, axis }, bytes) {
      const length = bytes * rows * columns * inner
      if (axis === 0)
        return bytes === 1 ? symbols.subarray(at, at + length) : output.subarray(bytes * at, bytes * at + length)
      kernel.reorder(at, rows, columns, inner, axis, bytes)
      return natural.subarray(0, length)
    },
  }
}
