import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Rng, rng } from '../../sdk/core/index.ts'
import { BFLOAT16, BYTE, ELEMENTS, FLOAT16, FLOAT32, INDEX, isFloat } from '../weights/elements.ts'
import { type Lines, MAX_LINE_SETS } from '../weights/lines.ts'
import { frequenciesOf } from '../weights/quantise.ts'
import { type Box, type Circuit, type Kernel, typescriptKernel } from './kernel.ts'
import { BLOCK, STATE_BYTES, TOTAL } from './rans.ts'
import { wasmKernel } from './wasm-kernel.ts'

const kernels = [typescriptKernel(), await wasmKernel()]

function linesOf(random: Rng, axis: number, inner: number): Lines {
  const perLine = axis === 2 && inner <= MAX_LINE_SETS && random.below(2) === 1
  const lags = Array.from({ length: 1 + random.below(8) }, () => 1 + random.below(random.below(2) ? 4 : 255))
  const numbers = () => Int8Array.from({ length: lags.length * (perLine ? inner : 1) }, () => random.below(256) - 128)
  const moves = random.below(2) === 1
  return {
    axis,
    lags,
    perLine,
    mean: numbers(),
    spread: moves ? numbers() : new Int8Array(0),
    shifts: moves ? Int8Array.from({ length: 16 }, () => random.below(17) - 8) : new Int8Array(0),
  }
}

const TABLES = 64
const source = rng(1)
for (let i = 0; i < TABLES; i++) {
  const counts = new Float64Array(256)
  for (let k = 0; k < 1 + 3 * i; k++) counts[source.below(256)] += 1 + source.below(100)
  const frequencies = frequenciesOf(counts)
  for (const kernel of kernels) kernel.setTable(i, frequencies)
}
/** Bytes of a block and its escapes; no byte is 0, so that first states are in their range. */
const bytesOfBlock = Uint8Array.from(kernels[0].input, (_, i) => 1 + ((Math.imul(i, 0x9e3779b1) >>> 24) % 255))
const escapes = Uint16Array.from({ length: BLOCK }, (_, i) => i & 127)

/** What a kernel makes of the bytes, tile by tile. */
function run(kernel: Kernel, seed: number, stream: number, sizes: readonly (readonly number[])[]): unknown[] {
  const random = rng(seed)
  kernel.input.set(bytesOfBlock)
  kernel.escapes.set(escapes)
  const bins = new Uint8Array(16)
  for (let i = 1; i < 16; i++) bins[i] = bins[i - 1] + (i & 1 ? random.below(2) : 1)
  const float = isFloat(stream)

  kernel.begin(100)
  let at = 0
  const boxes = sizes.map(([rows, columns, inner]): Box => {
    const lines = random.below(3) && stream <= BYTE ? linesOf(random, random.below(3), inner) : undefined
    const box = { at, rows, columns, inner, axis: lines?.axis ?? 0 }
    const top = float ? 70 : 12
    for (let i = 0; i < rows + columns + inner; i++) kernel.latents[i] = random.below(top)
    kernel.spread(box)
    const circuit: Circuit = {
      stream,
      first: random.below(float ? 1 : 20),
      last: TABLES - 1,
      center: float ? 0 : random.below(256),
      bins,
      lines,
    }
    kernel.decode(box, circuit)
    at += rows * columns * inner
    return box
  })
  const { bytes } = ELEMENTS[stream]
  const merged = float ? kernel.merge(stream, at, [300, 812], STATE_BYTES + 200, BLOCK) : 0
  const elements = boxes.map((box) => kernel.elements(box, float ? bytes : 1).slice())
  return [kernel.classes.slice(0, at), merged, kernel.end(), ...elements]
}

test('both kernels make the same of any bytes, at sizes around vector widths, lines and chunks of loops', () => {
  const sizes: (readonly number[])[][] = [
    [[1, 1, 1]],
    [1, 7, 8, 9].map((size) => [size, 1, 1]),
    [15, 16, 17, 31, 32, 33].map((size) => [size, 3, 2]),
    [
      [1, 1, 2047],
      [1, 2048, 1],
      [2049, 1, 1],
      [3, 2049, 1],
    ],
    [
      [40, 5, 9],
      [3, 1, 255],
      [9, 40, 3],
      [64, 64, 1],
    ],
    [[1, 1, BLOCK]],
    [[BLOCK, 1, 1]],
    [[2, BLOCK / 2, 1]],
  ]
  for (const stream of [FLOAT32, BFLOAT16, FLOAT16, BYTE, INDEX]) {
    for (const [i, own] of sizes.entries()) {
      for (let seed = 10 * i; seed < 10 * i + 3; seed++) {
        const [ours, twin] = kernels.map((kernel) => run(kernel, seed, stream, own))
        assert.deepEqual(twin, ours, `stream ${stream}, sizes ${i}, seed ${seed}`)
      }
    }
  }
})

test('predictions saturate', () => {
  const lines: Lines = {
    axis: 0,
    lags: [1, 2, 3, 4, 5, 6, 7, 8],
    perLine: false,
    mean: new Int8Array(8).fill(127),
    spread: new Int8Array(0),
    shifts: new Int8Array(0),
  }
  const box = { at: 0, rows: 20, columns: 19, inner: 1, axis: 0 }
  const circuit = { stream: BYTE, first: 0, last: 1, center: 0, bins: new Uint8Array(16), lines }
  for (const kernel of kernels) {
    // The first line is 127; the others add nothing to what they expect.
    kernel.setTable(0, new Uint16Array(256).fill(TOTAL, 127, 128))
    kernel.setTable(1, new Uint16Array(256).fill(TOTAL, 0, 1))
    kernel.latents.fill(1, 0, 20).fill(0, 0, 1).fill(0, 20, 40)
    kernel.input.fill(1)
    kernel.begin(0)
    kernel.spread(box)
    kernel.decode(box, circuit)
    assert.deepEqual(kernel.elements(box, 1).slice(), new Uint8Array(20 * 19).fill(127))
  }
})

test('both kernels say when escapes run out', () => {
  const table = new Uint16Array(256)
  table[2] = TOTAL - 1
  table[80] = 1
  const box = { at: 0, rows: 1, columns: 1000, inner: 1, axis: 0 }
  const circuit = { first: 0, last: 0, center: 0, bins: new Uint8Array(16), lines: undefined }
  for (const kernel of kernels) {
    for (const stream of [0, 1, 2]) {
      kernel.setTable(0, table)
      kernel.setTable(1, table)
      kernel.setTable(2, table)
      kernel.setTable(3, table)
      kernel.latents.fill(0)
      kernel.input.fill(1)
      kernel.begin(0)
      kernel.spread(box)
      kernel.decode(box, { ...circuit, stream })
      const used = kernel.merge(stream, 1000, [0, 0], STATE_BYTES, 1000)
      assert.ok(used > 900)
      assert.equal(kernel.merge(stream, 1000, [0, 0], STATE_BYTES, used), used)
      assert.equal(kernel.merge(stream, 1000, [0, 0], STATE_BYTES, used - 1), -1)
      assert.equal(kernel.merge(stream, 1000, [0, 0], STATE_BYTES, 0), -1)
    }
  }
})

test('both kernels refuse a table whose frequencies do not sum to 2^12', () => {
  for (const kernel of kernels) {
    for (const sum of [0, TOTAL - 1, TOTAL + 1]) {
      assert.throws(() => kernel.setTable(0, new Uint16Array(256).fill(sum, 7, 8)), { code: 'CHUNK_CORRUPT' })
    }
  }
})
