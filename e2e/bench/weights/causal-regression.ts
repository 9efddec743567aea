/**
 * What a matrix of weights says about itself linearly: each element predicted from those before it in its row, with a covariance of
 * columns that is learnt from the rows before. Ridge regression in all columns at once: of the Cholesky factor L of the covariance
 * plus a multiple of the identity, with e = L⁻¹x, the prediction is x_c − L_cc · e_c, which no later element touches.
 *
 * For bounds only: a decoder would factor a matrix every few rows.
 */

/** Blocks of rows between which the covariance is factored anew. */
const BLOCKS = 24
const LEAST_ROWS = 16

function dot(a: Float32Array, from: number, b: Float32Array, other: number, length: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0]
  let i = 0
  for (; i + 3 < length; i += 4) {
    s0 += a[from + i] * b[other + i]
    s1 += a[from + i + 1] * b[other + i + 1]
    s2 += a[from + i + 2] * b[other + i + 2]
    s3 += a[from + i + 3] * b[other + i + 3]
  }
  for (; i < length; i++) s0 += a[from + i] * b[other + i]
  return s0 + s1 + s2 + s3
}

/** The lower Cholesky factor of `covariance` + ridge · I; only lower triangles are read and written. */
function factor(covariance: Float32Array, size: number, ridge: number): Float32Array {
  const lower = new Float32Array(size * size)
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < i; j++) {
      const rest = covariance[i * size + j] - dot(lower, i * size, lower, j * size, j)
      lower[i * size + j] = rest / lower[j * size + j]
    }
    const rest = covariance[i * size + i] + ridge - dot(lower, i * size, lower, i * size, i)
    lower[i * size + i] = Math.sqrt(Math.max(rest, 1e-6))
  }
  return lower
}

/**
 * Predictions of the elements of a matrix, row by row, from what comes before them.
 *
 * @param matrix rows × columns, of about the same scale everywhere
 * @param ridge added to the covariance, in elements of a row
 * @example
 * const expected = predictCausally(matrix, 1001, 1280, 2)
 */
export function predictCausally(matrix: Float32Array, rows: number, columns: number, ridge: number): Float32Array {
  const expected = new Float32Array(rows * columns)
  const covariance = new Float32Array(columns * columns)
  const block = Math.max(LEAST_ROWS, Math.ceil(rows / BLOCKS))
  const innovation = new Float32Array(columns)
  for (let start = 0; start < rows; start += block) {
    const end = Math.min(rows, start + block)
    if (start > 0) {
      const lower = factor(covariance, columns, ridge * columns)
      for (let r = start; r < end; r++) {
        for (let c = 0; c < columns; c++) {
          const mean = dot(lower, c * columns, innovation, 0, c)
          expected[r * columns + c] = mean
          innovation[c] = (matrix[r * columns + c] - mean) / lower[c * columns + c]
        }
      }
    }
    for (let r = start; r < end; r++) {
      for (let i = 0; i < columns; i++) {
        const x = matrix[r * columns + i]
        for (let j = 0; j <= i; j++) covariance[i * columns + j] += x * matrix[r * columns + j]
      }
    }
  }
  return expected
}

/** Columns as rows. */
export function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(matrix.length)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = matrix[r * columns + c]
  return out
}
