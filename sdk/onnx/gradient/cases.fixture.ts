/** For tests: one small graph or more for each operator that can be differentiated. */

import type { DType } from '../../core/index.ts'
import { type AttributeValue, float, makeGraph, makeModel, makeNode, makeTensor, makeValue } from '../build.ts'
import type { Model } from '../model.ts'
import { create, type NodeProto } from '../proto.ts'
import { randomTensor } from '../sample-models.ts'
import { type Feeds, spacedTensor } from './finite-differences.fixture.ts'

export interface Case {
  readonly op: string
  readonly title: string
  readonly model: Model
  readonly feeds: Feeds
  readonly step: number
}

type Weights = Readonly<Record<string, readonly number[] | bigint[] | number>>

interface Options {
  /** The shape of the input `x`. */
  readonly x?: readonly number[]
  /** The interval that its elements are spread over. */
  readonly domain?: readonly [number, number]
  /** Constants: a shape of random float32 numbers; a list of int64; or one float32 number. */
  readonly weights?: Weights
  readonly attributes?: Readonly<Record<string, AttributeValue>>
  readonly inputs?: readonly string[]
  readonly outputs?: readonly string[]
  /** Nodes instead of one of the operator. */
  readonly nodes?: readonly NodeProto[]
  readonly opset?: number
  readonly dtype?: 'float32' | 'float64'
  readonly step?: number
}

const untyped = (name: string, elemType: number) =>
  create('ValueInfoProto', {
    name,
    type: create('TypeProto', { tensorType: create('TypeProto.Tensor', { elemType }) }),
  })

/** A model of one input `x` and one output `y`. */
export function smallModel({
  x = [2, 3, 4],
  weights = {},
  nodes = [],
  opset = 17,
  dtype = 'float32',
}: Options & { readonly dtype?: DType }): Model {
  const initializers = Object.entries(weights).map(([name, value], i) => {
    if (typeof value === 'number') {
      return makeTensor(name, { dtype: 'float32', shape: [], data: Float32Array.of(value) })
    }
    if (typeof value[0] === 'bigint') {
      return makeTensor(name, { dtype: 'int64', shape: [value.length], data: BigInt64Array.from(value as bigint[]) })
    }
    return makeTensor(name, randomTensor(value as number[], 100 + i))
  })
  return makeModel(
    makeGraph('case', {
      nodes,
      inputs: [makeValue('x', dtype, x)],
      outputs: [untyped('y', dtype === 'float64' ? 11 : 1)],
      initializers,
    }),
    { opsets: { '': opset } },
  )
}

function single(op: string, title: string, options: Options = {}): Case {
  const { x = [2, 3, 4], weights = {}, domain = [-2, 2], attributes, step = 0.02, dtype } = options
  const inputs = options.inputs ?? ['x', ...Object.keys(weights)]
  const nodes = options.nodes ?? [makeNode(op, inputs, options.outputs ?? ['y'], attributes)]
  return {
    op,
    title: `${op}${title && `, ${title}`}`,
    model: smallModel({ ...options, nodes }),
    feeds: { x: spacedTensor(x, ...domain, dtype) },
    step,
  }
}

const small = (op: string, domain: readonly [number, number], options: Options = {}): Case =>
  single(op, options.attributes ? Object.keys(options.attributes).join(', ') : '', { step: 0.005, ...options, domain })

const activation = (op: string, attributes?: Readonly<Record<string, AttributeValue>>): Case =>
  single(op, Object.keys(attributes ?? {}).join(', '), { attributes, domain: [-3.7, 3.7] })

