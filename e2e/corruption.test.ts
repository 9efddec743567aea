/**
 * Damage: every single-bit flip of a whole package is refused with a typed error, by `verify` with the WebAssembly decoder
 * and by `unpack` with the TypeScript one; every truncation by both. What the decoders make of a damaged chunk that no
 * digest guards: `compress/compress.test.ts`.
 */

import assert from 'node:assert/strict'
import { mock, test } from 'node:test'
import { bestDecoder } from '../compress/decode.ts'
import { readPackage } from '../sdk/container/read.ts'
import { bytesSource, HardpackError } from '../sdk/core/index.ts'
import { makeGraph, makeModel, makeNode, makeTensor, makeValue, writeModel } from '../sdk/onnx/index.ts'
import { generateKeyPair, pack, unpack, verify } from '../sdk/pack/index.ts'

const { publicKey, secretKey } = await generateKeyPair()
const onnx = matMulModel()
const unsigned = (await pack(onnx, { name: 'small' })).bytes
const signed = (await pack(onnx, { name: 'small', secretKeys: [secretKey] })).bytes
const FILES = [
  { kind: 'unsigned', file: unsigned, trust: { trust: 'unsigned' } },
  { kind: 'signed', file: signed, trust: { trustedKeys: [publicKey] } },
] as const

/** y = x · w, where `w` is large enough to leave the graph and small enough that its chunk has few bits to flip. */
function matMulModel(): Uint8Array {
  const w = Float32Array.from({ length: 256 }, (_, i) => ((i * i * 7 + i * 3) % 4) / 8 - 0.25)
  const graph = makeGraph('small', {
    nodes: [makeNode('MatMul', ['x', 'w'], ['y'])],
    inputs: [makeValue('x', 'float32', [1, 8])],
    outputs: [makeValue('y', 'float32', [1, 32])],
    initializers: [makeTensor('w', { dtype: 'float32', shape: [8, 32], data: w })],
  })
  return writeModel(makeModel(graph))
}

/** The code of the typed error that `call` ends with; fails the test on success and on any other error. */
async function refusal(what: string, call: () => Promise<unknown>): Promise<string> {
  try {
    await call()
  } catch (error) {
    assert.ok(error instanceof HardpackError, `${what} expected a HardpackError, got ${error}`)
    return error.code
  }
  return assert.fail(`${what} was accepted`)
}

/** Runs `use` where WebAssembly does not compile, as under a strict policy: `bestDecoder` is the TypeScript one there. */
async function withoutWebAssembly(use: () => Promise<void>): Promise<void> {
  const { mock: blocked } = mock.method(WebAssembly, 'instantiate', () => Promise.reject(new Error('blocked')))
  try {
    assert.equal((await bestDecoder()).name, 'typescript')
    await use()
  } finally {
    blocked.restore()
  }
}

function* flips(bytes: Uint8Array): Generator<{ bit: number; damaged: Uint8Array }> {
  const damaged = bytes.slice()
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    damaged[bit >> 3] ^= 1 << (bit & 7)
    yield { bit, damaged }
    damaged[bit >> 3] ^= 1 << (bit & 7)
  }
}

for (const { kind, file, trust } of FILES) {
  const everyFlip = async (check: typeof verify | typeof unpack): Promise<Map<string, number>> => {
    const codes = new Map<string, number>()
    let count = 0
    for (const { bit, damaged } of flips(file)) {
      const code = await refusal(`the ${kind} file with bit ${bit} flipped`, () => check(bytesSource(damaged), trust))
      codes.set(code, (codes.get(code) ?? 0) + 1)
      count++
    }
    assert.equal(count, 8 * file.length)
    return codes
  }

  test(`${kind}: every single-bit flip is refused by verify (WebAssembly) and unpack (TypeScript)`, async (t) => {
    assert.ok(file.length <= 2048, `expected at most 2048 bytes, got ${file.length}`)
    assert.equal((await bestDecoder()).name, 'wasm')
    const verified = await everyFlip(verify)
    t.diagnostic(`${8 * file.length} flips: ${[...verified].map(([code, n]) => `${n} ${code}`).join(', ')}`)
    await withoutWebAssembly(async () => {
      assert.deepEqual(await everyFlip(unpack), verified)
    })
    assert.deepEqual(new Uint8Array(await unpack(bytesSource(file), trust)), onnx, 'the whole file is accepted')
  })

  test(`${kind}: every truncation, and every byte too many, is refused by verify and by unpack`, async () => {
    for (let length = 0; length < file.length; length++) {
      const short = bytesSource(file.slice(0, length))
      await refusal(`the first ${length} bytes`, () => verify(short, trust))
      await refusal(`the first ${length} bytes`, () => unpack(short, trust))
    }
    for (let byte = 0; byte < 256; byte++) {
      const long = bytesSource(Uint8Array.of(...file, byte))
      await refusal(`the file and a byte ${byte}`, () => verify(long, trust))
      await refusal(`the file and a byte ${byte}`, () => unpack(long, trust))
    }
  })
}

test('the files hold a chunk of weights, and one of the rest', async () => {
  for (const { file, trust } of FILES) {
    const { manifest } = await readPackage(bytesSource(file), trust)
    assert.deepEqual([manifest.chunks.length, manifest.graphs[0].tensors.length], [2, 1])
  }
})

test('a signature is missed where it is wanted, and does not fit another file', async () => {
  const trust = { trustedKeys: [publicKey] }
  assert.equal(await refusal('unsigned', () => verify(bytesSource(unsigned), trust)), 'UNSIGNED')
  const other = (await pack(onnx, { name: 'other', secretKeys: [secretKey] })).bytes
  assert.equal(other.length, signed.length)
  const { sections } = await readPackage(bytesSource(signed), trust)
  const start = sections.header + sections.manifest
  const moved = other.slice()
  moved.set(signed.subarray(start, start + sections.signatures), start)
  assert.equal(await refusal('a signature of another file', () => verify(bytesSource(moved), trust)), 'BAD_SIGNATURE')
})
