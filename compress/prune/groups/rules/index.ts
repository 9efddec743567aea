/** Which rule reads which operator. What has none is not understood. */

import type { Rule } from '../reading.ts'
import { conv, convTranspose } from './convolution.ts'
import { ELEMENTWISE, elementwise } from './elementwise.ts'
import { gemm, matMul } from './matmul.ts'
import { concat, squeeze, transpose } from './movement.ts'
import { batchNormalization, groupNormalization, instanceNormalization, layerNormalization } from './normalisation.ts'
import { depthToSpace, expand, gather, pad, resize, slicePart, spaceToDepth, splitParts, tile } from './parts.ts'
import { pool, reduce, softmax } from './pooling.ts'
import { quantise } from './quantisation.ts'
import { flatten, reshape } from './reshape.ts'

const named = (rule: Rule, ...ops: readonly string[]): [string, Rule][] => ops.map((op) => [op, rule])

export const RULES: ReadonlyMap<string, Rule> = new Map([
  ...named(elementwise, ...ELEMENTWISE),
  ...named(conv, 'Conv'),
  ...named(convTranspose, 'ConvTranspose'),
  ...named(gemm, 'Gemm'),
  ...named(matMul, 'MatMul'),
  ...named(batchNormalization, 'BatchNormalization'),
  ...named(instanceNormalization, 'InstanceNormalization'),
  ...named(groupNormalization, 'GroupNormalization'),
  ...named(layerNormalization, 'LayerNormalization'),
  ...named(pool, 'MaxPool', 'AveragePool', 'LpPool', 'GlobalMaxPool', 'GlobalAveragePool', 'GlobalLpPool'),
  ...named(reduce, 'ReduceMean', 'ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceL1', 'ReduceL2', 'ReduceProd'),
  ...named(reduce, 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceSumSquare'),
  ...named(softmax, 'Softmax', 'LogSoftmax'),
  ...named(transpose, 'Transpose'),
  ...named(squeeze, 'Squeeze', 'Unsqueeze'),
  ...named(concat, 'Concat'),
  ...named(reshape, 'Reshape'),
  ...named(flatten, 'Flatten'),
  ...named(slicePart, 'Slice'),
  ...named(splitParts, 'Split'),
  ...named(pad, 'Pad'),
  ...named(gather, 'Gather'),
  ...named(expand, 'Expand'),
  ...named(tile, 'Tile'),
  ...named(resize, 'Resize', 'Upsample'),
  ...named(depthToSpace, 'DepthToSpace'),
  ...named(spaceToDepth, 'SpaceToDepth'),
  ...named(quantise, 'QuantizeLinear', 'DequantizeLinear'),
])
