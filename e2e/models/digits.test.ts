import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { readDigits } from './digits.ts'

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

/** An idx file again, from its magic, its dimensions and its elements. */
function idx(shape: number[], elements: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length)
  for (const [i, word] of [0x0800 | shape.length, ...shape].entries()) header.writeUInt32BE(word, 4 * i)
  return Buffer.concat([header, elements])
}

test('the digits are MNIST: the published MD5 of both test files, from what readDigits returns', () => {
  const { images, labels } = readDigits(10_000)
  const pixels = Uint8Array.from(images, (value) => Math.round(value * 255))
  assert.equal(md5(idx([10_000, 28, 28], pixels)), '2646ac647ad5339dbf082846283269ea')
  assert.equal(md5(idx([10_000], labels)), '27ae3e4e09519cfbb04c329615203637')
})

test('the first ten labels are the published ones', () => {
  assert.deepEqual([...readDigits(10).labels], [7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
})

test('an offset moves images and labels together', () => {
  const all = readDigits(5)
  const { images, labels } = readDigits(2, 3)
  assert.deepEqual(images, all.images.slice(3 * 784))
  assert.deepEqual(labels, all.labels.slice(3))
})

test('a range outside the test set is refused', () => {
  for (const [count, offset] of [
    [10_001, 0],
    [1, 10_000],
    [-1, 0],
    [1, -1],
    [0.5, 0],
    [Number.NaN, 0],
  ] as const) {
    assert.throws(() => readDigits(count, offset), { code: 'INVALID_ARGUMENT' })
  }
})
