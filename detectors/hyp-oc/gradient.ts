/**
 * The trained part of a Hyp-OC head and the gradient of its losses, written out by hand; a test holds every number of it
 * to finite differences. Everything is float64.
 *
 * Per sample: dense layers with ReLU between them give u; u is clipped to a radius; h = exp0(u) lies in the ball; each of
 * two gyroplanes gives a logit. A gyroplane is (q, a'): its point is p = exp0(q), and its normal at p is a'·(1 − c‖p‖²),
 * a' moved there from 0 (Ganea et al. 2018, section 3.1), so that both are free vectors, and Adam needs no manifold.
 */

import { normal, type Rng } from '../../sdk/core/index.ts'

export interface NetworkShape {
  /** Numbers of: the input, hidden layers, and the vector that is mapped into the ball. */
  readonly sizes: readonly number[]
  /** The curvature is −c. */
  readonly curvature: number
  /** Vectors are clipped to this norm before the exponential map. */
  readonly radius: number
}

/** Views of one vector of numbers: parameters, or their gradient. */
export interface Parameters {
  readonly all: Float64Array
  /** Layer by layer, outputs × inputs. */
  readonly weights: readonly Float64Array[]
  readonly biases: readonly Float64Array[]
  /** q of the genuine and of the spoof gyroplane. */
  readonly points: readonly [Float64Array, Float64Array]
  /** a' of the genuine and of the spoof gyroplane. */
  readonly normals: readonly [Float64Array, Float64Array]
}

/** Parameters of a shape, all 0. */
export function makeParameters({ sizes }: NetworkShape): Parameters {
  const width = sizes[sizes.length - 1]
  const lengths = sizes.slice(1).flatMap((size, i) => [size * sizes[i], size])
  const total = lengths.reduce((sum, length) => sum + length, 4 * width)
  const all = new Float64Array(total)
  let at = 0
  const take = (length: number): Float64Array => {
    at += length
    return all.subarray(at - length, at)
  }
  const views = lengths.map(take)
  return {
    all,
    weights: views.filter((_, i) => i % 2 === 0),
    biases: views.filter((_, i) => i % 2 === 1),
    points: [take(width), take(width)],
    normals: [take(width), take(width)],
  }
}

/** Random parameters to start from: He's for the layers, small ones for the gyroplanes. */
export function initialParameters(shape: NetworkShape, random: Rng): Parameters {
  const parameters = makeParameters(shape)
  parameters.weights.forEach((weights, layer) => {
    const gain = layer < parameters.weights.length - 1 ? 2 : 1
    const scale = Math.sqrt(gain / shape.sizes[layer])
    for (let i = 0; i < weights.length; i++) weights[i] = scale * normal(random)
  })
  const width = shape.sizes[shape.sizes.length - 1]
  for (const point of parameters.points) for (let i = 0; i < width; i++) point[i] = 0.1 * normal(random)
  for (const plane of parameters.normals) for (let i = 0; i < width; i++) plane[i] = normal(random) / Math.sqrt(width)
  return parameters
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i]
  return sum
}

/** y += a·x */
function accumulate(a: number, x: Float64Array, y: Float64Array): void {
  for (let i = 0; i < x.length; i++) y[i] += a * x[i]
}

const rowOf = (matrix: Float64Array, row: number, columns: number): Float64Array =>
  matrix.subarray(row * columns, (row + 1) * columns)

