/**
 * The weights of a model as the benchmark sees them: one set of tensors for each element type, and what kind of net it is.
 * float32 is measured as it is and rounded to bfloat16; int8 and uint8 are one set.
 */

import type { WeightTensor } from '../../../compress/index.ts'
import { concat, type DType, elementCount, toBfloat16 } from '../../../sdk/core/index.ts'
import { type GraphIndex, indexGraph, locateWeights, readModel } from '../../../sdk/onnx/index.ts'

export const TYPES = ['fp32', 'bf16', 'fp16', 'int8'] as const
export type SetType = (typeof TYPES)[number]

/** By the weights that convolutions hold: nine tenths or more of the bytes, fewer, none. */
export type NetKind = 'conv' | 'mixed' | 'dense'

export interface WeightSet {
  readonly model: string
  readonly kind: NetKind
  readonly type: SetType
  readonly tensors: readonly WeightTensor[]
  readonly weights: number
  /** All tensors in a row: what the peers compress. */
  readonly raw: Uint8Array
  /** Whether it counts: 100 kB or more in the model's file. */
  readonly counts: boolean
}

const COUNTED_BYTES = 100_000

const NATIVE: Partial<Record<DType, SetType>> = { float32: 'fp32', float16: 'fp16', int8: 'int8', uint8: 'int8' }

/** Where the operators that convolve take their kernels. */
const KERNEL_INPUT: Readonly<Record<string, number>> = { Conv: 1, ConvTranspose: 1, ConvInteger: 1, QLinearConv: 3 }
const PASSES_ON = /^(?:Identity|Cast|DequantizeLinear|Reshape|Transpose)$/

/** Names of the tensors that convolutions of a graph and its subgraphs take as kernels. */
function kernelNames({ graph, producers, constants, subgraphs }: GraphIndex): string[] {
  const kernels = graph.node.flatMap(({ opType, input }) => input[KERNEL_INPUT[opType]] ?? [])
  const origins = kernels.map((name) => {
    let origin = name
    for (let node = producers.get(origin); node && PASSES_ON.test(node.opType); node = producers.get(origin))
      origin = node.input[0]
    // A tensor in a node has a name of its own.
    return constants.get(origin)?.name || origin
  })
  return [...origins, ...subgraphs.flatMap(kernelNames)]
}

function kindOf(model: Uint8Array): NetKind {
  const { graph } = readModel(model)
  const kernels = new Set(graph ? kernelNames(indexGraph(graph)) : [])
  let all = 0
  let convolved = 0
  for (const { name, start, end } of locateWeights(model)) {
    all += end - start
    if (kernels.has(name)) convolved += end - start
  }
  if (convolved === 0) return 'dense'
  return convolved >= 0.9 * all ? 'conv' : 'mixed'
}

/** A float32 tensor rounded to bfloat16, to the nearest, ties to even. */
export function toBrain({ shape, bytes }: WeightTensor): WeightTensor {
  const halves = Uint16Array.from(new Float32Array(bytes.slice().buffer), toBfloat16)
  return { dtype: 'bfloat16', shape, bytes: new Uint8Array(halves.buffer) }
}

/** The sets of an ONNX file, in the order of `TYPES`. */
export function setsOf(name: string, model: Uint8Array): WeightSet[] {
  const tensors = locateWeights(model).map(
    ({ dtype, shape, start, end }): WeightTensor => ({ dtype, shape, bytes: model.subarray(start, end) }),
  )
  const byType = new Map<SetType, WeightTensor[]>(TYPES.map((type) => [type, []]))
  for (const tensor of tensors) byType.get(NATIVE[tensor.dtype] as SetType)?.push(tensor)
  byType.set('bf16', (byType.get('fp32') ?? []).map(toBrain))
  const kind = kindOf(model)
  const sets: WeightSet[] = []
  for (const [type, own] of byType) {
    if (own.length === 0) continue
    const raw = concat(own.map(({ bytes }) => bytes))
    const bytesInFile = type === 'bf16' ? 2 * raw.length : raw.length
    const weights = own.reduce((sum, { shape }) => sum + elementCount(shape), 0)
    sets.push({ model: name, kind, type, tensors: own, weights, raw, counts: bytesInFile >= COUNTED_BYTES })
  }
  return sets
}