const elementwise: Case[] = [
  ...['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'Sum', 'Mean'].flatMap((op) => [
    single(op, 'constant', { weights: { w: [3, 1] } }),
    single(op, 'x broadcast to more axes and along one', { x: [3, 1], domain: [0.5, 3], weights: { w: [2, 3, 4] } }),
    single(op, 'x second', { weights: { w: [2, 3, 4] }, inputs: ['w', 'x'], domain: [0.5, 3] }),
    single(op, 'both from x, one reduced', {
      nodes: [
        makeNode('ReduceMean', ['x'], ['mean'], { axes: [0, 2] }),
        makeNode('Exp', ['mean'], ['positive']),
        makeNode(op, ['x', 'positive'], ['y']),
      ],
    }),
  ]),
  single('Sum', 'three', { weights: { w: [4], v: [3, 1] } }),
  single('Mul', 'by itself', { inputs: ['x', 'x'] }),
  single('Pow', 'squared', { weights: { w: 2 } }),
  single('Pow', 'a half', { weights: { w: 0.5 }, domain: [0.5, 3] }),
  single('Pow', 'of an integer', { weights: { w: [3n] } }),
  single('Pow', 'x as exponent', {
    weights: { w: 1.7 },
    inputs: ['w', 'x'],
  }),
  single('Where', '', {
    weights: { zero: 0, w: [4] },
    nodes: [makeNode('Greater', ['w', 'zero'], ['c']), makeNode('Where', ['c', 'x', 'w'], ['y'])],
  }),
  single('Where', 'both, and a condition that broadcasts', {
    x: [3, 1],
    weights: { zero: 0, w: [2, 3, 4] },
    nodes: [
      makeNode('Greater', ['w', 'zero'], ['c']),
      makeNode('Exp', ['x'], ['e']),
      makeNode('Where', ['c', 'x', 'e'], ['y']),
    ],
  }),
  single('Identity', ''),
  single('Dropout', ''),
  single('Dropout', 'of opset 9', { opset: 9, attributes: { ratio: float(0.5) } }),
  single('Cast', 'to double and back', {
    nodes: [
      makeNode('Cast', ['x'], ['d'], { to: 11 }),
      makeNode('Mul', ['d', 'd'], ['q']),
      makeNode('Cast', ['q'], ['y'], { to: 1 }),
    ],
  }),
  ...['Neg', 'Abs', 'Exp', 'Sin', 'Cos', 'Sinh', 'Cosh', 'Atan', 'Asinh'].map((op) => single(op, '')),
  ...['Sqrt', 'Log', 'Reciprocal'].map((op) => small(op, [0.5, 3])),
  small('Acosh', [1.5, 3]),
  ...['Atanh', 'Asin', 'Acos'].map((op) => small(op, [-0.7, 0.7])),
]

const activations: Case[] = [
  activation('Relu'),
  activation('LeakyRelu'),
  activation('LeakyRelu', { alpha: float(0.3) }),
  single('PRelu', '', { weights: { slope: [3, 1] } }),
  activation('ThresholdedRelu', { alpha: float(0.52) }),
  activation('Elu'),
  activation('Elu', { alpha: float(0.7) }),
  activation('Celu', { alpha: float(0.7) }),
  activation('Selu'),
  ...['Sigmoid', 'Tanh', 'Erf', 'Softplus', 'Softsign', 'HardSigmoid', 'HardSwish', 'Softmax', 'LogSoftmax'].map((op) =>
    activation(op),
  ),
  activation('HardSigmoid', { alpha: float(0.31), beta: float(0.4) }),
  single('Gelu', '', { opset: 20 }),
  single('Mish', '', { opset: 18 }),
  single('Gelu', 'tanh', { opset: 20, attributes: { approximate: 'tanh' } }),
  single('Clip', '', { weights: { low: -1, high: 0.83 } }),
  single('Clip', 'above alone', { weights: { high: 0.83 }, inputs: ['x', '', 'high'] }),
  single('Clip', 'of opset 9', { opset: 9, attributes: { min: float(-1), max: float(0.83) } }),
  single('Softmax', 'axis 1', { attributes: { axis: 1 } }),
  single('Softmax', 'of opset 9, over two axes', { opset: 9, attributes: { axis: 1 } }),
  single('LogSoftmax', 'axis 0', { attributes: { axis: 0 } }),
]