/** y = x·Wᵀ + b, four rows at a time: each weight is read once for four samples. */
function dense(x: Float64Array, rows: number, weights: Float64Array, bias: Float64Array): Float64Array {
  const outputs = bias.length
  const inputs = weights.length / outputs
  const y = new Float64Array(rows * outputs)
  let row = 0
  for (; row + 4 <= rows; row += 4) {
    const x0 = row * inputs
    const [x1, x2, x3] = [x0 + inputs, x0 + 2 * inputs, x0 + 3 * inputs]
    for (let o = 0; o < outputs; o++) {
      let [s0, s1, s2, s3] = [bias[o], bias[o], bias[o], bias[o]]
      for (let i = 0, w = o * inputs; i < inputs; i++, w++) {
        const weight = weights[w]
        s0 += weight * x[x0 + i]
        s1 += weight * x[x1 + i]
        s2 += weight * x[x2 + i]
        s3 += weight * x[x3 + i]
      }
      const at = row * outputs + o
      y[at] = s0
      y[at + outputs] = s1
      y[at + 2 * outputs] = s2
      y[at + 3 * outputs] = s3
    }
  }
  for (; row < rows; row++) {
    for (let o = 0; o < outputs; o++) {
      y[row * outputs + o] = bias[o] + dot(rowOf(weights, o, inputs), rowOf(x, row, inputs))
    }
  }
  return y
}

/** Adds dyᵀ·x to the gradient of the weights, four samples at a time, and the column sums of dy to that of the bias. */
function denseGradient(
  x: Float64Array,
  dy: Float64Array,
  rows: number,
  dWeights: Float64Array,
  dBias: Float64Array,
): void {
  const outputs = dBias.length
  const inputs = dWeights.length / outputs
  let row = 0
  for (; row + 4 <= rows; row += 4) {
    const x0 = row * inputs
    const [x1, x2, x3] = [x0 + inputs, x0 + 2 * inputs, x0 + 3 * inputs]
    for (let o = 0; o < outputs; o++) {
      const at = row * outputs + o
      const [d0, d1, d2, d3] = [dy[at], dy[at + outputs], dy[at + 2 * outputs], dy[at + 3 * outputs]]
      dBias[o] += d0 + d1 + d2 + d3
      if (d0 === 0 && d1 === 0 && d2 === 0 && d3 === 0) continue
      for (let i = 0, w = o * inputs; i < inputs; i++, w++) {
        dWeights[w] += d0 * x[x0 + i] + d1 * x[x1 + i] + d2 * x[x2 + i] + d3 * x[x3 + i]
      }
    }
  }
  for (; row < rows; row++) {
    for (let o = 0; o < outputs; o++) {
      const d = dy[row * outputs + o]
      dBias[o] += d
      accumulate(d, rowOf(x, row, inputs), rowOf(dWeights, o, inputs))
    }
  }
}

/** h = exp0(v): its factor tanh(s)/s at s = √c‖v‖, and that factor's derivative by ‖v‖, divided by ‖v‖. */
function exponential(norm: number, c: number): { factor: number; slope: number } {
  const s = Math.sqrt(c) * norm
  // Below this the series is exact to float64, and the quotient is not.
  if (s < 1e-4) return { factor: 1 - (s * s) / 3, slope: (-2 * c) / 3 }
  const tanh = Math.tanh(s)
  return { factor: tanh / s, slope: (1 - tanh * tanh - tanh / s) / (norm * norm) }
}

/** Gradient by v of a function of exp0(v), from that by exp0(v). */
function exponentialGradient(v: Float64Array, dh: Float64Array, c: number): Float64Array {
  const { factor, slope } = exponential(Math.sqrt(dot(v, v)), c)
  const along = slope * dot(dh, v)
  return dh.map((value, i) => factor * value + along * v[i])
}

interface Gyroplane {
  readonly q: Float64Array
  readonly p: Float64Array
  /** a' divided by its length. */
  readonly direction: Float64Array
  readonly length: number
}

function gyroplane(q: Float64Array, a: Float64Array, c: number): Gyroplane {
  const { factor } = exponential(Math.sqrt(dot(q, q)), c)
  const length = Math.max(Math.sqrt(dot(a, a)), Number.MIN_VALUE)
  return { q, p: q.map((value) => factor * value), direction: a.map((value) => value / length), length }
}

