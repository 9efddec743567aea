/** For tests: the same operators as older and newer opsets write them, other types of weights, and nodes that nobody understands. */

import { toBfloat16, toFloat16 } from '../../sdk/core/index.ts'
import { float, type Model, makeGraph, makeNode, makeUntypedOutput } from '../../sdk/onnx/index.ts'
import type { Architecture } from './architectures.fixture.ts'
import type { Net } from './net.fixture.ts'

const PICTURE = [3, 8, 8]

/** Axes, bounds and sizes as attributes. */
const attributes = (net: Net): Model => {
  let x = net.convRelu(net.input, 3, 14)
  x = net.node('Slice', [x], { axes: [1], starts: [2], ends: [100] })
  const [left, right] = net.nodes_('Split', [x], { axis: 1, split: [7, 5] }, 2)
  const [a, b] = net.nodes_('Split', [net.convRelu(x, 12, 10)], { axis: 1 }, 2)
  x = net.node('Pad', [net.conv(net.concat([right, left, net.add(a, b)]), 17, 6)], {
    pads: [0, 1, 0, 0, 0, 2, 0, 0],
    mode: 'constant',
  })
  x = net.node(
    'Upsample',
    [
      net.relu(net.add(x, net.conv(left, 7, 9))),
      net.constant({ dtype: 'float32', shape: [4], data: Float32Array.of(1, 1, 2, 2) }),
    ],
    { mode: 'nearest' },
  )
  x = net.node('ReduceMean', [net.convRelu(x, 9, 8)], { axes: [2, 3], keepdims: 0 })
  x = net.node('Squeeze', [net.node('Unsqueeze', [x], { axes: [0, 3] })], { axes: [0, 3] })
  return net.model(net.node('Gemm', [x, net.weight([8, 6]), net.weight([1, 6])], { alpha: float(0.5) }))
}

/** GroupNormalization of opset 21, with parameters for each channel. */
const norms = (net: Net): Model => {
  let x = net.conv(net.input, 3, 24)
  x = net.node('GroupNormalization', [x, net.weight([24], 0.4, 1), net.weight([24])], { num_groups: 6 })
  x = net.node('Gelu', [net.conv(x, 24, 10)])
  const [left, right] = net.nodes_('Split', [x], { axis: 1, num_outputs: 2 }, 2)
  x = net.node('ReduceMax', [net.mul(left, net.node('Sigmoid', [right])), net.ints([-1, -2])], { keepdims: 0 })
  return net.model(net.linear(x, 5, 6))
}

/** Weights between integers and DequantizeLinear: a scale for each output, one zero point. */
const quantised = (net: Net): Model => {
  const scale = (values: number[]): string =>
    net.constant({ dtype: 'float32', shape: values.length > 1 ? [values.length] : [], data: Float32Array.from(values) })
  const bytes = (shape: number[], zero: number): string => {
    const count = shape.reduce((a, b) => a * b)
    return net.constant({
      dtype: 'uint8',
      shape,
      data: Uint8Array.from({ length: count }, (_, i) => (i * 37 + zero) % 256),
    })
  }
  const zeros = (values: number[]): string =>
    net.constant({ dtype: 'uint8', shape: [values.length], data: Uint8Array.from(values) })
  const zero = (value: number): string => net.constant({ dtype: 'uint8', shape: [], data: Uint8Array.of(value) })
  const through = (x: string): string => {
    const q = net.node('QuantizeLinear', [x, scale([1 / 64]), zero(128)])
    return net.node('DequantizeLinear', [q, scale([1 / 64]), zero(128)])
  }
  const ramp = (length: number): number[] => Array.from({ length }, (_, i) => (i + 3) / 3000)
  const bias = net.node(
    'DequantizeLinear',
    [
      net.constant({ dtype: 'int32', shape: [12], data: Int32Array.from({ length: 12 }, (_, i) => 10 * i - 60) }),
      scale(Array.from({ length: 12 }, () => 0.01)),
    ],
    { axis: 0 },
  )
  const w = net.node(
    'DequantizeLinear',
    [bytes([12, 3, 3, 3], 7), scale(ramp(12)), zeros(Array.from({ length: 12 }, (_, i) => 120 + i))],
    { axis: 0 },
  )
  let x = through(net.relu(net.node('Conv', [through(net.input), w, bias], { pads: [1, 1, 1, 1] })))
  const v = net.node(
    'DequantizeLinear',
    [bytes([10, 12, 1, 1], 3), scale(ramp(10)), zeros(Array.from({ length: 10 }, (_, i) => 115 + i))],
    { axis: -4 },
  )
  x = net.relu(net.node('Conv', [x, v]))
  const u = net.node('DequantizeLinear', [
    net.constant({
      dtype: 'int8',
      shape: [6, 10],
      data: Int8Array.from({ length: 60 }, (_, i) => ((i * 53) % 200) - 100),
    }),
    scale([1 / 200]),
  ])
  const pooled = net.node('Flatten', [net.node('GlobalAveragePool', [x])])
  return net.model(net.node('Gemm', [pooled, u], { transB: 1 }))
}

