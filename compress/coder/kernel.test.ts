import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rng } from '../../sdk/core/index.ts'
import { selectorOf, typescriptKernel } from './kernel.ts'
import { BLOCK, buildTable, STATE_BYTES, TOTAL } from './rans.ts'
import { encodeBlock, frequenciesOf } from './rans-encode.ts'
import { wasmKernel } from './wasm-kernel.ts'

const kernels = [typescriptKernel(), await wasmKernel()]

/** Runs every kernel on one block of symbols: a row of `length` classes, planes of random bits. */
function mergeBlock(stream: number, count: number, length: number, available: number): [number, Uint8Array][] {
  const random = rng(count)
  const pattern = Uint8Array.from({ length }, () => random.below(256))
  const rows = Uint8Array.from({ length: Math.ceil(count / length) }, () => random.below(256))
  const classes = Uint8Array.from({ length: count }, (_, i) =>
    Math.min(255, rows[Math.floor(i / length)] + pattern[i % length]),
  )
  const symbols = Uint8Array.from({ length: count }, () =>
    random.below(20) === 0 ? random.below(2) : 40 + random.below(60),
  )
  const table = frequenciesOf(new Float64Array(256).fill(1))
  const tables = [table, table, table, table, table]
  const { bytes, words } = encodeBlock(symbols, classes, selectorOf(0), tables)
  const planes = Uint8Array.from({ length: 3 * count + 512 }, () => random.below(256))
  const escapes = Uint16Array.from({ length: available }, () => random.below(128))
  return kernels.map((kernel) => {
    for (let i = 0; i < tables.length; i++) buildTable(table, kernel.tables.subarray(i * TOTAL, (i + 1) * TOTAL))
    kernel.pattern.set(pattern)
    kernel.rows.set(rows)
    kernel.spread(0, count, 0, length)
    kernel.input.set(bytes)
    kernel.input.set(planes, bytes.length)
    kernel.escapes.fill(0x55).set(escapes)
    assert.ok(kernel.symbols(0, count, words))
    const used = kernel.merge(stream, count, 300, 811, STATE_BYTES + 2 * words, available)
    return [used, kernel.output.slice(0, count * [4, 2, 2, 1][stream])]
  })
}

test('both kernels give the same elements for every stream, at block sizes around vector widths', () => {
  for (const stream of [0, 1, 2, 3]) {
    for (const count of [1, 7, 31, 32, 33, 63, 64, 65, 127, 129, 1000, BLOCK]) {
      const [ours, twin] = mergeBlock(stream, count, 1 + (count % 37), count)
      assert.deepEqual(ours, twin, `stream ${stream}, ${count} elements`)
    }
  }
})

test('both kernels say when escapes run out', () => {
  const [[used]] = mergeBlock(0, 1000, 10, 1000)
  assert.ok(used > 5)
  for (const [stream, left, expected] of [
    [0, used, used],
    [0, used - 1, -1],
    [1, 0, -1],
    [2, used - 1, -1],
  ]) {
    for (const [count] of mergeBlock(stream, 1000, 10, left)) assert.equal(count, expected)
  }
})
