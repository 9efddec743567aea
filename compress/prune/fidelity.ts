/**
 * Subset Fidelity (Kashyap, Murti, Nayak, Narshana, Bhattacharyya, "ModHiFi: Identifying High Fidelity predictive components for
 * Model Modification", NeurIPS 2025). An output of a layer is a sum of contributions, one of each input channel (component):
 * Y_c = Σ_i A_ci, A_ci = w_ciᵀ u_i. How well a set C of components can stand for all of them:
 *
 *     FS_c(C) = max_δ 1 − E‖Y_c − Σ_{i∈C} δ_i A_ci‖² / E‖Y_c‖²          (between 0 and 1, monotone in C)
 *
 * All closed forms (proposition 3.8) need only the similarity of components, (Q_c)_ij = E⟨A_ci, A_cj⟩ = w_ciᵀ Σ_ij w_cj, where Σ is the
 * Gram matrix of what the layer reads.
 */

import type { System } from './select.ts'
import { factorOf, principal, solveRows, withRidge } from './symmetric.ts'

/** The paper's ridge, as a share of the mean of the diagonal. */
export const FIDELITY_RIDGE = 1e-4

/** What the closed forms need of a reader: its weights, the Gram matrix of what it reads, centred or not, and its components. */
export type Components = Pick<System, 'rows' | 'size' | 'weights' | 'covariance' | 'columns'>

/** Q_c of an output, `[components, components]`. */
export function similarityOf({ size, weights, covariance, columns }: Components, output: number): Float64Array {
  const w = weights.subarray(output * size, (output + 1) * size)
  const count = columns.length
  const similarity = new Float64Array(count * count)
  for (let i = 0; i < count; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0
      for (const a of columns[i]) for (const b of columns[j]) sum += w[a] * covariance[a * size + b] * w[b]
      similarity[i * count + j] = sum
      similarity[j * count + i] = sum
    }
  }
  return similarity
}

/** ⟨Y_c, A_ci⟩ of each component: Q_c 1. */
export function sharesOf(similarity: Float64Array): Float64Array {
  const count = Math.sqrt(similarity.length)
  return Float64Array.from({ length: count }, (_, i) =>
    similarity.subarray(i * count, (i + 1) * count).reduce((sum, value) => sum + value, 0),
  )
}

/**
 * The fidelity of each component alone: s_ci = ⟨Y_c, A_ci⟩² / (E‖A_ci‖² E‖Y_c‖²); 0 for one that is always zero.
 *
 * @param similarity Q_c, `[components, components]`
 * @example
 * componentScores(Float64Array.of(3, 0, 0, 1)) // [0.75, 0.25]: uncorrelated, so their shares of the power (theorem 3.9)
 */
export function componentScores(similarity: Float64Array): Float64Array {
  const shares = sharesOf(similarity)
  const power = shares.reduce((sum, share) => sum + share, 0)
  return shares.map((share, i) => {
    const own = similarity[i * (shares.length + 1)]
    return own > 0 && power > 0 ? share ** 2 / (own * power) : 0
  })
}

/**
 * δ*_c(C) = 1 + Q_c[C,C]⁻¹ Q_c[C,C̄] 1: by what the components that stay are to be multiplied.
 *
 * @param subset C
 * @param ridge as a share of the mean of the diagonal
 */
export function compensation(
  similarity: Float64Array,
  subset: readonly number[],
  ridge = FIDELITY_RIDGE,
): Float64Array {
  const count = Math.sqrt(similarity.length)
  const inside = new Set(subset)
  const missing = Float64Array.from(subset, (i) => {
    let sum = 0
    for (let j = 0; j < count; j++) if (!inside.has(j)) sum += similarity[i * count + j]
    return sum
  })
  const own = principal(similarity, count, subset)
  if (subset.every((_, i) => own[i * (subset.length + 1)] === 0)) return new Float64Array(subset.length).fill(1)
  const factor = factorOf(withRidge(own, subset.length, ridge), subset.length, 'an output')
  return solveRows(factor, subset.length, missing).map((value) => 1 + value)
}

/**
 * FS_c(C), with the best δ.
 *
 * @example
 * subsetFidelity(similarity, [0, 2]) // 0.93
 */
export function subsetFidelity(similarity: Float64Array, subset: readonly number[], ridge = 0): number {
  const shares = sharesOf(similarity)
  const power = shares.reduce((sum, share) => sum + share, 0)
  if (!(power > 0)) return 1
  const delta = compensation(similarity, subset, ridge)
  // At the best δ: Q_CC δ = ⟨Y, A⟩_C, so that what is explained is δᵀ⟨Y, A⟩_C.
  return subset.reduce((sum, i, at) => sum + delta[at] * shares[i], 0) / power
}

/** The k components of the highest scores, descending; of equal ones the first. */
export function topComponents(scores: Float64Array, k: number): number[] {
  return Array.from(scores.keys())
    .sort((a, b) => scores[b] - scores[a])
    .slice(0, k)
}

/**
 * The highest single-component fidelity that a unit has for any output of any reader: it belongs to a high-fidelity set where that
 * is above the threshold.
 *
 * @returns of each unit
 */
export function unitScores(readers: readonly Components[], units: number): Float64Array {
  const highest = new Float64Array(units)
  for (const reader of readers) {
    for (let output = 0; output < reader.rows; output++) {
      const scores = scoresOfOutput(reader, output)
      for (let unit = 0; unit < units; unit++) highest[unit] = Math.max(highest[unit], scores[unit])
    }
  }
  return highest
}

/** `componentScores` without the whole of Q_c: ⟨Y_c, A_ci⟩ = w_ci · (Σ w_c)_i. */
function scoresOfOutput({ size, weights, covariance, columns }: Components, output: number): Float64Array {
  const w = weights.subarray(output * size, (output + 1) * size)
  const reached = new Float64Array(size)
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) reached[i] += covariance[i * size + j] * w[j]
  }
  const power = reached.reduce((sum, value, i) => sum + value * w[i], 0)
  return Float64Array.from(columns, (own) => {
    let share = 0
    let energy = 0
    for (const a of own) {
      share += w[a] * reached[a]
      for (const b of own) energy += w[a] * covariance[a * size + b] * w[b]
    }
    return energy > 0 && power > 0 ? share ** 2 / (energy * power) : 0
  })
}

/**
 * W with each (output, component) pair multiplied by δ*, and removed components zero.
 *
 * @returns `[rows, size]`
 */
export function compensated(components: Components, kept: readonly number[]): Float64Array {
  const { rows, size, weights, columns } = components
  const scaled = new Float64Array(weights.length)
  for (let output = 0; output < rows; output++) {
    const delta = compensation(similarityOf(components, output), kept)
    for (const [i, unit] of kept.entries()) {
      for (const column of columns[unit]) scaled[output * size + column] = weights[output * size + column] * delta[i]
    }
  }
  return scaled
}
