import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { byteLength, concat, type DType, elementCount, equal, rng } from '../../sdk/core/index.ts'
import type { WeightTensor } from '../types.ts'
import { findRepeats, type Repeats } from './repeats.ts'

function noise(length: number, seed: number): Uint8Array {
  const random = rng(seed)
  return new Uint8Array(Uint32Array.from({ length: length / 4 + 1 }, () => random.u32()).buffer, 0, length)
}

const tensor = (dtype: DType, shape: readonly number[], bytes: Uint8Array): WeightTensor => ({ dtype, shape, bytes })

/** Puts every tensor together from its runs, as a reader does; checks that a copy is of what is already there. */
function rebuild(tensors: readonly WeightTensor[], { runs, rest }: Repeats): void {
  tensors.forEach(({ bytes, dtype }, i) => {
    const piece = rest[i]
    if (piece) {
      assert.equal(piece.dtype, dtype)
      assert.equal(byteLength(dtype, elementCount(piece.shape)), piece.bytes.length)
      assert.ok(piece.bytes.length > 0)
    }
    const parts: Uint8Array[] = []
    let at = 0
    let used = 0
    for (const { start, length, copy } of runs[i]) {
      assert.equal(start, at)
      assert.ok(length > 0)
      at += length
      if (copy === undefined) {
        parts.push(piece?.bytes.subarray(used, used + length) ?? new Uint8Array())
        used += length
        continue
      }
      assert.ok(copy.tensor < i || (copy.tensor === i && copy.start + length <= start), 'a copy of what comes later')
      parts.push(tensors[copy.tensor].bytes.subarray(copy.start, copy.start + length))
    }
    assert.equal(used, piece?.bytes.length ?? 0)
    assert.ok(equal(concat(parts), bytes))
  })
}

const copied = ({ runs }: Repeats, i: number): number =>
  runs[i].reduce((sum, { length, copy }) => sum + (copy ? length : 0), 0)

test('tensors made of the same fragments come back from their runs', async () => {
  const fragments = Array.from({ length: 6 }, (_, i) => noise([256, 300, 512, 1000, 4096, 8][i], i))
  fragments.push(new Uint8Array(2000), new Uint8Array(1024).fill(7))
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          dtype: fc.constantFrom<DType>('float32', 'float16', 'int8', 'int64', 'int4'),
          parts: fc.array(fc.tuple(fc.nat(fragments.length - 1), fc.nat(40)), { maxLength: 12 }),
          columns: fc.constantFrom(1, 4, 16, 32),
        }),
        { maxLength: 6 },
      ),
      async (specs) => {
        const tensors = specs.map(({ dtype, parts, columns }) => {
          const bytes = concat(parts.flatMap(([part, gap]) => [noise(gap, part), fragments[part]]))
          const row = columns * 8
          const whole = bytes.slice(0, bytes.length - (bytes.length % row))
          const elements = dtype === 'int4' ? 2 * whole.length : whole.length / byteLength(dtype, 1)
          const inner = dtype === 'int4' ? 2 * row : row / byteLength(dtype, 1)
          return tensor(dtype, [elements / inner, inner], whole)
        })
        rebuild(tensors, await findRepeats(tensors))
      },
    ),
    { numRuns: 200 },
  )
})

test('a tensor that came before, of whatever shape, is a copy of it', async () => {
  const bytes = noise(24, 1)
  const tensors = [
    tensor('float32', [6], bytes),
    tensor('float32', [], noise(4, 2)),
    tensor('int8', [2, 12], bytes.slice()),
    tensor('float32', [0], new Uint8Array()),
    tensor('float32', [0, 3], new Uint8Array()),
  ]
  const repeats = await findRepeats(tensors)
  rebuild(tensors, repeats)
  assert.deepEqual(repeats.runs[2], [{ start: 0, length: 24, copy: { tensor: 0, start: 0 } }])
  assert.equal(repeats.rest[2], undefined)
  assert.deepEqual(repeats.runs.slice(3), [[], []])
})

