/** For tests: small classifiers with random weights, the digits' network of e2e, and real digits with attacks on them. */

import { elementCount, rng, type Tensor } from '../sdk/core/index.ts'
import { Fragment, type Model, makeGraph, makeModel, makeValue, readModel, writeModel } from '../sdk/onnx/index.ts'
import { runOrt } from '../sdk/onnx/ort-oracle.ts'
import type { Features } from './features.ts'
import { mnistClassifier, SIDE, digits as testDigits } from './mnist.fixture.ts'
import type { Layout } from './tier.ts'

/** Numbers of a standard normal distribution. */
export function normals(shape: readonly number[], seed: number, scale = 1): Tensor {
  const { uniform } = rng(seed, 99)
  const data = Float32Array.from(
    { length: elementCount(shape) },
    () => scale * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  )
  return { dtype: 'float32', shape, data }
}

/** Pixels in [min, max). */
export function pixels(shape: readonly number[], seed: number, min = 0, max = 1): Tensor {
  const { uniform } = rng(seed, 98)
  return {
    dtype: 'float32',
    shape,
    data: Float32Array.from({ length: elementCount(shape) }, () => min + (max - min) * uniform()),
  }
}

export interface ClassifierOptions {
  readonly opset?: number
  readonly seed?: number
  readonly layout?: Layout
  readonly channels?: number
  readonly size?: readonly [height: number, width: number]
  readonly classes?: number
  readonly input?: string
  readonly softmax?: boolean
  /** The batch that inputs and outputs declare. */
  readonly batch?: number | string
}

/** Convolution, Relu, mean, linear layer: outputs `logits` (or `probabilities`) and `representation`, 6 numbers. */
export function smallClassifier(options: ClassifierOptions = {}): Model {
  const { opset = 17, seed = 1, layout = 'nchw', channels = 1, size = [7, 6], classes = 4 } = options
  const { input = 'image', softmax = false, batch = 'batch' } = options
  const f = new Fragment({ opset, prefix: 'm' })
  const image = layout === 'nhwc' ? f.node('Transpose', [input], { perm: [0, 3, 1, 2] }) : input
  const convolved = f.node('Conv', [image, f.constant(normals([6, channels, 3, 3], seed))], {
    kernel_shape: [3, 3],
    pads: [1, 1, 1, 1],
    strides: [2, 2],
  })
  const pooled = f.node('GlobalAveragePool', [f.node('Relu', [convolved])])
  const representation = f.node('Flatten', [pooled], { axis: 1 }, 'representation')
  const dense = f.constant(normals([6, classes], seed + 1, 3))
  const result = softmax ? 'probabilities' : 'logits'
  const logits = f.node('MatMul', [representation, dense], {}, softmax ? 'raw' : result)
  if (softmax) f.node('Softmax', [logits], { axis: 1 }, result)
  const shape = layout === 'nchw' ? [channels, ...size] : [...size, channels]
  const graph = makeGraph('small', {
    nodes: [],
    inputs: [makeValue(input, 'float32', [batch, ...shape])],
    outputs: [makeValue(result, 'float32', [batch, classes]), makeValue('representation', 'float32', [batch, 6])],
  })
  f.appendTo(graph)
  return makeModel(graph, { opsets: { '': opset } })
}

/** Outputs of a model, by name, as rows of numbers. */
export async function run(model: Model, feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Features>> {
  const outputs = await runOrt(writeModel(model), feeds)
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { dims, bytes }]) => {
      const [rows, ...rest] = dims
      return [name, { rows, columns: elementCount(rest), data: new Float32Array(bytes.buffer) }]
    }),
  )
}

export const asTensor = ({ rows, columns, data }: Features): Tensor => ({
  dtype: 'float32',
  shape: [rows, columns],
  data,
})

/** The largest difference between scores, relative to the larger of 1 and the score. */
export function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY
  return Array.from(expected, (value, i) => Math.abs(actual[i] - value) / Math.max(1, Math.abs(value))).reduce(
    (a, b) => (b <= a ? a : b),
    0,
  )
}

/** The digits' network of e2e: input `image`, float32 [batch, 1, 28, 28], pixels 0 to 1; output `logits`. */
export const digitModel = (): Model => readModel(mnistClassifier('mnist-cnn.onnx'))

const PIXELS = SIDE * SIDE

/** Test digits `[from, to)`: images [n, 1, 28, 28], and what they show. */
export function digits(from: number, to: number): { images: Tensor; labels: Uint8Array } {
  const { images, labels } = testDigits(to - from, from)
  return { images: { dtype: 'float32', shape: [to - from, 1, SIDE, SIDE], data: images }, labels }
}

