/** For tests: the patterns that architectures are known for, small. */

import { float, type Model } from '../../sdk/onnx/index.ts'
import type { Net } from './net.fixture.ts'

export interface Architecture {
  readonly name: string
  /** Of a sample. */
  readonly shape: readonly number[]
  readonly build: (net: Net) => Model
  readonly opset?: number
  /** Units of each group, in the order of the graph. */
  readonly units: readonly number[]
  /** Which groups are residual branches that can go as a whole. */
  readonly branches?: readonly number[]
  /** Operators that freeze channels; outputs aside. */
  readonly frozen?: readonly string[]
}

const PICTURE = [3, 8, 8]

const chain = (net: Net): Model => {
  let x = net.maxPool(net.relu(net.batchNorm(net.conv(net.input, 3, 12, 3, { bias: false }), 12)))
  x = net.node('PRelu', [net.conv(x, 12, 16), net.weight([16, 1, 1])])
  x = net.node('Clip', [x, '', net.scalar(1)])
  x = net.node('Flatten', [net.node('AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2] })])
  x = net.relu(net.node('Gemm', [x, net.weight([64, 10], 0.2), net.weight([10])]))
  return net.model(net.linear(x, 10, 6))
}

const residual = (net: Net): Model => {
  let x = net.convRelu(net.input, 3, 8)
  x = net.relu(net.add(x, net.conv(net.convRelu(x, 8, 12), 12, 8)))
  const shortcut = net.node('Pad', [net.slice(x, 1, 0, 8), net.ints([0, 4, 0, 0, 0, 4, 0, 0])])
  x = net.relu(net.add(shortcut, net.conv(net.convRelu(x, 8, 10), 10, 16)))
  return net.model(net.head(x, 16))
}

const bottlenecks = (net: Net): Model => {
  let x = net.convRelu(net.input, 3, 8)
  for (let block = 0; block < 2; block++) {
    const narrow = net.convRelu(net.convRelu(x, 8, 5, 1), 5, 6)
    x = net.relu(net.add(net.conv(narrow, 6, 8, 1), x))
  }
  return net.model(net.head(x, 8))
}

const denseNet = (net: Net): Model => {
  let x = net.conv(net.input, 3, 8)
  let channels = 8
  for (let layer = 0; layer < 3; layer++) {
    const narrow = net.conv(net.relu(net.batchNorm(x, channels)), channels, 12, 1, { bias: false })
    x = net.concat([x, net.conv(net.relu(net.batchNorm(narrow, 12)), 12, 6)])
    channels += 6
  }
  x = net.conv(net.relu(net.batchNorm(x, channels)), channels, 14, 1)
  return net.model(net.head(net.node('AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2] }), 14))
}

const shuffle = (net: Net, x: string, channels: number, groups: number, size: number): string => {
  const blocks = net.reshape(x, [-1, groups, channels / groups, size, size])
  return net.reshape(net.transpose(blocks, [0, 2, 1, 3, 4]), [-1, channels, size, size])
}

const shuffleNet2 = (net: Net): Model => {
  let x = net.convRelu(net.input, 3, 16)
  for (let block = 0; block < 2; block++) {
    const [left, right] = net.nodes_('Split', [x], { axis: 1 }, 2)
    const deep = net.conv(net.convRelu(right, 8, 8, 1), 8, 8, 3, { group: 8 })
    x = shuffle(net, net.concat([left, net.convRelu(deep, 8, 8, 1)]), 16, 2, 8)
  }
  return net.model(net.head(net.convRelu(x, 16, 20, 1), 20))
}

const shuffleNet1 = (net: Net): Model => {
  const x = net.convRelu(net.input, 3, 24)
  let y = net.convRelu(x, 24, 24, 1, { group: 3 })
  y = net.conv(shuffle(net, y, 24, 3, 8), 24, 24, 3, { group: 24 })
  return net.model(net.head(net.relu(net.add(x, net.conv(y, 24, 24, 1, { group: 3 }))), 24))
}

const inception = (net: Net): Model => {
  const x = net.convRelu(net.input, 3, 10)
  const branches = [
    net.convRelu(x, 10, 6, 1),
    net.convRelu(net.convRelu(x, 10, 8, 1), 8, 12),
    net.convRelu(net.convRelu(net.convRelu(x, 10, 4, 1), 4, 6), 6, 8),
    net.convRelu(net.maxPool(x, 3, 1), 10, 4, 1),
  ]
  return net.model(net.head(net.convRelu(net.concat(branches), 30, 16), 16))
}

const uNet = (net: Net): Model => {
  const high = net.convRelu(net.input, 3, 8)
  const middle = net.convRelu(net.maxPool(high), 8, 12)
  const low = net.convRelu(net.maxPool(middle), 12, 16)
  const up = net.node('ConvTranspose', [low, net.weight([16, 12, 2, 2]), net.weight([12])], {
    strides: [2, 2],
    kernel_shape: [2, 2],
  })
  const joined = net.convRelu(net.concat([up, middle]), 24, 10)
  const larger = net.node(
    'Resize',
    [joined, '', net.constant({ dtype: 'float32', shape: [4], data: Float32Array.of(1, 1, 2, 2) })],
    {
      mode: 'nearest',
      nearest_mode: 'floor',
      coordinate_transformation_mode: 'asymmetric',
    },
  )
  return net.model(net.conv(net.convRelu(net.concat([larger, high]), 18, 8), 8, 2, 1))
}

const silu = (net: Net, x: string): string => net.mul(x, net.node('Sigmoid', [x]))

/** Cross-stage partial blocks, pooled pyramids, a head whose boxes are reshaped out. */
const yolo = (net: Net): Model => {
  const stem = silu(net, net.conv(net.input, 3, 8))
  const whole = silu(net, net.conv(stem, 8, 16, 1))
  const [left, right] = net.nodes_('Split', [whole, net.ints([8, 8])], { axis: 1 }, 2)
  const deep = net.add(right, silu(net, net.conv(silu(net, net.conv(right, 8, 8)), 8, 8)))
  const joined = silu(net, net.conv(net.concat([left, right, deep]), 24, 16, 1))
  const narrow = silu(net, net.conv(net.maxPool(joined), 16, 8, 1))
  const [once, twice] = [net.maxPool(narrow, 5, 1), net.maxPool(net.maxPool(narrow, 5, 1), 5, 1)]
  const pyramid = silu(net, net.conv(net.concat([narrow, once, twice]), 24, 16, 1))
  const sizes = net.concat(
    [net.node('Slice', [net.node('Shape', [joined]), net.ints([0]), net.ints([4]), net.ints([0])])],
    0,
  )
  const up = net.node('Resize', [pyramid, '', '', sizes], { mode: 'nearest' })
  const fused = silu(net, net.conv(net.concat([up, joined]), 32, 12))
  const boxes = net.reshape(net.conv(fused, 12, 14, 1), [-1, 2, 7, 64])
  return net.model(net.transpose(boxes, [0, 1, 3, 2]))
}

/** softmax(q kᵀ / √d) v, of [n, heads, tokens, size]. */
function attention(net: Net, q: string, k: string, v: string, size: number): string {
  const scores = net.node('MatMul', [net.node('Div', [q, net.scalar(Math.sqrt(size))]), net.transpose(k, [0, 1, 3, 2])])
  return net.node('MatMul', [net.node('Softmax', [scores], { axis: -1 }), v])
}

/** Tokens of width 24, from patches. */
function tokens(net: Net): string {
  const patches = net.node('Conv', [net.input, net.weight([24, 3, 2, 2]), net.weight([24])], {
    kernel_shape: [2, 2],
    strides: [2, 2],
  })
  const sequence = net.transpose(net.reshape(patches, [0, 24, -1]), [0, 2, 1])
  const first = net.node('Expand', [
    net.weight([1, 1, 24]),
    net.concat([net.size(sequence, 0), net.ints([1]), net.ints([24])], 0),
  ])
  return net.add(net.concat([first, sequence], 1), net.weight([1, 17, 24]))
}

function mlp(net: Net, x: string): string {
  const wide = net.linear(x, 24, 32)
  const erf = net.add(net.node('Erf', [net.node('Div', [wide, net.scalar(Math.SQRT2)])]), net.scalar(1))
  return net.linear(net.mul(net.mul(wide, erf), net.scalar(0.5)), 32, 24)
}

const classify = (net: Net, x: string): Model =>
  net.model(net.linear(net.node('Gather', [net.layerNorm(x, 24), net.ints([0], [])], { axis: 1 }), 24, 6))

/** One product for q, k and v; [n, 17, 3, heads, size], as timm writes it. */
const fusedViT = (net: Net): Model => {
  let x = tokens(net)
  for (let block = 0; block < 2; block++) {
    const normal = net.layerNorm(x, 24)
    const qkv = net.transpose(net.view(net.linear(normal, 24, 72), [net.size(normal, 0), 17, 3, 4, 6]), [2, 0, 3, 1, 4])
    const [q, k, v] = [0, 1, 2].map((part) => net.node('Gather', [qkv, net.ints([part], [])], { axis: 0 }))
    const heads = net.transpose(attention(net, q, k, v, 6), [0, 2, 1, 3])
    x = net.add(x, net.linear(net.view(heads, [net.size(normal, 0), 17, 24]), 24, 24))
    x = net.add(x, mlp(net, net.layerNorm(x, 24)))
  }
  return classify(net, x)
}

/** As `fusedViT`, but with the parts split off before the heads are. */
const splitViT = (net: Net): Model => {
  let x = tokens(net)
  const normal = net.layerNorm(x, 24)
  const parts = net.nodes_('Split', [net.linear(normal, 24, 72), net.ints([24, 24, 24])], { axis: -1 }, 3)
  const [q, k, v] = parts.map((part) => net.transpose(net.reshape(part, [0, 0, 4, 6]), [0, 2, 1, 3]))
  const heads = net.transpose(attention(net, q, k, v, 6), [0, 2, 1, 3])
  x = net.add(x, net.linear(net.reshape(heads, [0, 0, -1]), 24, 24))
  return classify(net, net.add(x, mlp(net, net.layerNorm(x, 24))))
}

/** Separate q, k and v; heads counted from the length of the axis, as scripted exports do. */
const separateViT = (net: Net): Model => {
  let x = tokens(net)
  const normal = net.layerNorm(x, 24)
  const [q, k, v] = [0, 1, 2].map(() => {
    const y = net.linear(normal, 24, 24)
    const size = net.node('Div', [net.size(y, 2), net.ints([4])])
    return net.transpose(net.view(y, [net.size(y, 0), net.size(y, 1), 4, size]), [0, 2, 1, 3])
  })
  const heads = net.transpose(attention(net, q, k, v, 6), [0, 2, 1, 3])
  const joined = net.node('Mul', [net.size(heads, 2), net.size(heads, 3)])
  x = net.add(x, net.linear(net.view(heads, [net.size(heads, 0), net.size(heads, 1), joined]), 24, 24))
  return classify(net, net.add(x, mlp(net, net.layerNorm(x, 24))))
}

/** Heads among the samples, [n·heads, tokens, size], as torch.nn.MultiheadAttention has them. */
const batchedHeads = (net: Net): Model => {
  const x = tokens(net)
  const normal = net.transpose(net.layerNorm(x, 24), [1, 0, 2])
  const batch = net.node('Mul', [net.size(normal, 1), net.ints([4])])
  const [q, k, v] = [0, 1, 2].map(() =>
    net.transpose(net.view(net.linear(normal, 24, 24), [net.size(normal, 0), batch, 6]), [1, 0, 2]),
  )
  const scores = net.node('Softmax', [net.node('MatMul', [q, net.transpose(k, [0, 2, 1])])], { axis: -1 })
  const heads = net.transpose(net.node('MatMul', [scores, v]), [1, 0, 2])
  const joined = net.view(heads, [net.size(normal, 0), net.size(normal, 1), 24])
  return classify(net, net.add(x, net.transpose(net.linear(joined, 24, 24), [1, 0, 2])))
}

/** Windows of 2 × 2 tokens, shifted by one, with a bias for each head and pair of positions. */
const swin = (net: Net): Model => {
  const x = net.transpose(net.conv(net.input, 3, 24), [0, 2, 3, 1])
  const rolled = (y: string, by: number): string => {
    const rows = net.concat([net.slice(y, 1, by, 8), net.slice(y, 1, 0, by)], 1)
    return net.concat([net.slice(rows, 2, by, 8), net.slice(rows, 2, 0, by)], 2)
  }
  const windows = net.transpose(net.reshape(rolled(net.layerNorm(x, 24), 1), [-1, 4, 2, 4, 2, 24]), [0, 1, 3, 2, 4, 5])
  const rows = net.reshape(windows, [-1, 4, 24])
  const qkv = net.transpose(net.reshape(net.linear(rows, 24, 72), [-1, 4, 3, 4, 6]), [2, 0, 3, 1, 4])
  const [q, k, v] = net
    .nodes_('Split', [qkv, net.ints([1, 1, 1])], { axis: 0 }, 3)
    .map((part) => net.node('Squeeze', [part, net.ints([0])]))
  const scores = net.add(net.node('MatMul', [q, net.transpose(k, [0, 1, 3, 2])]), net.weight([1, 4, 4, 4]))
  const heads = net.node('MatMul', [net.node('Softmax', [scores], { axis: -1 }), v])
  const joined = net.linear(net.reshape(net.transpose(heads, [0, 2, 1, 3]), [-1, 4, 24]), 24, 24)
  const back = net.reshape(net.transpose(net.reshape(joined, [-1, 4, 4, 2, 2, 24]), [0, 1, 3, 2, 4, 5]), [-1, 8, 8, 24])
  let y = net.add(x, rolled(back, 7))
  y = net.add(y, mlp(net, net.layerNorm(y, 24)))
  const corners = [0, 1].flatMap((i) =>
    [0, 1].map((j) => {
      const [axes, ends, steps] = [net.ints([1, 2]), net.ints([8, 8]), net.ints([2, 2])]
      return net.node('Slice', [y, net.ints([i, j]), ends, axes, steps])
    }),
  )
  const merged = net.linear(net.layerNorm(net.concat(corners, 3), 96), 96, 10)
  return net.model(net.linear(net.node('ReduceMean', [merged], { axes: [1, 2], keepdims: 0 }), 10, 6))
}

const squeezeExcite = (net: Net): Model => {
  let x = net.node('HardSwish', [net.conv(net.input, 3, 12)])
  const wide = net.convRelu(x, 12, 20, 1)
  const deep = net.relu(net.batchNorm(net.conv(wide, 20, 20, 3, { group: 20, bias: false }), 20))
  const squeezed = net.convRelu(net.node('ReduceMean', [deep], { axes: [2, 3], keepdims: 1 }), 20, 6, 1)
  const gate = net.node('HardSigmoid', [net.conv(squeezed, 6, 20, 1)], { alpha: float(0.2) })
  x = net.add(x, net.conv(net.mul(gate, deep), 20, 12, 1))
  return net.model(net.head(x, 12))
}

/** ResNeXt's: more groups than channels in a group, so whole groups go. */
const groupedWide = (net: Net): Model => {
  const x = net.convRelu(net.input, 3, 16)
  const y = net.convRelu(net.convRelu(x, 16, 24, 1), 24, 24, 3, { group: 8 })
  return net.model(net.head(net.relu(net.add(x, net.conv(y, 24, 16, 1))), 16))
}

/** Two groups of many channels, so each loses as many; then twice as many outputs as inputs, and a depthwise one with two each. */
const groupedDeep = (net: Net): Model => {
  const x = net.convRelu(net.input, 3, 20)
  const y = net.convRelu(net.convRelu(x, 20, 40, 3, { group: 2 }), 40, 80, 3, { group: 40 })
  return net.model(net.head(y, 80))
}

/** A transposed convolution in groups of channels that come from a picture's, which stay. */
const groupedUp = (net: Net): Model => {
  const x = net.convRelu(net.input, 3, 12)
  const up = net.node('ConvTranspose', [x, net.weight([12, 5, 2, 2])], {
    strides: [2, 2],
    kernel_shape: [2, 2],
    group: 3,
  })
  const wide = net.conv(net.input, 3, 12, 3, { group: 3 })
  return net.model(net.head(net.relu(up), 15), net.head(net.relu(wide), 12))
}

/** As TensorFlow exports: positions before channels, products over the last axis, transposes around convolutions. */
const channelsLast = (net: Net): Model => {
  const before = (x: string): string => net.transpose(x, [0, 3, 1, 2])
  const after = (x: string): string => net.transpose(x, [0, 2, 3, 1])
  let x = after(net.conv(before(net.input), 3, 12))
  x = net.node('Clip', [net.add(x, net.weight([12])), net.scalar(0), net.scalar(6)])
  x = net.relu(net.linear(x, 12, 16))
  x = net.mul(after(net.conv(before(x), 16, 10)), net.weight([1, 1, 1, 10], 0.5, 1))
  x = net.reshape(net.node('MaxPool', [before(x)], { kernel_shape: [8, 8] }), [-1, 10])
  const weight = net.transpose(net.weight([6, 10]), [1, 0])
  return net.model(net.node('MatMul', [x, weight]))
}

/** (x − E x) / √(Var x + ε), as exports before opset 17 write it. */
const decomposed = (net: Net): Model => {
  const sequence = net.transpose(net.reshape(net.conv(net.input, 3, 24), [0, 24, -1]), [0, 2, 1])
  const mean = (y: string): string => net.node('ReduceMean', [y], { axes: [-1], keepdims: 1 })
  const centred = net.node('Sub', [sequence, mean(sequence)])
  const variance = mean(net.node('Pow', [centred, net.scalar(2)]))
  const normal = net.node('Div', [centred, net.node('Sqrt', [net.add(variance, net.scalar(1e-5))])])
  const scaled = net.add(net.mul(normal, net.weight([24], 0.4, 1)), net.weight([24]))
  const x = net.add(sequence, mlp(net, scaled))
  return net.model(net.linear(net.node('ReduceMean', [x], { axes: [1], keepdims: 0 }), 24, 6))
}

/** ConvNeXt's: depthwise, channels last for a norm and two products, a scale for each channel. */
const convNeXt = (net: Net): Model => {
  const x = net.conv(net.input, 3, 24)
  const last = net.transpose(net.conv(x, 24, 24, 7, { group: 24 }), [0, 2, 3, 1])
  const scaled = net.mul(mlp(net, net.layerNorm(last, 24)), net.weight([24]))
  return net.model(net.head(net.add(x, net.transpose(scaled, [0, 3, 1, 2])), 24))
}

/** Normalised by instance, and in groups: written as a reshape around the same operator. */
const groupNorm = (net: Net): Model => {
  let x = net.conv(net.input, 3, 24)
  const sets = net.reshape(x, [0, 6, -1])
  const normal = net.node('InstanceNormalization', [sets, net.weight([6], 0, 1), net.weight([6], 0)])
  const back = net.node('Reshape', [normal, net.node('Shape', [x])])
  x = net.relu(net.add(net.mul(back, net.weight([24, 1, 1], 0.4, 1)), net.weight([24, 1, 1])))
  x = net.node('InstanceNormalization', [net.conv(x, 24, 10), net.weight([10], 0.4, 1), net.weight([10])])
  return net.model(net.head(net.relu(x), 10))
}

/** Channels become positions and positions channels; parts are looked up, repeated and padded. */
const rearranged = (net: Net): Model => {
  let x = net.node('DepthToSpace', [net.conv(net.input, 3, 24)], { blocksize: 2, mode: 'CRD' })
  x = net.node('SpaceToDepth', [net.convRelu(x, 6, 5)], { blocksize: 2 })
  x = net.node('DepthToSpace', [net.convRelu(x, 20, 20)], { blocksize: 2 })
  x = net.node('Gather', [net.convRelu(x, 5, 9), net.ints([8, 0, 3, -2, 5, 1])], { axis: 1 })
  x = net.node('Tile', [net.convRelu(x, 6, 8), net.ints([1, 2, 1, 1])])
  x = net.node('Slice', [x, net.ints([3]), net.ints([1000]), net.ints([1])])
  const scale = net.node('Expand', [net.weight([13, 1, 1]), net.ints([13, 1, 1])])
  return net.model(net.head(net.relu(net.mul(x, scale)), 13))
}

export const ARCHITECTURES: readonly Architecture[] = [
  { name: 'chain', shape: PICTURE, build: chain, units: [12, 16, 10] },
  {
    name: 'residual adds, with a padded shortcut',
    shape: PICTURE,
    build: residual,
    units: [8, 12, 10, 8],
    branches: [1, 2],
  },
  { name: 'bottlenecks', shape: PICTURE, build: bottlenecks, units: [8, 5, 6, 5, 6], branches: [2, 4] },
  { name: 'DenseNet', shape: PICTURE, build: denseNet, units: [8, 12, 6, 12, 6, 12, 6, 14] },
  { name: 'ShuffleNet V2', shape: PICTURE, build: shuffleNet2, units: [4, 4, 8, 8, 4, 4, 8, 8, 20] },
  { name: 'ShuffleNet', shape: PICTURE, build: shuffleNet1, units: [8], frozen: ['Conv'] },
  { name: 'Inception', shape: PICTURE, build: inception, units: [10, 6, 8, 12, 4, 6, 8, 4, 16] },
  { name: 'U-Net', shape: PICTURE, build: uNet, units: [8, 12, 16, 12, 10, 8] },
  { name: 'YOLO', shape: PICTURE, build: yolo, units: [8, 8, 8, 8, 16, 8, 16, 12] },
  {
    name: 'ViT, fused qkv',
    shape: PICTURE,
    build: fusedViT,
    units: [4, 32, 4, 32],
    branches: [0, 1, 2, 3],
    frozen: ['LayerNormalization'],
  },
  {
    name: 'ViT, split qkv',
    shape: PICTURE,
    build: splitViT,
    units: [4, 32],
    branches: [0, 1],
    frozen: ['LayerNormalization'],
  },
  {
    name: 'ViT, separate qkv',
    shape: PICTURE,
    build: separateViT,
    units: [4, 32],
    branches: [0, 1],
    frozen: ['LayerNormalization'],
  },
  {
    name: 'attention, heads among samples',
    shape: PICTURE,
    build: batchedHeads,
    units: [4],
    frozen: ['LayerNormalization'],
  },
  { name: 'Swin', shape: PICTURE, build: swin, units: [4, 32, 10], branches: [1], frozen: ['LayerNormalization'] },
  { name: 'squeeze-excite', shape: PICTURE, build: squeezeExcite, units: [12, 20, 6], branches: [1] },
  { name: 'grouped convolution, many groups', shape: PICTURE, build: groupedWide, units: [16, 8], branches: [1] },
  { name: 'grouped convolution, large groups', shape: PICTURE, build: groupedDeep, units: [10, 20] },
  { name: 'grouped transposed convolution', shape: PICTURE, build: groupedUp, units: [4, 5, 4] },
  { name: 'channels last', shape: [8, 8, 3], build: channelsLast, units: [12, 16, 10] },
  {
    name: 'decomposed LayerNorm',
    shape: PICTURE,
    build: decomposed,
    units: [32],
    branches: [0],
    frozen: ['ReduceMean'],
  },
  { name: 'ConvNeXt', shape: PICTURE, build: convNeXt, units: [32], frozen: ['LayerNormalization'] },
  { name: 'GroupNorm', shape: PICTURE, build: groupNorm, units: [6, 10] },
  { name: 'rearranged channels', shape: PICTURE, build: rearranged, units: [6, 5, 5, 6, 8], opset: 13 },
]