test('rows that repeat go, and the rest keeps its rows', async () => {
  const row = 64 * 4
  const first = noise(100 * row, 1)
  const second = concat([
    noise(10 * row, 2),
    first.subarray(20 * row, 50 * row),
    noise(7 * row, 3),
    first.subarray(0, 5 * row),
  ])
  const tensors = [tensor('float32', [100, 64], first), tensor('float32', [1, 52, 8, 8], second)]
  const repeats = await findRepeats(tensors)
  rebuild(tensors, repeats)
  assert.equal(copied(repeats, 1), 35 * row)
  assert.deepEqual(repeats.rest[1]?.shape, [17, 8, 8])
  assert.deepEqual(repeats.runs[1][1], { start: 10 * row, length: 30 * row, copy: { tensor: 0, start: 20 * row } })
})

test('a repeat that begins and ends within rows is cut back to rows, or taken whole where most of the tensor is one', async () => {
  const row = 256 * 4
  const first = noise(64 * row, 1)
  const few = concat([noise(20 * row + 40, 2), first.subarray(0, 10 * row), noise(33 * row + row - 40, 3)])
  const most = concat([noise(400, 4), first.subarray(600, 63 * row)])
  const tensors = [
    tensor('float32', [64, 256], first),
    tensor('float32', [64, 256], few),
    tensor('float32', [1, most.length / 4], most),
    tensor('float32', [most.length / 8, 2], concat([most.subarray(800), most.subarray(0, 800)])),
  ]
  const repeats = await findRepeats(tensors)
  rebuild(tensors, repeats)
  assert.equal(copied(repeats, 1), 9 * row)
  assert.deepEqual(repeats.rest[1]?.shape, [55, 256])
  assert.equal(copied(repeats, 2), most.length - 400)
  assert.deepEqual(repeats.rest[2]?.shape, [100])
  assert.equal(repeats.rest[3], undefined)
  assert.equal(copied(repeats, 3), most.length)
})

test('repeats within a tensor are copies of its beginning, and do not overlap it', async () => {
  const period = noise(1200, 1)
  const tensors = [tensor('float16', [8 * 600], concat(Array.from({ length: 8 }, () => period)))]
  const repeats = await findRepeats(tensors)
  rebuild(tensors, repeats)
  assert.deepEqual(repeats.rest[0]?.bytes, period)
})

test('what a code gets for next to nothing is no copy', async () => {
  const flat = tensor('float32', [100, 100], new Uint8Array(40000))
  const { runs } = await findRepeats([tensor('float32', [50, 100], new Uint8Array(20000)), flat])
  assert.deepEqual(runs, [[{ start: 0, length: 20000 }], [{ start: 0, length: 40000 }]])
})

test('elements that are not aligned alike are no repeat', async () => {
  const bytes = noise(4096, 1)
  const shifted = concat([noise(2, 2), bytes.subarray(0, 4094)])
  const { runs } = await findRepeats([tensor('float32', [1024], bytes), tensor('float32', [1024], shifted)])
  assert.equal(runs[1].length, 1)
})

test('repeats become fewer as models grow: the manifest holds their ranges', async () => {
  const unit = noise(512, 0)
  const tensors = Array.from({ length: 20 }, (_, i) =>
    tensor(
      'int8',
      [1 << 20],
      concat(Array.from({ length: 1 << 11 }, (_, k) => (k % 2 ? unit : noise(512, i * 2048 + k)))),
    ),
  )
  const { runs } = await findRepeats(tensors)
  assert.ok(runs.every((own) => own.length === 1))
  const few = await findRepeats(tensors.slice(0, 4))
  assert.ok(few.runs.every((own) => own.length > 1000))
})

test('the base of the rest is cut as the rest is', async () => {
  const row = 512
  const first = noise(40 * row, 1)
  const second = concat([noise(10 * row, 2), first])
  const base = noise(50 * row, 3)
  const tensors = [tensor('int8', [40, row], first), { ...tensor('int8', [50, row], second), base }]
  const { rest } = await findRepeats(tensors)
  assert.deepEqual(rest[1]?.base, base.subarray(0, 10 * row))
})

test('an aborted signal stops the search', async () => {
  const tensors = [tensor('int8', [4], new Uint8Array(4))]
  await assert.rejects(findRepeats(tensors, { signal: AbortSignal.abort() }), { code: 'ABORTED' })
})