/**
 * A linear classifier of digits, fitted in closed form: by the nearest class mean, a Gaussian of one variance for all
 * pixels. It errs far more than the network, and in other places. Outputs `logits` and `representation` (the same).
 */
export function meanClassifier(images: Float32Array, labels: Uint8Array, sharpness = 0.3): Model {
  const sums = new Float64Array(10 * PIXELS)
  const counts = new Float64Array(10)
  labels.forEach((label, i) => {
    counts[label]++
    for (let p = 0; p < PIXELS; p++) sums[label * PIXELS + p] += images[i * PIXELS + p]
  })
  const means = sums.map((sum, at) => sum / counts[Math.floor(at / PIXELS)])
  const bias = Float64Array.from({ length: 10 }, (_, label) =>
    means.subarray(label * PIXELS, (label + 1) * PIXELS).reduce((sum, value) => sum - (value * value) / 2, 0),
  )
  const f = new Fragment({ opset: 17, prefix: 'm' })
  const flat = f.node('Flatten', ['pixels'], { axis: 1 })
  const weights = f.floats(
    means.map((value) => value * sharpness),
    [10, PIXELS],
  )
  f.node('Gemm', [flat, weights, f.floats(bias.map((value) => value * sharpness))], { transB: 1 }, 'logits')
  const graph = makeGraph('means', {
    nodes: [],
    inputs: [makeValue('pixels', 'float32', ['n', 1, 28, 28])],
    outputs: [makeValue('logits', 'float32', ['n', 10])],
  })
  f.appendTo(graph)
  return makeModel(graph, { opsets: { '': 17 } })
}

/**
 * Attacks without gradients, a random search over ±ε squares (after Andriushchenko et al., "Square attack", ECCV 2020):
 * a change is kept where it lowers the margin of the true class.
 *
 * @returns the attacked images, and which of them are now mistaken
 */
export async function squareAttack(
  model: Model,
  { images, labels }: { images: Tensor; labels: Uint8Array },
  { epsilon, queries, seed }: { epsilon: number; queries: number; seed: number },
): Promise<{ images: Tensor; fooled: boolean[] }> {
  const { uniform, below } = rng(seed, 97)
  const clean = images.data as Float32Array
  const clip = (value: number, at: number): number =>
    Math.min(1, Math.max(0, Math.min(clean[at] + epsilon, Math.max(clean[at] - epsilon, value))))
  const margins = async (data: Float32Array): Promise<number[]> => {
    const { logits } = await run(model, { image: { ...images, data } })
    return Array.from(labels, (label, i) => {
      const row = Array.from(logits.data.subarray(10 * i, 10 * (i + 1)))
      return row[label] - Math.max(...row.filter((_, other) => other !== label))
    })
  }
  // Stripes first, as in the paper.
  const best = clean.map((value, at) =>
    clip(value + (((at % 28) * 7919 + Math.floor(at / PIXELS)) % 2 ? epsilon : -epsilon), at),
  )
  let least = await margins(best)
  for (let query = 0; query < queries; query++) {
    const side = Math.max(2, Math.round(10 * (1 - query / queries)))
    const next = best.slice()
    labels.forEach((_, i) => {
      const [top, left] = [below(29 - side), below(29 - side)]
      const change = uniform() < 0.5 ? epsilon : -epsilon
      for (let y = top; y < top + side; y++) {
        for (let x = left; x < left + side; x++) {
          const at = i * PIXELS + y * 28 + x
          next[at] = clip(clean[at] + change, at)
        }
      }
    })
    const now = await margins(next)
    now.forEach((margin, i) => {
      if (margin < least[i]) best.set(next.subarray(i * PIXELS, (i + 1) * PIXELS), i * PIXELS)
    })
    least = least.map((margin, i) => Math.min(margin, now[i]))
  }
  return { images: { ...images, data: best }, fooled: least.map((margin) => margin < 0) }
}

/** The rows of a tensor that `keep` says. */
export function rowsWhere({ dtype, shape, data }: Tensor, keep: readonly boolean[]): Tensor {
  const size = data.length / shape[0]
  const kept = keep.flatMap((yes, i) =>
    yes ? Array.from((data as Float32Array).subarray(i * size, (i + 1) * size)) : [],
  )
  return { dtype, shape: [kept.length / size, ...shape.slice(1)], data: Float32Array.from(kept) }
}

/** The probability, in per cent, that a positive has a higher score than a negative. */
export function auroc(negatives: ArrayLike<number>, positives: ArrayLike<number>): number {
  let wins = 0
  for (const positive of Array.from(positives)) {
    for (const negative of Array.from(negatives)) {
      wins += positive > negative ? 1 : positive === negative ? 0.5 : 0
    }
  }
  return (100 * wins) / (negatives.length * positives.length)
}
