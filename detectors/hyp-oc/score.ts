/**
 * Hyp-OC: one-class spoof detection on the Poincaré ball (Narayan, Patel, "Hyp-OC: hyperbolic one class classification
 * for face anti-spoofing", FG 2024, arXiv 2404.14406). What was learned from genuine samples, and the plain scorer that
 * the graph of `head.ts` must equal.
 *
 * Whitened features z, their squares and ‖z‖² go through an MLP to u; u is clipped to norm r and mapped into the ball by the
 * exponential map at 0; two gyroplanes give the logits of genuine and spoof. The score is their difference, log P(spoof) −
 * log P(genuine): as the paper's P(spoof), but it does not round to 1.
 */

import { checkFeatures, type Features } from '../features.ts'
import { clipNorm, exp0, gyroplaneLogit } from './poincare.ts'

/** One dense layer: y = weights · x + bias. */
export interface HypOcLayer {
  /** Outputs × inputs, row by row. */
  readonly weights: Float32Array
  /** One a output. */
  readonly bias: Float32Array
}

/** A fitted detector, plain data. */
export interface HypOc {
  /** Numbers a sample. */
  readonly columns: number
  /** Of the genuine samples, one a feature. */
  readonly mean: Float32Array
  /** rank × columns: z = whitening · (features − mean) has mean 0 and covariance I on the genuine samples. */
  readonly whitening: Float32Array
  /** The MLP on `inputOf(z)`; ReLU between layers. */
  readonly layers: readonly HypOcLayer[]
  /** The curvature of the ball is −c. */
  readonly curvature: number
  /** Largest norm before the exponential map, r. */
  readonly radius: number
  /** Points of the gyroplanes of genuine and spoof, in the ball. */
  readonly points: readonly [Float32Array, Float32Array]
  /** Normals of the gyroplanes, tangent vectors at their points. */
  readonly normals: readonly [Float32Array, Float32Array]
}

const clamp = (value: number, limit: number): number => Math.min(Math.max(value, -limit), limit)

/** What the MLP sees of z beside ‖z‖² is limited to this many standard deviations. */
export const NEAR = 5

/** Numbers that the MLP gets. */
export const inputsOf = (rank: number): number => 2 * rank + 1

/**
 * What the MLP gets for z, each number of mean 0 and variance 1 where z is normal: z and (z² − 1)/√2, both of z limited to
 * ±`NEAR`, then (‖z‖² − rank)/√(2 rank).
 */
export function inputOf(z: Float64Array): Float64Array {
  const rank = z.length
  const input = new Float64Array(inputsOf(rank))
  let excess = 0
  for (let i = 0; i < rank; i++) {
    const near = clamp(z[i], NEAR)
    input[i] = near
    input[rank + i] = (near * near - 1) / Math.SQRT2
    excess += z[i] * z[i] - 1
  }
  input[2 * rank] = excess / Math.sqrt(2 * rank)
  return input
}

/** |z| is limited to this many standard deviations, so that no finite input overflows float32 on its way. */
export const Z_LIMIT = 1e4

/** What |features − mean| is limited to, for the same reason. */
export function featureLimit({ whitening, columns }: HypOc): number {
  let largest = 1
  for (let row = 0; row < whitening.length; row += columns) {
    let sum = 0
    for (let i = row; i < row + columns; i++) sum += Math.abs(whitening[i])
    largest = Math.max(largest, sum)
  }
  return Math.fround(1e30 / largest)
}

function product(weights: Float32Array, x: Float64Array): Float64Array {
  const y = new Float64Array(weights.length / x.length)
  for (let row = 0, at = 0; row < y.length; row++) {
    let sum = 0
    for (let i = 0; i < x.length; i++, at++) sum += weights[at] * x[i]
    y[row] = sum
  }
  return y
}

/**
 * The score of each sample: log-odds of spoof, larger is stranger.
 *
 * @param features samples × `model.columns`, from the layers that the detector was fitted on
 * @throws HardpackError `INVALID_ARGUMENT` for features of another size, NaN or infinity.
 * @example
 * const scores = scoreHypOc(await fitHypOc(genuine), features) // Float64Array, one a sample
 */
export function scoreHypOc(model: HypOc, features: Features): Float64Array {
  const { columns, mean, whitening, layers, curvature: c, radius, points, normals } = model
  checkFeatures('Hyp-OC features', features, columns)
  const limit = featureLimit(model)
  const centred = new Float64Array(columns)
  return Float64Array.from({ length: features.rows }, (_, row) => {
    for (let i = 0; i < columns; i++) centred[i] = clamp(features.data[row * columns + i] - mean[i], limit)
    const z = product(whitening, centred).map((value) => clamp(value, Z_LIMIT))
    let u = inputOf(z)
    layers.forEach(({ weights, bias }, layer) => {
      u = product(weights, u).map((value, i) => value + bias[i])
      if (layer < layers.length - 1) u = u.map((value) => Math.max(value, 0))
    })
    const h = exp0(clipNorm(u, radius), c)
    const [genuine, spoof] = [0, 1].map((k) => gyroplaneLogit(h, points[k], normals[k], c))
    return spoof - genuine
  })
}