/** Weights stored narrower than they are used. */
const halves = (net: Net): Model => {
  const narrow = (dtype: 'float16' | 'bfloat16', shape: number[], toBits: (value: number) => number): string => {
    const count = shape.reduce((a, b) => a * b)
    const data = Uint16Array.from({ length: count }, (_, i) => toBits((((i * 29) % 41) - 20) / 60))
    return net.node('Cast', [net.constant({ dtype, shape, data })], { to: 1 })
  }
  let x = net.relu(net.node('Conv', [net.input, narrow('float16', [12, 3, 1, 1], toFloat16)]))
  x = net.relu(net.node('Conv', [x, narrow('bfloat16', [10, 12, 1, 1], toBfloat16)]))
  const wide = net.constant({
    dtype: 'float64',
    shape: [10, 6],
    data: Float64Array.from({ length: 60 }, (_, i) => ((i * 31) % 17) / 17),
  })
  const mean = net.node('Cast', [net.node('ReduceMean', [x], { axes: [2, 3], keepdims: 0 })], { to: 11 })
  return net.model(net.node('MatMul', [mean, wide]))
}

/** A loop over rows, a branch, a statistic of all channels: each stops what reaches it, and nothing else. */
const notUnderstood = (net: Net): Model => {
  const x = net.convRelu(net.input, 3, 8)
  const rows = net.node('ReduceMean', [net.conv(x, 8, 5)], { axes: [3], keepdims: 0 })
  const sequence = net.transpose(rows, [2, 0, 1])
  const state = net.nodes_(
    'GRU',
    [sequence, net.weight([1, 12, 5]), net.weight([1, 12, 4]), '', ''],
    { hidden_size: 4 },
    2,
  )[1]
  const branch = net.conv(x, 8, 4)
  const body = (op: string) =>
    makeGraph(op, { nodes: [makeNode(op, [branch], [`${op}_y`])], outputs: [makeUntypedOutput(`${op}_y`)] })
  const chosen = net.node('If', [net.constant({ dtype: 'bool', shape: [], data: Uint8Array.of(1) })], {
    then_branch: body('Relu'),
    else_branch: body('Neg'),
  })
  const ranked = net.nodes_('TopK', [net.conv(x, 8, 7), net.ints([3])], { axis: 1 }, 2)[0]
  const narrow = net.node('Einsum', [net.convRelu(x, 8, 6), net.weight([6, 2])], { equation: 'ncij,cd->ndij' })
  return net.model(net.head(net.relu(chosen), 4), net.head(ranked, 3), net.head(narrow, 2), state)
}

/** What is known, but not in this way. */
const stopped = (net: Net): Model => {
  const x = net.convRelu(net.input, 3, 8)
  const conv = (outputs: number): string => net.conv(x, 8, outputs, 1)
  const one = net.head(net.slice(conv(4), 1, 2, 3), 1)
  const stepped = net.node('Slice', [conv(5), net.ints([0]), net.ints([5]), net.ints([1]), net.ints([2])])
  const [first, rest] = net.nodes_('Split', [conv(6), net.ints([1, 5])], { axis: 1 }, 2)
  const mirrored = net.node('Pad', [conv(7), net.ints([0, 1, 0, 0, 0, 1, 0, 0])], { mode: 'reflect' })
  const lookedUp = net.node('Gather', [conv(9), net.ints([3], [])], { axis: 1 })
  const stretched = net.node(
    'Resize',
    [conv(10), '', net.constant({ dtype: 'float32', shape: [4], data: Float32Array.of(1, 2, 1, 1) })],
    { mode: 'nearest' },
  )
  const gram = (y: string, channels: number): string =>
    net.reshape(net.node('MatMul', [y, net.transpose(y, [0, 2, 1])]), [-1, channels ** 2, 1, 1])
  const kernel = net.node('Mul', [net.weight([5, 8, 1, 1]), net.scalar(2)])
  const left = net.node('MatMul', [net.weight([6, 11]), net.reshape(conv(11), [0, 11, 64])])
  const length = net.node('Cast', [net.size(conv(12), 1)], { to: 1 })
  const scaled = net.mul(net.node('Neg', [net.nodes[net.nodes.length - 5].output[0]]), length)
  return net.model(
    one,
    net.head(stepped, 3),
    net.head(net.mul(first, rest), 5),
    net.head(mirrored, 9),
    net.node('ReduceMean', [lookedUp], { axes: [1, 2] }),
    net.head(stretched, 20),
    net.head(gram(net.reshape(conv(3), [0, 3, 64]), 3), 9),
    net.head(net.node('Conv', [conv(8), kernel]), 5),
    net.node('ReduceMean', [left], { axes: [2] }),
    net.head(net.conv(scaled, 12, 5), 5),
    net.head(net.concat([net.input, conv(4)]), 7),
    net.node('Softmax', [net.head(conv(4), 4)], { axis: -1 }),
  )
}

