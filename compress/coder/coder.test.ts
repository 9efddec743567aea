import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { frequenciesOf } from '../weights/quantise.ts'
import { bitReader } from './bit-reader.ts'
import { bitWriter } from './bit-writer.ts'
import { bitModels, codeBit, codeNumber, codeSigned, codeTree, numberModels, signedModels } from './bits.ts'
import { planeBytes, planeElement, setPlaneElement } from './planes.ts'
import { blockDecoder, buildTable, STATE_BYTES, TOTAL } from './rans.ts'
import { encodeBlock } from './rans-encode.ts'

test('bits of any probability come back, and a wrong last byte or length is refused', () => {
  const step = fc.tuple(fc.integer({ min: 1, max: 65535 }), fc.integer({ min: 0, max: 1 }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const writer = bitWriter()
      for (const [probability, bit] of steps) writer.code(probability, bit)
      const bytes = writer.finish()
      const reader = bitReader(bytes)
      for (const [probability, bit] of steps) assert.equal(reader.code(probability, 0), bit)
      reader.finish()
      const longer = bitReader(Uint8Array.of(...bytes, 0))
      for (const [probability] of steps) longer.code(probability, 0)
      assert.throws(() => longer.finish(), { code: 'CHUNK_CORRUPT' })
    }),
  )
})

test('the coder is within 0.1 % of the entropy', () => {
  const writer = bitWriter()
  let bits = 0
  for (let i = 0; i < 40000; i++) {
    const bit = (Math.imul(i, 0x9e3779b1) >>> 0) / 2 ** 32 < 0.1 ? 1 : 0
    writer.code(6554, bit)
    bits -= Math.log2(bit ? 6554 / 65536 : 1 - 6554 / 65536)
  }
  assert.ok(writer.finish().length * 8 < bits * 1.001 + 16)
})

test('numbers, signed numbers, trees and adaptive bits come back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(2 ** 24 - 2), fc.integer({ min: -271, max: 271 }), fc.nat(127), fc.nat(1)), {
        maxLength: 60,
      }),
      (values) => {
        const run = (coder: { code(probability: number, bit: number): number }, given: typeof values | undefined) => {
          const models = [numberModels(), signedModels(), bitModels(128), bitModels(1)]
          return values.map((_, i) => [
            codeNumber(coder, models[0], given ? given[i][0] : 0),
            codeSigned(coder, models[1], given ? given[i][1] : 0),
            codeTree(coder, models[2], 7, given ? given[i][2] : 0),
            codeBit(coder, models[3], 0, given ? given[i][3] : 0),
          ])
        }
        const writer = bitWriter()
        assert.deepEqual(run(writer, values), values)
        const reader = bitReader(writer.finish())
        assert.deepEqual(run(reader, undefined), values)
        reader.finish()
      },
    ),
  )
})

test('plane elements do not disturb one another', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(16, 8, 4, 2, 1),
      fc.array(fc.nat(0xffff), { minLength: 1, maxLength: 300 }),
      (width, values) => {
        const plane = new Uint8Array(3 + planeBytes(width, values.length))
        const mask = (1 << width) - 1
        values.forEach((value, i) => {
          setPlaneElement(plane, 3, width, i, value & mask)
        })
        values.forEach((value, i) => {
          assert.equal(planeElement(plane, 3, width, i), value & mask)
        })
      },
    ),
  )
})

test('frequencies sum to 2^12, keep every symbol that occurs, and cost what the counts cost', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(100000), { minLength: 256, maxLength: 256 }), fc.nat(255), (counts, kept) => {
      const sparse = counts.map((count, i) => (i <= kept ? count : 0))
      const frequencies = frequenciesOf(Float64Array.from(sparse))
      assert.equal(
        frequencies.reduce((sum, f) => sum + f, 0),
        TOTAL,
      )
      const total = sparse.reduce((sum, count) => sum + count, 0)
      let ideal = 0
      let real = 0
      sparse.forEach((count, i) => {
        if (count === 0) return
        assert.ok(frequencies[i] > 0)
        ideal -= count * Math.log2(count / total)
        real -= count * Math.log2(frequencies[i] / TOTAL)
      })
      assert.ok(real <= ideal * 1.01 + total * 0.01)
    }),
    // Few symbols, none of them far the largest: the last one paid for all that the mode lacked.
    { examples: [[[95996, 33771, 92681, 15563, ...new Array<number>(252).fill(0)], 3]] },
  )
})

test('a table whose frequencies do not sum to 2^12 is refused', () => {
  for (const sum of [0, TOTAL - 1, TOTAL + 1]) {
    const frequencies = new Uint16Array(256)
    frequencies[7] = sum
    assert.throws(() => buildTable(frequencies, new Uint32Array(TOTAL)), { code: 'CHUNK_CORRUPT' })
  }
})

test('a rANS block comes back, and takes what its entropy says', () => {
  for (const count of [1, 31, 32, 33, 5000, 65536]) {
    const symbols = Uint8Array.from({ length: count }, (_, i) => Math.clz32(Math.imul(i + 1, 0x9e3779b1)))
    const choice = Uint8Array.from({ length: count }, (_, i) => (i >> 3) & 1)
    const lanes = Uint8Array.from({ length: count }, (_, i) => (i % 70) & 31)
    const counts = [0, 1].map(() => new Float64Array(256))
    symbols.forEach((symbol, i) => {
      counts[choice[i]][symbol]++
    })
    const tables = counts.map((own) => frequenciesOf(own))
    const { bytes, words } = encodeBlock(symbols, choice, lanes, tables)
    assert.equal(bytes.length, STATE_BYTES + 2 * words)
    const entries = new Uint32Array(2 * TOTAL)
    tables.forEach((table, i) => {
      buildTable(table, entries.subarray(i * TOTAL, (i + 1) * TOTAL))
    })
    const decoder = blockDecoder(bytes, entries)
    for (const given of [words, words - 1, words + 1]) {
      decoder.begin(given)
      const decoded = symbols.map((_, i) => decoder.symbol(lanes[i], choice[i]))
      assert.deepEqual(decoded, symbols)
      assert.equal(decoder.end(), given === words)
    }
    let bits = 0
    symbols.forEach((symbol, i) => {
      bits -= Math.log2(tables[choice[i]][symbol] / TOTAL)
    })
    assert.ok(8 * bytes.length <= bits * 1.001 + 8 * STATE_BYTES, `${count}: ${8 * bytes.length} bits for ${bits}`)
  }
})
