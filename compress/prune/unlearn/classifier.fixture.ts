/** For tests: classifiers of clusters, whose hidden layers are random and whose last one is fitted. */

import { Matrix, solve } from 'ml-matrix'
import { rng, type Tensor } from '../../../sdk/core/index.ts'
import { type Model, makeTensor, makeUntypedOutput, makeValue, payloadOf, writeModel } from '../../../sdk/onnx/index.ts'
import { Net } from '../net.fixture.ts'
import { execute, samplesOf } from '../session.fixture.ts'
import type { Samples } from '../types.ts'
import { copyOf } from '../weights.ts'

export const CLASSES = 4

/** Samples around a corner for each class. */
export function cluster(classes: readonly number[], count: number, dims: readonly number[], seed: number): Tensor {
  const size = dims.reduce((product, dim) => product * dim, 1)
  const data = new Float32Array(count * size)
  for (let row = 0; row < count; row++) {
    const centre = rng(classes[row % classes.length], 9)
    const { uniform } = rng(seed, row)
    for (let i = 0; i < size; i++) {
      data[row * size + i] = 2 * centre.uniform() - 1 + 0.6 * (uniform() + uniform() - 1)
    }
  }
  return { dtype: 'float32', shape: [count, ...dims], data }
}

export const samplesFor = (classes: readonly number[], count: number, dims: readonly number[], seed: number): Samples =>
  samplesOf(cluster(classes, count, dims, seed))

export async function outputsOf(model: Model, x: Tensor): Promise<Record<string, Tensor>> {
  const session = await execute(writeModel(model))
  try {
    return await session.run({ x })
  } finally {
    await session.close()
  }
}

/** Fits the weight of the last Gemm, `[CLASSES, features]`, so that logits are one-hot times ten. */
async function fitted(model: Model, features: string, weight: string, dims: readonly number[]): Promise<Model> {
  const all = Array.from({ length: CLASSES }, (_, i) => i)
  const x = cluster(all, 400, dims, 1)
  const open = copyOf(model, {
    graph: copyOf(model.graph, { output: [...model.graph.output, makeUntypedOutput(features)] }),
  })
  const { data, shape } = (await outputsOf(open, x))[features]
  const [rows, columns] = shape
  const u = Matrix.from1DArray(rows, columns, Array.from(data as Float32Array))
  const y = Matrix.zeros(rows, CLASSES)
  for (let row = 0; row < rows; row++) y.set(row, row % CLASSES, 10)
  const gram = u.transpose().mmul(u).add(Matrix.eye(columns).mul(0.1))
  const w = solve(gram, u.transpose().mmul(y)).transpose()
  const initializer = model.graph.initializer.map((tensor) => {
    if (tensor.name !== weight) return tensor
    return makeTensor(weight, { ...payloadOf(tensor), data: Float32Array.from(w.to1DArray()) } as Tensor)
  })
  return copyOf(model, { graph: copyOf(model.graph, { initializer }) })
}

const gemm = (net: Net, x: string, inputs: number, outputs: number): string =>
  net.node('Gemm', [x, net.weight([outputs, inputs], 1.5 / Math.sqrt(inputs)), net.weight([outputs], 0.2)], {
    transB: 1,
  })

async function withHead(net: Net, features: string, columns: number, dims: readonly number[], softmax = false) {
  const weight = net.weight([CLASSES, columns])
  const logits = net.node('Gemm', [features, weight, net.weight([CLASSES], 0)], { transB: 1 })
  const output = softmax ? net.node('Softmax', [logits], { axis: 1 }) : logits
  const model = net.model(output)
  model.graph.output = [makeValue(output, 'float32', ['n', CLASSES])]
  return fitted(model, features, weight, dims)
}

export const FLAT = [12]
export const IMAGE = [2, 6, 6]
export const TOKENS = [5, 8]

/** Three hidden Gemm. */
export async function perceptron({ softmax = false } = {}): Promise<Model> {
  const net = new Net(FLAT)
  let x = net.input
  let width = 12
  for (let layer = 0; layer < 3; layer++) {
    x = net.relu(gemm(net, x, width, 24))
    width = 24
  }
  return withHead(net, x, width, FLAT, softmax)
}

/** Two convolutions and a hidden Gemm; without it, features of a convolution are read position by position. */
export async function convNet({ dense = true } = {}): Promise<Model> {
  const net = new Net(IMAGE)
  const first = net.convRelu(net.input, 2, 12)
  const second = net.convRelu(first, 12, 12, 3, { stride: 2 })
  const flat = net.node('Flatten', [second])
  return dense ? withHead(net, net.relu(gemm(net, flat, 108, 32)), 32, IMAGE) : withHead(net, flat, 108, IMAGE)
}

/** Two blocks with LayerNormalization whose second layers end in a residual add. */
export async function mixer(): Promise<Model> {
  const net = new Net(TOKENS)
  let x = net.linear(net.input, 8, 16)
  for (let block = 0; block < 2; block++) {
    const inner = net.relu(net.linear(net.layerNorm(x, 16), 16, 32))
    x = net.add(x, net.linear(inner, 32, 16))
  }
  const pooled = net.node('ReduceMean', [net.layerNorm(x, 16)], { axes: [1], keepdims: 0 })
  return withHead(net, pooled, 16, TOKENS)
}
