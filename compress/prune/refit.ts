/**
 * Refit of a layer by ridge least squares, from moments alone. What is left of the layer's inputs, S, takes over the part of those
 * that were removed, R, so far as it can say what they would have been:
 *
 *     full        W'_S = W_S + W_R Σ_RS (Σ_SS + λI)⁻¹
 *     sequential  W'_S = (Cov[t, ũ]_S + λ W_S) (Cov[ũ, ũ]_SS + λI)⁻¹      ũ: what the layer reads in the net pruned so far,
 *                                                                       t: what it should give
 *     mean        b'   = E[t] − W' E[ũ]
 *
 * The full refit is the sequential one where ũ = u and t = W u + b. It contains the compensation δ* of ModHiFi (Kashyap et al.
 * 2025, proposition 3.8), which scales each (output, input) pair by one number, as a special case. The mean correction stands in
 * for new statistics of a BatchNormalization, which exporters fold away.
 */

import { type CrossMoments, type CrossStatistics, covarianceOf, type InputStatistics } from './statistics.ts'
import { factorOf, principal, solveRows } from './symmetric.ts'
import type { WeightLayout } from './weights.ts'

/** λ as a share of the mean of the diagonal. */
export const RIDGE = 1e-3

/** A layer with new weights. */
export interface Refit {
  /** W', `[groups, rows, columns]`, zero where nothing is read any more. */
  readonly weights: Float64Array
  /** b', of all outputs. */
  readonly bias: Float64Array
}

/** Columns of each convolution group that are left, ascending. */
export type KeptColumns = readonly (readonly number[])[]

/** b' = b + Σ over rows of an output of (W − W') μ. */
export function correctedBias(
  { groups, rows, columns, rowsOfOutput }: WeightLayout,
  bias: ArrayLike<number>,
  before: { weights: Float64Array; mean: Float64Array },
  after: { weights: Float64Array; mean: Float64Array },
): Float64Array {
  const corrected = Float64Array.from(bias)
  for (let g = 0; g < groups; g++) {
    for (let row = 0; row < rows; row++) {
      const from = (g * rows + row) * columns
      const output = Math.floor((g * rows + row) / rowsOfOutput)
      for (let j = 0; j < columns; j++) {
        corrected[output] += before.weights[from + j] * before.mean[g * columns + j]
        corrected[output] -= after.weights[from + j] * after.mean[g * columns + j]
      }
    }
  }
  return corrected
}

/**
 * Solves W' (Cov[ũ, ũ]_SS + λI) = Cov[t, ũ]_S + λ W_S for one convolution group.
 *
 * @param covariance of ũ, centred, `[size, size]`
 * @param cross of t with ũ, centred, `[rows, size]`
 * @param weights W, `[rows, size]`: towards what the ridge draws
 * @param kept S
 * @param name of the layer, for the error
 * @param share λ as a share of the mean of the diagonal
 * @returns `[rows, size]`, zero outside S
 * @throws HardpackError `INVALID_INPUT` for a singular Gram matrix.
 */
export function ridge(
  covariance: Float64Array,
  cross: Float64Array,
  weights: Float64Array,
  kept: readonly number[],
  name: string,
  share = RIDGE,
): Float64Array {
  const size = Math.sqrt(covariance.length)
  const count = kept.length
  const rows = weights.length / size
  let trace = 0
  for (let i = 0; i < size; i++) trace += covariance[i * (size + 1)]
  const lambda = (share * trace) / size
  if (trace === 0) return onlyColumns(weights, size, kept)
  const gram = principal(covariance, size, kept)
  for (let i = 0; i < count; i++) gram[i * (count + 1)] += lambda
  const wanted = new Float64Array(rows * count)
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < count; i++) {
      const at = row * size + kept[i]
      wanted[row * count + i] = cross[at] + lambda * weights[at]
    }
  }
  solveRows(factorOf(gram, count, name), count, wanted)
  const fitted = new Float64Array(rows * size)
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < count; i++) fitted[row * size + kept[i]] = wanted[row * count + i]
  }
  return fitted
}

/** `[rows, size]` with zeros outside some columns. */
function onlyColumns(weights: Float64Array, size: number, kept: readonly number[]): Float64Array {
  const left = new Float64Array(weights.length)
  for (let row = 0; row < weights.length; row += size) for (const i of kept) left[row + i] = weights[row + i]
  return left
}

/** a bᵀ subtracted from `[a.length, b.length]`. */
function lessOuter(matrix: Float64Array, a: Float64Array, b: Float64Array): Float64Array {
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < b.length; j++) matrix[i * b.length + j] -= a[i] * b[j]
  }
  return matrix
}

/** One convolution group's part of `[groups, …]`. */
const ofGroup = (values: Float64Array, groups: number, group: number): Float64Array =>
  values.slice((group * values.length) / groups, ((group + 1) * values.length) / groups)

/** Rows of W times a matrix, `[rows, columns]`. */
function times(weights: Float64Array, matrix: Float64Array, size: number): Float64Array {
  const product = new Float64Array(weights.length)
  for (let row = 0; row < weights.length; row += size) {
    for (let k = 0; k < size; k++) {
      const w = weights[row + k]
      if (w === 0) continue
      for (let j = 0; j < size; j++) product[row + j] += w * matrix[k * size + j]
    }
  }
  return product
}

export interface Layer {
  readonly name: string
  readonly layout: WeightLayout
  /** W and b before anything was removed. */
  readonly weights: Float64Array
  readonly bias: Float64Array
}