/** Numbers that are computed from shapes, in the ways that there are. */
const computedSizes = (net: Net): Model => {
  const x = net.convRelu(net.input, 3, 12)
  const at = (value: string, from: number, to: number): string => net.slice(net.node('Shape', [value]), 0, from, to)
  const channels = net.node('Shape', [x], { start: -3, end: -2 })
  const half = net.node('Div', [channels, net.ints([2])])
  const first = net.node('Slice', [x, net.ints([0]), half, net.ints([1])])
  const last = net.node('Slice', [x, half, net.ints([-1]), net.ints([-3])])
  const sizes = net.node('Cast', [net.node('Cast', [half], { to: 6 })], { to: 7 })
  const [a, b] = net.nodes_('Split', [net.conv(x, 12, 12, 1), net.concat([sizes, half], 0)], { axis: 1 }, 2)
  const joined = net.concat([net.mul(first, a), net.node('Tanh', [b]), last])
  const flat = net.node('Reshape', [joined, net.concat([net.ints([-1]), net.ints([17 * 64])], 0)])
  const again = net.node('Reshape', [flat, net.concat([at(joined, -4, -3), at(joined, 1, 2), at(joined, -2, 100)], 0)])
  const windows = net.node('Reshape', [
    net.convRelu(again, 17, 10),
    net.concat([net.ints([-1]), net.ints([2, 5]), at(x, 2, 4)], 0),
  ])
  const y = net.node('Reshape', [
    net.mul(windows, net.weight([5, 1, 1])),
    net.node('Identity', [net.concat([at(x, 0, 1), net.ints([10, 8, 8])], 0)]),
  ])
  return net.model(net.head(y, 10))
}

/** Numbers of channels that are more than shapes: the channels that they count must stay. */
const counted = (net: Net): Model => {
  const x = net.convRelu(net.input, 3, 8)
  const [a, b, c] = [5, 6, 7].map((channels) => net.conv(x, 8, channels))
  const total = net.node('Cast', [net.node('Size', [a])], { to: 1 })
  const last = net.node('Gather', [net.node('Shape', [b]), net.ints([-3], [])])
  const ramp = net.node('Cast', [net.node('Range', [net.ints([0], []), last, net.ints([1], [])])], { to: 1 })
  const filled = net.node('ConstantOfShape', [net.node('Shape', [c])])
  // As many rows as channels: this axis cannot follow.
  const rows = net.node('Slice', [net.conv(x, 8, 4), net.ints([0]), net.size(net.conv(x, 8, 3), 1), net.ints([2])])
  const wide = net.node('Expand', [
    net.weight([1, 3, 1]),
    net.concat([net.ints([1, 3]), net.size(net.conv(x, 8, 9), 1)], 0),
  ])
  const tall = net.node('Resize', [
    net.conv(x, 8, 2),
    '',
    '',
    net.concat([net.size(x, 0), net.ints([2, 8]), net.size(net.conv(x, 8, 10), 1)], 0),
  ])
  const parts = net.nodes_(
    'Split',
    [net.input, net.concat([net.size(net.conv(x, 8, 6), 1), net.ints([2])], 0)],
    { axis: 2 },
    2,
  )
  return net.model(
    net.node('Mul', [total, net.node('ReduceMax', [ramp], { keepdims: 1 })]),
    net.head(net.add(c, filled), 7),
    net.head(rows, 4),
    net.head(tall, 2),
    wide,
    parts[0],
    net.head(x, 8),
  )
}

