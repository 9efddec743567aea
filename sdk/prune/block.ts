/**
 * How many channels a runtime computes at once, found by trying: onnxruntime's CPU kernels work on blocks of 8 channels, or of
 * 16 where the processor has AVX-512, and there 24 channels take as long as 32.
 */

import type { Target } from '../../targets/types.ts'
import { type CallOptions, rng } from '../core/index.ts'
import { makeGraph, makeModel, makeNode, makeTensor, makeValue, writeModel } from '../onnx/index.ts'
import { measureLatency } from './latency.ts'

const INPUTS = 32
const SIDE = 24
const ROUNDS = 300
/** Where the narrower of the two takes more than this of the time, its last block is paid in full; by count it is 0.75. */
const FULL = 0.88

/** A convolution of so many outputs. */
function convolution(outputs: number): Uint8Array {
  const random = rng(0)
  const data = Float32Array.from({ length: outputs * INPUTS * 9 }, () => random.uniform() - 0.5)
  return writeModel(
    makeModel(
      makeGraph('block', {
        nodes: [makeNode('Conv', ['x', 'w'], ['y'], { pads: [1, 1, 1, 1] })],
        inputs: [makeValue('x', 'float32', [1, INPUTS, SIDE, SIDE])],
        outputs: [makeValue('y', 'float32', [1, outputs, SIDE, SIDE])],
        initializers: [makeTensor('w', { dtype: 'float32', shape: [outputs, INPUTS, 3, 3], data })],
      }),
    ),
  )
}

/**
 * The block of a target.
 *
 * @returns 8 or 16
 * @example
 * await blockOf(node({ threads: 1 }), {}) // 16 with AVX-512
 */
export async function blockOf(target: Target, { signal }: CallOptions): Promise<8 | 16> {
  const x = { dtype: 'float32', shape: [1, INPUTS, SIDE, SIDE], data: new Float32Array(INPUTS * SIDE * SIDE) } as const
  const [, narrower] = await measureLatency([convolution(32), convolution(24)], { x }, target, {
    rounds: ROUNDS,
    signal,
  })
  return narrower.ratio > FULL ? 16 : 8
}