const linear: Case[] = [
  single('MatMul', 'constant matrix', { weights: { w: [4, 5] } }),
  single('MatMul', 'constant matrix first', { weights: { w: [5, 3] }, inputs: ['w', 'x'] }),
  single('MatMul', 'constant stack', { x: [3, 4], weights: { w: [2, 4, 5] } }),
  single('MatMul', 'constant vector', { weights: { w: [4] } }),
  single('MatMul', 'constant vector first', { weights: { w: [3] }, inputs: ['w', 'x'] }),
  single('MatMul', 'x by its transpose', {
    nodes: [makeNode('Transpose', ['x'], ['t'], { perm: [0, 2, 1] }), makeNode('MatMul', ['x', 't'], ['y'])],
  }),
  single('MatMul', 'a stack by one matrix, both from x', {
    nodes: [
      makeNode('ReduceSum', ['x'], ['m'], { keepdims: 0 }),
      makeNode('ReduceMean', ['x'], ['mean'], { axes: [0], keepdims: 0 }),
      makeNode('Transpose', ['mean'], ['t'], {}),
      makeNode('MatMul', ['x', 't'], ['p']),
      makeNode('Mul', ['p', 'm'], ['y']),
    ],
  }),
  ...[0, 1].flatMap((transA) =>
    [0, 1].flatMap((transB) => [
      single('Gemm', `x first, transA ${transA}, transB ${transB}`, {
        x: transA ? [4, 3] : [3, 4],
        weights: { w: transB ? [5, 4] : [4, 5], c: [5] },
        attributes: { transA, transB, alpha: float(0.7), beta: float(1.3) },
      }),
      single('Gemm', `x second, transA ${transA}, transB ${transB}`, {
        x: transB ? [5, 4] : [4, 5],
        weights: { w: transA ? [4, 3] : [3, 4] },
        inputs: ['w', 'x'],
        attributes: { transA, transB, alpha: float(0.7) },
      }),
    ]),
  ),
  single('Gemm', 'x as offset', {
    x: [5],
    weights: { a: [3, 4], b: [4, 5] },
    inputs: ['a', 'b', 'x'],
    attributes: { beta: float(1.3) },
  }),
]

const conv = (title: string, x: number[], w: number[], attributes = {}, b = false): Case =>
  single('Conv', title, { x, weights: b ? { w, b: [w[0]] } : { w }, attributes })

const convolutions: Case[] = [
  conv('plain', [2, 2, 5, 4], [3, 2, 3, 3], {}, true),
  conv('padded', [1, 2, 5, 4], [3, 2, 3, 3], { pads: [1, 0, 1, 2] }),
  conv('padded more than the kernel spans', [1, 1, 3, 3], [2, 1, 2, 2], { pads: [2, 1, 3, 1] }),
  conv('stride 2, even size', [1, 2, 6, 5], [3, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }),
  conv('stride 2, odd size', [1, 2, 7, 4], [3, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }),
  conv('stride 3, kernel 1', [1, 2, 7, 6], [3, 2, 1, 1], { strides: [3, 3] }),
  conv('stride 3 by 2, dilated, grouped', [1, 4, 9, 8], [6, 2, 2, 3], {
    strides: [3, 2],
    dilations: [2, 2],
    group: 2,
    pads: [0, 1, 2, 1],
  }),
  conv('dilated', [1, 2, 6, 7], [3, 2, 3, 2], { dilations: [2, 3], pads: [2, 1, 2, 1] }),
  conv('depthwise', [1, 3, 4, 4], [3, 1, 3, 3], { group: 3, pads: [1, 1, 1, 1] }),
  conv('depthwise, stride 2', [1, 3, 5, 4], [3, 1, 3, 3], { group: 3, strides: [2, 2], pads: [0, 0, 1, 1] }),
  conv('grouped', [1, 4, 4, 3], [6, 2, 3, 3], { group: 2, pads: [1, 1, 1, 1] }),
  conv('auto_pad SAME_UPPER, stride 2', [1, 2, 6, 5], [2, 2, 3, 2], { strides: [2, 2], auto_pad: 'SAME_UPPER' }),
  conv('auto_pad SAME_LOWER', [1, 2, 5, 4], [2, 2, 2, 4], { auto_pad: 'SAME_LOWER' }),
  conv('auto_pad VALID', [1, 2, 5, 4], [2, 2, 3, 3], { auto_pad: 'VALID', strides: [2, 1] }),
  conv('one axis', [2, 2, 9], [3, 2, 3], { strides: [2], pads: [1, 1] }),
  conv('three axes', [1, 1, 3, 4, 4], [2, 1, 2, 2, 2], { pads: [0, 1, 0, 1, 0, 1] }),
  single('ConvTranspose', '', { x: [1, 2, 4, 3], weights: { w: [2, 3, 3, 3] } }),
  single('ConvTranspose', 'stride, pads, output_padding, groups', {
    x: [1, 4, 4, 3],
    weights: { w: [4, 2, 3, 2] },
    attributes: { strides: [2, 3], pads: [1, 0, 1, 1], output_padding: [1, 2], group: 2 },
  }),
]

const pool = (op: string, title: string, x: number[], attributes: Record<string, AttributeValue>, opset = 17): Case =>
  single(op, title, { x, attributes, opset })