/** The ways in which rows of a picture become channels, parts of channels, samples. */
const reshapes = (net: Net): Model => {
  const rows = net.reshape(net.convRelu(net.input, 3, 12), [-1, 12, 64])
  const apart = net.reshape(rows, [-1, 1, 3, 4, 64])
  const gains = net.mul(apart, net.weight([1, 3, 1, 1], 0.5, 1))
  const together = net.node('Reshape', [gains, net.concat([net.size(rows, 0), net.ints([12]), net.size(rows, 2)], 0)])
  const picture = net.reshape(net.reshape(together, [0, 0, 8, 8]), [0, 0, -1])
  // Batch and channels are one axis for a while, told as a number that nobody can follow but as what is left.
  const samples = net.node('Mul', [net.size(rows, 0), net.ints([12])])
  const merged = net.node('Reshape', [picture, net.concat([samples, net.ints([64])], 0)])
  const again = net.node('Reshape', [merged, net.concat([samples, net.ints([8]), net.ints([8])], 0)])
  const parted = net.node('Reshape', [
    net.relu(again),
    net.concat([net.size(rows, 0), net.ints([12]), net.ints([8]), net.ints([8])], 0),
  ])
  const mean = net.node('GlobalAveragePool', [net.convRelu(parted, 12, 10)])
  const both = net.concat([mean, net.node('GlobalMaxPool', [net.convRelu(parted, 12, 6)])])
  const turned = net.node('Transpose', [net.node('Transpose', [net.node('Squeeze', [both, net.ints([2, 3])])])])
  const flat = net.node('Gemm', [turned, net.weight([16, 9]), net.weight([1])])
  return net.model(net.linear(net.node('Elu', [flat]), 9, 6))
}

/** Looked up by rows: a table of words, and their products. */
const words = (net: Net): Model => {
  const codes = net.node('Cast', [net.node('ArgMax', [net.input], { axis: 1, keepdims: 0 })], { to: 6 })
  const table = net.node('Gather', [net.weight([3, 12]), net.reshape(codes, [-1, 64])])
  const hidden = net.relu(net.linear(net.linear(table, 12, 10), 10, 14))
  // Two words a row, and then eight, as many times the channels: what is left for the rest is not known.
  const pairs = net.view(hidden, [net.size(hidden, 0), -1, 28])
  const rows = net.relu(net.linear(pairs, 28, 10))
  const wide = net.node('Mul', [net.ints([4]), net.size(rows, 2)])
  const stacked = net.linear(net.view(rows, [net.size(rows, 0), -1, wide]), 40, 5)
  const mean = net.node('ReduceMean', [hidden], { axes: [-2], keepdims: 0 })
  const total = net.node('ReduceSum', [mean, net.ints([])], { noop_with_empty_axes: 1 })
  return net.model(net.linear(total, 14, 6), stacked)
}

/** Softmax over all from an axis on, a squeeze of whatever has length 1, bounds of 32 bits. */
const opset11 = (net: Net): Model => {
  const x = net.convRelu(net.input, 3, 8)
  const int32 = (values: number[]): string =>
    net.constant({ dtype: 'int32', shape: [values.length], data: Int32Array.from(values) })
  const part = net.node('Slice', [net.conv(x, 8, 10), int32([2, 0]), int32([9, 8]), int32([1, 3])])
  const half = net.node(
    'Cast',
    [
      net.node('Div', [
        net.node('Unsqueeze', [net.node('Gather', [net.node('Shape', [x]), net.ints([1], [])])], { axes: [0] }),
        net.ints([2]),
      ]),
    ],
    { to: 6 },
  )
  const open = net.node('Slice', [x, int32([0]), half, int32([1])])
  const rows = net.node('Slice', [net.reshape(net.conv(x, 8, 3), [-1, 192]), net.ints([0, 1]), net.ints([1000, 1000])])
  const squeezed = net.node('Squeeze', [net.node('GlobalAveragePool', [net.conv(x, 8, 5)])])
  const all = net.node('ReduceMean', [net.conv(x, 8, 4)])
  return net.model(net.head(part, 7), net.head(open, 4), rows, squeezed, all, net.node('Softmax', [net.head(x, 8)]))
}

