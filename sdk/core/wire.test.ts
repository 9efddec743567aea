import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import protobuf from 'protobufjs/minimal.js'
import { LENGTH, VARINT, WireReader, WireWriter } from './wire.ts'

test('a varint has the bytes that protobufjs gives it, and reads back', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const ours = new WireWriter().varint(value).finish()
      const theirs = protobuf.Writer.create().uint64(value).finish()
      assert.deepEqual([...ours], [...theirs])
      assert.equal(new WireReader(ours).varint(true), value)
    }),
  )
})

test('an overlong varint is refused only in canonical mode', () => {
  const overlong = Uint8Array.of(0x81, 0x00)
  assert.equal(new WireReader(overlong).varint(), 1)
  assert.throws(() => new WireReader(overlong).varint(true), { code: 'INVALID_FORMAT' })
})

test('a varint past the end, or past 2^53, is refused', () => {
  assert.throws(() => new WireReader(Uint8Array.of(0x80)).varint(), { code: 'INVALID_FORMAT' })
  assert.throws(() => new WireReader(new Uint8Array(10).fill(0xff)).varint(), { code: 'INVALID_FORMAT' })
})

test('fields read back in order, and skip steps over each wire type', () => {
  const message = new WireWriter()
    .uint(1, 300)
    .bytes(2, Uint8Array.of(1, 2, 3))
    .tag(3, 1)
    .raw(new Uint8Array(8))
    .tag(4, 5)
    .raw(new Uint8Array(4))
    .uint(5, 7)
    .finish()
  const reader = new WireReader(message)
  assert.deepEqual(reader.tag(), { field: 1, type: VARINT })
  assert.equal(reader.varint(), 300)
  assert.deepEqual(reader.tag(), { field: 2, type: LENGTH })
  assert.deepEqual([...reader.lengthDelimited()], [1, 2, 3])
  for (const field of [3, 4]) {
    const tag = reader.tag()
    assert.equal(tag.field, field)
    reader.skip(tag.type)
  }
  assert.equal(reader.tag().field, 5)
  assert.equal(reader.varint(), 7)
  assert.ok(reader.done)
})

test('a length beyond the message is refused before anything is sliced', () => {
  const message = Uint8Array.of(0x0a, 0x7f, 0)
  const reader = new WireReader(message)
  reader.tag()
  assert.throws(() => reader.lengthDelimited(), { code: 'INVALID_FORMAT' })
  const skipper = new WireReader(message)
  assert.throws(() => skipper.skip(skipper.tag().type), { code: 'INVALID_FORMAT' })
})