/**
 * 2⟨z, a⟩ / ((1 − c‖z‖²)‖a‖) for z = −p ⊕ h. The denominator of the Möbius sum cancels against 1 − c‖z‖² =
 * (1 − c‖p‖²)(1 − c‖h‖²) / denominator, which leaves products of p, h and a.
 */
function offsetOf({ p, direction }: Gyroplane, h: Float64Array, c: number) {
  const alpha = 1 - 2 * c * dot(p, h) + c * dot(h, h)
  const beta = 1 - c * dot(p, p)
  const gamma = 1 - c * dot(h, h)
  const ofPoint = dot(p, direction)
  const ofSample = dot(h, direction)
  return { alpha, beta, gamma, ofPoint, ofSample, offset: (2 * (beta * ofSample - alpha * ofPoint)) / (beta * gamma) }
}

const logitOf = (length: number, offset: number, c: number): number =>
  ((2 * length) / Math.sqrt(c)) * Math.asinh(Math.sqrt(c) * offset)

/** Adds the gradient of a gyroplane's logit, times `d`, to those by h, p and a'. */
function logitGradient(
  plane: Gyroplane,
  h: Float64Array,
  c: number,
  d: number,
  dh: Float64Array,
  dp: Float64Array,
  da: Float64Array,
): void {
  const { p, direction, length } = plane
  const { alpha, beta, gamma, ofPoint, ofSample, offset } = offsetOf(plane, h, c)
  const dOffset = (d * 2 * length) / Math.sqrt(1 + c * offset * offset)
  const scale = (2 * dOffset) / (beta * gamma)
  accumulate(scale * 2 * c * ofPoint, p, dh)
  accumulate(scale * beta, direction, dh)
  accumulate(-scale * 2 * c * ofPoint + (dOffset * offset * 2 * c) / gamma, h, dh)
  accumulate(-scale * alpha, direction, dp)
  accumulate(scale * 2 * c * ofPoint, h, dp)
  accumulate(-scale * 2 * c * ofSample + (dOffset * offset * 2 * c) / beta, p, dp)
  // Along itself a normal only changes its length, which the offset does not see.
  const along = scale * (beta * ofSample - alpha * ofPoint)
  const stretch = (d * logitOf(length, offset, c) - along) / length
  accumulate((-scale * alpha) / length, p, da)
  accumulate((scale * beta) / length, h, da)
  accumulate(stretch, direction, da)
}

/**
 * The distance in a form that does not lose digits for points close together: 2/√c · asinh(√c‖x − y‖ / √(γx·γy)), γ = 1 −
 * c‖·‖². Adds its gradient, times `d`, to those by x and y. At x = y, where there is none, it adds 0.
 */
function distanceWithGradient(
  x: Float64Array,
  y: Float64Array,
  c: number,
  d: number,
  dx: Float64Array,
  dy: Float64Array,
): number {
  const difference = x.map((value, i) => value - y[i])
  const norm = Math.sqrt(dot(difference, difference))
  if (norm === 0) return 0
  const gammaX = 1 - c * dot(x, x)
  const gammaY = 1 - c * dot(y, y)
  const t = (Math.sqrt(c) * norm) / Math.sqrt(gammaX * gammaY)
  const dT = (d * 2 * t) / (Math.sqrt(c) * Math.sqrt(1 + t * t))
  accumulate(dT / (norm * norm), difference, dx)
  accumulate(-dT / (norm * norm), difference, dy)
  accumulate((dT * c) / gammaX, x, dx)
  accumulate((dT * c) / gammaY, y, dy)
  return (2 / Math.sqrt(c)) * Math.asinh(t)
}

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))

/**
 * The losses of a batch and their gradient.
 *
 * Hyp-CE: mean cross-entropy of the two logits. Hyp-PC: genuine sample i is paired with sample i + half; the sum of the
 * pairs' distances, divided by the number of genuine samples.
 *
 * @param batch rows × sizes[0]: `genuine` genuine samples, then pseudo-negatives
 * @param pairWeight what Hyp-PC is multiplied by
 * @param gradient overwritten
 * @returns Hyp-CE + pairWeight · Hyp-PC
 */
