/**
 * The case that the self-test exists for, on a processor that has it: with AVX2 but without VNNI, onnxruntime's optimised
 * graph multiplies bytes with VPMADDUBSW, whose 16-bit sums saturate. The processor is emulated, the runtime is real.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, realpathSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Tensor } from '../sdk/core/index.ts'
import { makeGraph, makeModel, makeNode, makeTensor, makeValue, writeModel } from '../sdk/onnx/index.ts'
import { pack } from '../sdk/pack/index.ts'

const EMULATOR = (process.env.PATH ?? '')
  .split(':')
  .map((folder) => join(folder, 'qemu-x86_64-static'))
  .find(existsSync)
const skip =
  process.arch !== 'x64' || process.platform !== 'linux'
    ? 'the emulated processor runs Linux x64 programs only'
    : EMULATOR === undefined && 'no qemu-x86_64-static on the path (Debian: qemu-user-static)'

const INPUTS = 64
const OUTPUTS = 8

/** y = Q(DQ(Q(x)) · DQ(w)) with all weights 127: two products of large bytes exceed 16 bits. */
function saturatingModel(): Uint8Array {
  const scalar = (value: number): Tensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) })
  const zero: Tensor = { dtype: 'uint8', shape: [], data: Uint8Array.of(0) }
  const weights: Tensor = {
    dtype: 'int8',
    shape: [INPUTS, OUTPUTS],
    data: new Int8Array(INPUTS * OUTPUTS).fill(127),
  }
  const graph = makeGraph('saturating', {
    inputs: [makeValue('x', 'float32', [1, INPUTS])],
    outputs: [makeValue('y', 'float32', [1, OUTPUTS])],
    initializers: [
      makeTensor('xs', scalar(1 / 255)),
      makeTensor('ws', scalar(1 / 127)),
      makeTensor('ys', scalar(INPUTS / 255)),
      makeTensor('zero', zero),
      makeTensor('wz', { dtype: 'int8', shape: [], data: Int8Array.of(0) }),
      makeTensor('w', weights),
    ],
    nodes: [
      makeNode('QuantizeLinear', ['x', 'xs', 'zero'], ['xq']),
      makeNode('DequantizeLinear', ['xq', 'xs', 'zero'], ['xd']),
      makeNode('DequantizeLinear', ['w', 'ws', 'wz'], ['wd']),
      makeNode('MatMul', ['xd', 'wd'], ['m']),
      makeNode('QuantizeLinear', ['m', 'ys', 'zero'], ['yq']),
      makeNode('DequantizeLinear', ['yq', 'ys', 'zero'], ['y']),
    ],
  })
  return writeModel(makeModel(graph))
}

test('on AVX2 without VNNI the self-test steps down to a level that answers rightly', {
  skip,
  timeout: 120_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
  try {
    const path = join(folder, 'saturating.hpk')
    await writeFile(path, (await pack(saturatingModel(), { name: 'saturating' })).bytes)
    const program = fileURLToPath(new URL('../sdk/cli/main.js', import.meta.url))
    const run = ['-cpu', 'Haswell', realpathSync(process.execPath), '--jitless', program, 'run', path, '--json']
    const { stdout } = await promisify(execFile)(EMULATOR as string, run)
    const { optimization, selfTest } = JSON.parse(stdout)
    assert.equal(optimization, 'basic')
    assert.ok(selfTest.maxAbsDiff <= selfTest.tolerance)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