/** The full refit, on what the layer reads in the whole net. */
export function fullRefit(
  { name, layout, weights, bias }: Layer,
  statistics: InputStatistics,
  kept: KeptColumns,
): Refit {
  const { groups, columns } = layout
  const fitted = new Float64Array(weights.length)
  for (let g = 0; g < groups; g++) {
    const covariance = covarianceOf(statistics, g)
    const own = ofGroup(weights, groups, g)
    fitted.set(ridge(covariance, times(own, covariance, columns), own, kept[g], name), g * own.length)
  }
  const { mean } = statistics
  return { weights: fitted, bias: correctedBias(layout, bias, { weights, mean }, { weights: fitted, mean }) }
}

/** Moments of ũ and of t with it, centred, of one convolution group. */
interface Problem {
  readonly covariance: Float64Array
  readonly cross: Float64Array
}

/** What the sequential refit of a layer is fitted to. */
function problemsOf({ layout, weights }: Layer, statistics: CrossStatistics): Problem[] {
  const { mean, targetMean, cross } = statistics
  const { groups, columns, rowsOfOutput } = layout
  return Array.from({ length: groups }, (_, g) => {
    const centred = lessOuter(ofGroup(cross, groups, g), ofGroup(targetMean, groups, g), ofGroup(mean, groups, g))
    return {
      covariance: covarianceOf(statistics, g),
      cross: rowsOfOutput > 1 ? times(ofGroup(weights, groups, g), centred, columns) : centred,
    }
  })
}

/** E‖t − W' ũ‖² less E‖t‖², centred, of one convolution group. */
function errorOf({ covariance, cross }: Problem, fitted: Float64Array): number {
  const given = times(fitted, covariance, Math.sqrt(covariance.length))
  return fitted.reduce((sum, weight, i) => sum + weight * (given[i] - 2 * cross[i]), 0)
}

/** Every `step`-th row of `[rows, size]`. */
function rowsOf(matrix: Float64Array, size: number, step: number): Float64Array {
  return matrix.filter((_, i) => Math.floor(i / size) % step === 0)
}

const everyRow = ({ covariance, cross }: Problem, step: number): Problem => ({
  covariance,
  cross: rowsOf(cross, Math.sqrt(covariance.length), step),
})

/** Ridges that are tried, as shares of the mean of the diagonal, and for how many outputs at most. */
const RIDGES = [RIDGE, 3e-2, 0.3]
const TRIED_ROWS = 128

/**
 * The sequential refit, on what the layer reads in the net pruned so far. Its ridge is the one that does best on the half of the
 * samples that it was not fitted on: a layer far from its target would else learn the noise of the samples.
 *
 * @param moments of ũ and t; t is the layer's output, or for a layout of channels only its input
 * @param prior towards what weights the ridge draws: those of the full refit, or the layer's own
 * @param added what is still added to the layer's output behind t, where t is without the bias
 */
export function sequentialRefit(
  layer: Layer,
  { whole, halves }: CrossMoments,
  kept: KeptColumns,
  prior: Float64Array,
  added?: ArrayLike<number>,
): Refit {
  const { name, layout, weights, bias } = layer
  const { groups, rows, columns, rowsOfOutput } = layout
  const some = Math.ceil(rows / TRIED_ROWS)
  const [fit, held] = (halves ?? []).map((half) => problemsOf(layer, half).map((problem) => everyRow(problem, some)))
  const lossOf = (share: number): number => {
    let loss = 0
    for (const [g, { covariance, cross }] of (fit ?? []).entries()) {
      const towards = rowsOf(ofGroup(prior, groups, g), columns, some)
      loss += errorOf(held[g], ridge(covariance, cross, towards, kept[g], name, share))
    }
    return loss
  }
  const losses = RIDGES.map(lossOf)
  const best = RIDGES[losses.indexOf(Math.min(...losses))]
  const fitted = new Float64Array(weights.length)
  for (const [g, { covariance, cross }] of problemsOf(layer, whole).entries()) {
    const own = ridge(covariance, cross, ofGroup(prior, groups, g), kept[g], name, best)
    fitted.set(own, g * own.length)
  }
  const { mean, targetMean } = whole
  if (rowsOfOutput > 1) {
    return {
      weights: fitted,
      bias: correctedBias(layout, bias, { weights, mean: targetMean }, { weights: fitted, mean }),
    }
  }
  const wanted = targetMean.map((value, i) => value + (added?.[i] ?? 0))
  const nothing = { weights: new Float64Array(groups * rows * columns), mean }
  return { weights: fitted, bias: correctedBias(layout, wanted, nothing, { weights: fitted, mean }) }
}

/**
 * How much of its target a refitted layer gives: 1 − E‖t − Y'‖² / E‖t‖², both centred.
 *
 * @returns 0 to 1; `undefined` for a layout of channels only, where the target's power is not known
 */
export function fidelityOf(layer: Layer, statistics: CrossStatistics, { weights }: Refit): number | undefined {
  const { groups, rowsOfOutput } = layer.layout
  if (rowsOfOutput > 1) return undefined
  const { targetPower, targetMean } = statistics
  const power = targetPower.reduce((sum, square, i) => sum + square - targetMean[i] ** 2, 0)
  const problems = problemsOf(layer, statistics)
  const error = problems.reduce((sum, problem, g) => sum + errorOf(problem, ofGroup(weights, groups, g)), 0)
  return power > 0 ? Math.max(0, Math.min(1, -error / power)) : 1
}

/** Without a refit: columns that are not kept become zero. */
export function masked({ layout, weights, bias }: Layer, kept: KeptColumns): Refit {
  const left = new Float64Array(weights.length)
  for (const [g, columns] of kept.entries()) {
    const own = ofGroup(weights, layout.groups, g)
    left.set(onlyColumns(own, layout.columns, columns), g * own.length)
  }
  return { weights: left, bias }
}