export function lossAndGradient(
  shape: NetworkShape,
  parameters: Parameters,
  batch: Float64Array,
  genuine: number,
  pairWeight: number,
  gradient: Parameters,
): number {
  const { sizes, curvature: c, radius } = shape
  const rows = batch.length / sizes[0]
  const width = sizes[sizes.length - 1]
  const layers = parameters.weights.length
  gradient.all.fill(0)

  const activations = [batch]
  for (let layer = 0; layer < layers; layer++) {
    const y = dense(activations[layer], rows, parameters.weights[layer], parameters.biases[layer])
    if (layer < layers - 1) for (let i = 0; i < y.length; i++) if (y[i] < 0) y[i] = 0
    activations.push(y)
  }

  const u = activations[layers]
  const clipped = u.slice()
  const h = new Float64Array(u.length)
  for (let row = 0; row < rows; row++) {
    const v = rowOf(clipped, row, width)
    const norm = Math.sqrt(dot(v, v))
    if (norm > radius) for (let i = 0; i < width; i++) v[i] *= radius / norm
    accumulate(exponential(Math.min(norm, radius), c).factor, v, rowOf(h, row, width))
  }

  let loss = 0
  const dh = new Float64Array(h.length)
  const planes = [0, 1].map((k) => gyroplane(parameters.points[k], parameters.normals[k], c))
  const dp = planes.map(() => new Float64Array(width))
  for (let row = 0; row < rows; row++) {
    const x = rowOf(h, row, width)
    const [real, spoof] = planes.map((plane) => logitOf(plane.length, offsetOf(plane, x, c).offset, c))
    const sign = row < genuine ? 1 : -1
    const wrong = sign * (spoof - real)
    loss += softplus(wrong) / rows
    const d = sign / (1 + Math.exp(-wrong)) / rows
    for (const k of [0, 1]) {
      const towards = k === 1 ? d : -d
      logitGradient(planes[k], x, c, towards, rowOf(dh, row, width), dp[k], gradient.normals[k])
    }
  }

  const half = genuine >> 1
  for (let row = 0; row < half && pairWeight > 0; row++) {
    const [x, y] = [row, row + half].map((at) => rowOf(h, at, width))
    const [dx, dy] = [row, row + half].map((at) => rowOf(dh, at, width))
    loss += (pairWeight / genuine) * distanceWithGradient(x, y, c, pairWeight / genuine, dx, dy)
  }

  for (const k of [0, 1]) gradient.points[k].set(exponentialGradient(parameters.points[k], dp[k], c))

  let dy = new Float64Array(u.length)
  for (let row = 0; row < rows; row++) {
    const before = rowOf(u, row, width)
    const dv = exponentialGradient(rowOf(clipped, row, width), rowOf(dh, row, width), c)
    const norm = Math.sqrt(dot(before, before))
    if (norm <= radius) dy.set(dv, row * width)
    else {
      accumulate(radius / norm, dv, rowOf(dy, row, width))
      accumulate((-radius * dot(dv, before)) / norm ** 3, before, rowOf(dy, row, width))
    }
  }
  for (let layer = layers - 1; layer >= 0; layer--) {
    const x = activations[layer]
    denseGradient(x, dy, rows, gradient.weights[layer], gradient.biases[layer])
    if (layer === 0) break
    const outputs = sizes[layer + 1]
    const dx = new Float64Array(x.length)
    for (let row = 0; row < rows; row++) {
      const target = rowOf(dx, row, sizes[layer])
      for (let o = 0; o < outputs; o++) {
        accumulate(dy[row * outputs + o], rowOf(parameters.weights[layer], o, sizes[layer]), target)
      }
    }
    for (let i = 0; i < x.length; i++) if (x[i] <= 0) dx[i] = 0
    dy = dx
  }
  return loss
}
