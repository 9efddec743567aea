/**
 * Symmetric positive definite matrices, row-major in float64: factors, inverses, solutions. Plain loops over rows, because a Gram
 * matrix of a thousand columns is inverted for each layer.
 */

import { HardpackError } from '../../sdk/core/index.ts'

/**
 * The Cholesky factor L of A = L Lᵀ.
 *
 * @param matrix A, `[size, size]`; only the lower triangle is read
 * @returns L, `[size, size]`, zero above the diagonal; `undefined` where A is not positive definite
 */
export function cholesky(matrix: Float64Array, size: number): Float64Array | undefined {
  const factor = new Float64Array(size * size)
  for (let i = 0; i < size; i++) {
    const row = i * size
    for (let j = 0; j <= i; j++) {
      const other = j * size
      let sum = matrix[row + j]
      for (let k = 0; k < j; k++) sum -= factor[row + k] * factor[other + k]
      if (j < i) factor[row + j] = sum / factor[other + j]
      else if (sum > 0) factor[row + i] = Math.sqrt(sum)
      else return undefined
    }
  }
  return factor
}

/** Solves x A = b for each row b of `[rows, size]`, in place, by the factor L of A. */
export function solveRows(factor: Float64Array, size: number, rows: Float64Array): Float64Array {
  for (let row = 0; row < rows.length; row += size) {
    for (let i = 0; i < size; i++) {
      let sum = rows[row + i]
      for (let k = 0; k < i; k++) sum -= factor[i * size + k] * rows[row + k]
      rows[row + i] = sum / factor[i * size + i]
    }
    for (let i = size - 1; i >= 0; i--) {
      const value = rows[row + i] / factor[i * size + i]
      rows[row + i] = value
      for (let k = 0; k < i; k++) rows[row + k] -= factor[i * size + k] * value
    }
  }
  return rows
}

/** A⁻¹ by the factor of A, `[size, size]`. */
export function inverseOf(factor: Float64Array, size: number): Float64Array {
  // L⁻¹ row by row, then A⁻¹ = L⁻ᵀ L⁻¹.
  const lower = new Float64Array(size * size)
  for (let i = 0; i < size; i++) {
    const row = i * size
    for (let k = 0; k < i; k++) {
      const f = factor[row + k]
      if (f === 0) continue
      const other = k * size
      for (let j = 0; j <= k; j++) lower[row + j] -= f * lower[other + j]
    }
    const scale = 1 / factor[row + i]
    for (let j = 0; j < i; j++) lower[row + j] *= scale
    lower[row + i] = scale
  }
  const inverse = new Float64Array(size * size)
  for (let k = 0; k < size; k++) {
    const row = k * size
    for (let i = 0; i <= k; i++) {
      const f = lower[row + i]
      if (f === 0) continue
      const to = i * size
      for (let j = 0; j <= i; j++) inverse[to + j] += f * lower[row + j]
    }
  }
  for (let i = 0; i < size; i++) for (let j = 0; j < i; j++) inverse[j * size + i] = inverse[i * size + j]
  return inverse
}

/** A[of, of], `[of.length, of.length]`. */
export function principal(matrix: Float64Array, size: number, of: readonly number[]): Float64Array {
  const part = new Float64Array(of.length * of.length)
  for (const [i, from] of of.entries()) {
    for (const [j, to] of of.entries()) part[i * of.length + j] = matrix[from * size + to]
  }
  return part
}

/** A with λ times the mean of its diagonal added to the diagonal. */
export function withRidge(matrix: Float64Array, size: number, ridge: number): Float64Array {
  const added = Float64Array.from(matrix)
  let trace = 0
  for (let i = 0; i < size; i++) trace += matrix[i * (size + 1)]
  for (let i = 0; i < size; i++) added[i * (size + 1)] += (ridge * trace) / size
  return added
}

/**
 * The factor of a Gram matrix.
 *
 * @param of whose Gram matrix it is, for the error
 * @throws HardpackError `INVALID_INPUT` for a singular one: values that are always zero, or not finite.
 */
export function factorOf(gram: Float64Array, size: number, of: string): Float64Array {
  const factor = cholesky(gram, size)
  if (factor) return factor
  throw new HardpackError(
    'INVALID_INPUT',
    `The inputs of layer "${of}" expected a Gram matrix of full rank over the samples, got a singular one.`,
    { hint: 'Give more, and more different, samples.' },
  )
}