const pooling: Case[] = [
  ...['AveragePool', 'MaxPool'].flatMap((op) => [
    pool(op, 'plain', [2, 2, 4, 4], { kernel_shape: [2, 2], strides: [2, 2] }),
    pool(op, 'overlapping', [1, 2, 6, 5], { kernel_shape: [3, 3], strides: [1, 2] }),
    pool(op, 'padded', [1, 2, 5, 6], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
    pool(op, 'ceil_mode', [1, 2, 6, 5], { kernel_shape: [3, 2], strides: [2, 2], ceil_mode: 1 }),
    pool(op, 'SAME_UPPER', [1, 2, 6, 5], { kernel_shape: [3, 2], strides: [2, 2], auto_pad: 'SAME_UPPER' }),
    pool(op, 'one axis', [2, 2, 9], { kernel_shape: [3], strides: [2] }),
    pool(op, 'three axes', [1, 1, 4, 4, 3], { kernel_shape: [2, 2, 2] }),
  ]),
  pool('MaxPool', 'dilated', [1, 1, 6, 6], { kernel_shape: [2, 2], dilations: [2, 3] }),
  pool('AveragePool', 'padding counted', [1, 2, 5, 6], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    count_include_pad: 1,
  }),
  pool('AveragePool', 'dilated', [1, 1, 6, 6], { kernel_shape: [2, 2], dilations: [2, 3] }, 19),
  single('GlobalAveragePool', '', { x: [2, 3, 3, 2] }),
  single('GlobalMaxPool', '', { x: [2, 3, 3, 2] }),
]

const affine = { scale: [3], bias: [3] }

const normalisation: Case[] = [
  single('BatchNormalization', '', {
    x: [2, 3, 2, 2],
    weights: { ...affine, mean: [3], v: [3] },
    nodes: [
      makeNode('Mul', ['v', 'v'], ['variance']),
      makeNode('BatchNormalization', ['x', 'scale', 'bias', 'mean', 'variance'], ['y'], { epsilon: float(0.1) }),
    ],
  }),
  single('BatchNormalization', 'of features', {
    x: [4, 3],
    opset: 9,
    weights: { ...affine, mean: [3], v: [3] },
    nodes: [
      makeNode('Mul', ['v', 'v'], ['variance']),
      makeNode('BatchNormalization', ['x', 'scale', 'bias', 'mean', 'variance'], ['y'], { epsilon: float(0.1) }),
    ],
  }),
  single('LayerNormalization', '', { weights: { scale: [4], bias: [4] } }),
  single('LayerNormalization', 'over two axes', { weights: { scale: [3, 4] }, attributes: { axis: 1 } }),
  single('InstanceNormalization', '', { x: [2, 3, 2, 3], weights: affine }),
]

const shape: Case[] = [
  single('Reshape', '', { weights: { shape: [4n, -1n] } }),
  single('Flatten', ''),
  single('Squeeze', '', { x: [2, 1, 3], weights: { axes: [1n] } }),
  single('Squeeze', 'of opset 9', { opset: 9, x: [2, 1, 3], attributes: { axes: [1] } }),
  single('Unsqueeze', '', { weights: { axes: [1n, -1n] } }),
  single('Unsqueeze', 'of opset 9', { opset: 9, attributes: { axes: [0] } }),
  single('Expand', '', { x: [3, 1], weights: { shape: [2n, 3n, 4n] } }),
  single('Transpose', '', { attributes: { perm: [2, 0, 1] } }),
  single('Transpose', 'without perm', {}),
  single('Concat', '', {
    nodes: [makeNode('Exp', ['x'], ['e']), makeNode('Concat', ['x', 'w', 'e'], ['y'], { axis: -2 })],
    weights: { w: [2, 2, 4] },
  }),
  single('Split', 'one part unused', {
    nodes: [makeNode('Split', ['x', 'sizes'], ['a', 'b', 'c'], { axis: 2 }), makeNode('Mul', ['a', 'c'], ['y'])],
    weights: { sizes: [1n, 2n, 1n] },
  }),
  single('Split', 'of opset 11', {
    opset: 11,
    nodes: [makeNode('Split', ['x'], ['a', 'b'], { axis: 2, split: [2, 2] }), makeNode('Mul', ['a', 'b'], ['y'])],
  }),
]