/** GroupNormalization with parameters for each group, or of one group; operators in forms that are not followed. */
const opset18 = (net: Net): Model => {
  const normal = (x: string, sets: number): string =>
    net.node('GroupNormalization', [x, net.weight([sets], 0.4, 1), net.weight([sets])], { num_groups: sets })
  const x = net.relu(normal(net.conv(net.input, 3, 12), 4))
  const whole = net.head(normal(net.conv(x, 12, 6), 1), 6)
  const [pooled, indices] = net.nodes_('MaxPool', [net.conv(x, 12, 5)], { kernel_shape: [2, 2], strides: [2, 2] }, 2)
  const unpooled = net.node('MaxUnpool', [pooled, indices], { kernel_shape: [2, 2], strides: [2, 2] })
  const padded = net.node('Pad', [net.convRelu(x, 12, 7), net.ints([1, 1, 2, 1]), '', net.ints([1, 2])])
  const cropped = net.node('Pad', [net.conv(x, 12, 8), net.ints([0, -1, 0, 0, 0, -1, 0, 0])])
  const mean = net.node('Flatten', [net.node('GlobalAveragePool', [net.conv(x, 12, 9)])])
  const turned = net.node('Gemm', [net.node('MatMul', [net.transpose(mean, [1, 0]), mean]), net.weight([9, 4])], {
    transA: 1,
  })
  const vector = net.node('MatMul', [
    net.node('Flatten', [net.node('GlobalAveragePool', [net.conv(x, 12, 10)])]),
    net.weight([10]),
  ])
  const kernel = net.node('Neg', [net.weight([12, 3, 2, 2])])
  const up = net.node('ConvTranspose', [net.conv(x, 12, 12), kernel], { kernel_shape: [2, 2], strides: [2, 2] })
  const [q, scale, zero] = net.nodes_('DynamicQuantizeLinear', [net.conv(x, 12, 11)], {}, 3)
  const scales = net.node('Unsqueeze', [scale, net.ints([0])])
  const dequantised = net.node('DequantizeLinear', [q, scales, net.node('Unsqueeze', [zero, net.ints([0])])])
  const one = net.node('QuantizeLinear', [
    net.convRelu(x, 12, 13),
    net.weight([1], 0, 0.02),
    net.constant({ dtype: 'uint8', shape: [1], data: Uint8Array.of(3) }),
  ])
  const outputs = [whole, unpooled, net.head(padded, 10), net.head(cropped, 6), up, dequantised, turned, vector]
  return net.model(...outputs, net.head(net.node('DequantizeLinear', [one, net.scalar(0.02)]), 13))
}

export const OPSETS: readonly Architecture[] = [
  { name: 'attributes of opset 9', shape: PICTURE, build: attributes, units: [7, 5, 5, 6, 3, 8], opset: 9 },
  { name: 'sizes that are computed', shape: PICTURE, build: computedSizes, units: [6, 5, 6, 5], frozen: ['Conv'] },
  {
    name: 'channels that are counted',
    shape: PICTURE,
    build: counted,
    units: [8, 4, 2],
    frozen: ['ConstantOfShape', 'Expand', 'Resize', 'Slice', 'Split'],
  },
  { name: 'reshapes', shape: PICTURE, build: reshapes, units: [4, 10, 6, 9] },
  { name: 'a table of words', shape: PICTURE, build: words, units: [10, 14], frozen: ['Reshape'], opset: 13 },
  {
    name: 'operators of opset 11',
    shape: PICTURE,
    build: opset11,
    units: [4, 4, 7],
    opset: 11,
    frozen: ['ReduceMean', 'Softmax', 'Squeeze'],
  },
  {
    name: 'operators of opset 18',
    shape: PICTURE,
    build: opset18,
    units: [4, 7, 13],
    opset: 18,
    frozen: ['ConvTranspose', 'DynamicQuantizeLinear', 'Gemm', 'GroupNormalization', 'MatMul', 'MaxPool', 'Pad'],
  },
  { name: 'operators of opset 21', shape: PICTURE, build: norms, units: [6, 5], opset: 21 },
  { name: 'quantised weights', shape: PICTURE, build: quantised, units: [12, 10] },
  { name: 'narrow and wide weights', shape: PICTURE, build: halves, units: [12, 10] },
  {
    name: 'operators that are not understood',
    shape: PICTURE,
    build: notUnderstood,
    units: [8],
    frozen: ['Einsum', 'GRU', 'If', 'TopK'],
  },
  {
    name: 'channels that cannot go',
    shape: PICTURE,
    build: stopped,
    units: [8, 5, 5, 4, 4],
    frozen: ['Conv', 'Gather', 'MatMul', 'Mul', 'Pad', 'Reshape', 'Resize', 'Slice', 'Softmax', 'Split'],
  },
]
