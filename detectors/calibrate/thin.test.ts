import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rng } from '../../sdk/core/index.ts'
import { conformalPValue, type Side } from './conformal.ts'
import { packTable, thin, unpackTable } from './thin.ts'

function table(n: number, seed: number): Float32Array {
  const random = rng(seed)
  return Float32Array.from({ length: n }, () => random.uniform()).sort()
}

test('a thin table raises p-values, never above 1/128 more, and not where they decide', () => {
  for (const side of ['upper', 'both'] as const satisfies Side[]) {
    for (const n of [1, 2, 7, 127, 256, 1000, 2500, 2501, 5000]) {
      const full = table(n, n)
      const thinned = thin(full, side)
      assert.deepEqual(thinned, thinned.toSorted())
      for (const score of [-1, ...full, ...table(1000, 1), 2].map(Math.fround)) {
        const exact = conformalPValue(full, score, side)
        const p = conformalPValue(thinned, score, side)
        assert.ok(p >= exact, `${side} ${n} ${score}: ${p} < ${exact}`)
        assert.ok(p - exact <= (side === 'upper' ? 1 : 2) / 128, `${side} ${n}: ${p} for ${exact}`)
        if (exact < 0.25) assert.equal(p, exact)
      }
    }
  }
})

test('packing is lossless and spends four bytes a different score', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -20, max: 20 }), { maxLength: 60 }), (scores) => {
      const any = Float32Array.from(scores).sort()
      assert.deepEqual(unpackTable(packTable(any)), any)
    }),
  )
  assert.equal(packTable(table(2500, 1)).length > 9900, true)
  assert.equal(packTable(thin(table(2500, 1), 'upper')).length, 8 + 4 * (625 + 99) + 24)
})

test('bytes that are no table are refused', () => {
  const good = packTable(Float32Array.of(1, 2, 2, 3))
  const changed = (at: number, value: number): Uint8Array => {
    const bytes = good.slice()
    new DataView(bytes.buffer).setUint32(at, value, true)
    return bytes
  }
  const nan = 0x7fc00000
  for (const bytes of [
    new Uint8Array(7),
    good.subarray(0, good.length - 1),
    changed(0, 2 ** 31),
    changed(4, 2 ** 31),
    changed(8, nan),
    changed(8, 0x7f800000),
    changed(12, 0x3f800000),
    changed(good.length - 4, 2 ** 31),
    changed(good.length - 8, 2 ** 31),
  ]) {
    assert.throws(() => unpackTable(bytes), { code: 'INVALID_FORMAT' })
  }
  for (let at = 0; at < good.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const bytes = good.slice()
      bytes[at] ^= 1 << bit
      try {
        const read = unpackTable(bytes)
        assert.deepEqual(packTable(read).length > 0 && read, read.toSorted())
      } catch (error) {
        assert.equal((error as { code: string }).code, 'INVALID_FORMAT')
      }
    }
  }
})