const indexing: Case[] = [
  single('Slice', 'steps', { x: [5, 6], weights: { s: [1n, -1n], e: [5n, -7n], a: [0n, 1n], t: [2n, -2n] } }),
  single('Slice', 'of opset 9', { opset: 9, attributes: { axes: [1], starts: [1], ends: [-1] } }),
  single('Slice', 'of opset 9, to the end', {
    opset: 9,
    attributes: { axes: [1], starts: [1], ends: [2n ** 63n - 1n] },
  }),
  single('Gather', 'with repeats', { weights: { i: [2n, 0n, 2n] }, attributes: { axis: 1 } }),
  single('GatherElements', '', {
    x: [3, 4],
    weights: { i: [1n, 1n, 0n, 2n], shape: [1n, 4n] },
    nodes: [makeNode('Reshape', ['i', 'shape'], ['at']), makeNode('GatherElements', ['x', 'at'], ['y'])],
  }),
  single('GatherND', '', {
    weights: { i: [1n, 2n, 0n, 2n], shape: [2n, 2n] },
    nodes: [makeNode('Reshape', ['i', 'shape'], ['at']), makeNode('GatherND', ['x', 'at'], ['y'])],
  }),
  single('Tile', '', { weights: { r: [2n, 1n, 3n] } }),
  single('TopK', '', { weights: { k: [2n] }, outputs: ['y', 'at'] }),
  single('TopK', 'smallest along axis 1', {
    weights: { k: [2n] },
    outputs: ['y', 'at'],
    attributes: { axis: 1, largest: 0 },
  }),
  single('Pad', '', { x: [3, 4], weights: { pads: [1n, 0n, 2n, 3n], v: 0.5 } }),
  single('Pad', 'reflect', { x: [3, 4], weights: { pads: [1n, 2n, 2n, 3n] }, attributes: { mode: 'reflect' } }),
  single('Pad', 'edge', { x: [3, 4], weights: { pads: [1n, 2n, 2n, 0n] }, attributes: { mode: 'edge' } }),
  single('Pad', 'of opset 9', { opset: 9, x: [3, 4], attributes: { pads: [1, 0, 2, 3] } }),
  single('Pad', 'axes of opset 18', {
    opset: 18,
    x: [3, 4],
    weights: { pads: [2n, 1n], a: [1n] },
    inputs: ['x', 'pads', '', 'a'],
  }),
  single('Resize', 'twice as large', {
    x: [1, 2, 3, 2],
    weights: { sizes: [1n, 2n, 6n, 4n] },
    inputs: ['x', '', '', 'sizes'],
  }),
  single('Resize', 'of opset 10', {
    x: [1, 2, 3, 2],
    opset: 10,
    nodes: [
      makeNode('Constant', [], ['scales'], {
        value: makeTensor('', { dtype: 'float32', shape: [4], data: Float32Array.of(1, 1, 2, 3) }),
      }),
      makeNode('Resize', ['x', 'scales'], ['y']),
    ],
  }),
]

const reduce = (op: string): Case[] => [
  single(op, 'kept', { attributes: { axes: [1, 2] }, domain: [0.5, 2], step: 0.005 }),
  single(op, 'reduced away', { attributes: { axes: [0, -1], keepdims: 0 }, domain: [0.5, 2], step: 0.005 }),
  single(op, 'all', { attributes: { keepdims: 0 }, domain: [0.5, 2], step: 0.005 }),
  single(op, 'axes of opset 18', {
    weights: { axes: [1n] },
    attributes: { keepdims: 0 },
    opset: 18,
    domain: [0.5, 2],
    step: 0.005,
  }),
]

const reductions: Case[] = [
  ...['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceL1', 'ReduceL2'].flatMap(reduce),
  ...['ReduceSumSquare', 'ReduceLogSum', 'ReduceLogSumExp'].flatMap(reduce),
  single('ReduceSum', 'kept', { weights: { axes: [0n] } }),
  single('ReduceSum', 'all', {}),
  single('ReduceSum', 'of opset 9', { opset: 9, attributes: { axes: [1], keepdims: 0 } }),
  single('CumSum', '', { weights: { a: [1n] }, attributes: { exclusive: 1 } }),
  single('CumSum', 'reverse', { weights: { a: [1n] }, attributes: { reverse: 1 } }),
]

export const CASES: readonly Case[] = [
  ...elementwise,
  ...activations,
  ...linear,
  ...convolutions,
  ...pooling,
  ...normalisation,
  ...shape,
  ...indexing,
  ...reductions,
]
