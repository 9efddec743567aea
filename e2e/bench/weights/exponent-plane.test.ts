/** The baseline against sizes that are counted by hand. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toFloat16 } from '../../../sdk/core/index.ts'
import { exponentPlaneBytes, staticCodeBits } from './exponent-plane.ts'

/** What a table takes: a flag for each symbol, 12 bits for each that occurs; then the coder's state. */
const tableBits = (symbols: number, occurring: number): number => symbols + 12 * occurring + 32

test('a code of dyadic shares takes their logarithms', () => {
  const counts = new Uint32Array(256)
  counts.set([512, 256, 256], 120)
  assert.equal(staticCodeBits(counts), tableBits(256, 3) + 512 * 1 + 512 * 2)
  assert.equal(staticCodeBits(new Uint32Array(256)), 0)
})

test('a code of odd shares stays close to the entropy, and a rare symbol keeps a place', () => {
  const counts = Uint32Array.from({ length: 32 }, (_, s) => 1 + s ** 3)
  const total = counts.reduce((sum, count) => sum + count, 0)
  const entropy = counts.reduce((sum, count) => sum + count * Math.log2(total / count), 0)
  const bits = staticCodeBits(counts) - tableBits(32, 32)
  assert.ok(bits >= entropy - 1e-6 && bits < 1.001 * entropy, `${bits} bits, entropy ${entropy}`)
})

test('a constant exponent costs its table; sign and mantissa cost their bits', () => {
  const n = 1000
  const values = Float32Array.from({ length: n }, (_, i) => (i % 2 ? -1 : 1) * (1 + i / n))
  const floats = new Uint8Array(values.buffer)
  const halves = new Uint8Array(Uint16Array.from(values, toFloat16).buffer)
  const brain = new Uint8Array(Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16).buffer)
  for (const [dtype, bytes, rest] of [
    ['float32', floats, 24],
    ['bfloat16', brain, 8],
    ['float16', halves, 11],
  ] as const) {
    const symbols = dtype === 'float16' ? 32 : 256
    assert.equal(exponentPlaneBytes([{ dtype, bytes }]), Math.ceil((n * rest + tableBits(symbols, 1)) / 8), dtype)
  }
})

test('one table serves tensors that are alike; tensors of other types have no plane', () => {
  const bytes = new Uint8Array(Float32Array.of(1.5, 1.25).buffer)
  const tensor = { dtype: 'float32', bytes } as const
  assert.equal(exponentPlaneBytes([tensor, tensor]), Math.ceil((4 * 24 + tableBits(256, 1)) / 8))
  assert.equal(exponentPlaneBytes([tensor, { dtype: 'int8', bytes }]), undefined)
})
