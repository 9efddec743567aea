/**
 * Scores from the logits alone.
 *
 * Maximum softmax probability (Hendrycks, Gimpel, "A baseline for detecting misclassified and out-of-distribution examples",
 * ICLR 2017), as −log p of the most probable class: 1 − p has the same order but rounds to 0 and 1 at both ends. Energy (Liu, Wang,
 * Owens, Li, "Energy-based out-of-distribution detection", NeurIPS 2020, eq. 4, T = 1): −log Σ exp(logit). Attacks can make the energy
 * abnormally low as well: calibrate it on both sides.
 */

import { HardpackError } from '../sdk/core/index.ts'
import { checkFeatures, type Features } from './features.ts'

export interface SoftmaxOptions {
  /** The model ends in a Softmax: what it gives are probabilities, not logits. */
  probabilities?: boolean
}

/** log Σ exp of a row, and its largest number. */
function logSumExp(row: Float32Array): { sum: number; largest: number } {
  const largest = row.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY)
  return { sum: Math.log(row.reduce((sum, value) => sum + Math.exp(value - largest), 0)), largest }
}

const rowsOf = ({ rows, columns, data }: Features): Float32Array[] =>
  Array.from({ length: rows }, (_, row) => data.subarray(row * columns, (row + 1) * columns))

/**
 * −log of the largest softmax probability.
 *
 * @param logits `[rows, classes]`
 * @returns one score a sample, in nats, from 0 to log(classes)
 * @throws HardpackError `INVALID_ARGUMENT` for NaN or infinity.
 * @example
 * scoreMaxSoftmax({ rows: 1, columns: 2, data: Float32Array.of(0, 0) })[0] // log 2
 */
export function scoreMaxSoftmax(logits: Features, { probabilities = false }: SoftmaxOptions = {}): Float64Array {
  checkFeatures(probabilities ? 'Probabilities' : 'Logits', logits)
  return Float64Array.from(rowsOf(logits), (row) => (probabilities ? -Math.log(Math.max(...row)) : logSumExp(row).sum))
}

/**
 * The energy −log Σ exp(logit).
 *
 * @param logits `[rows, classes]`
 * @throws HardpackError `INVALID_ARGUMENT` for NaN or infinity, `UNSUPPORTED_MODEL` for probabilities, whose energy is always 0.
 * @example
 * scoreEnergy({ rows: 1, columns: 2, data: Float32Array.of(3, 3) })[0] // −3 − log 2
 */
export function scoreEnergy(logits: Features, { probabilities = false }: SoftmaxOptions = {}): Float64Array {
  refuseProbabilities(probabilities)
  checkFeatures('Logits', logits)
  return Float64Array.from(rowsOf(logits), (row) => {
    const { sum, largest } = logSumExp(row)
    return -(sum + largest)
  })
}

/** Softmax forgets the energy: refuses a model that ends in one. */
export function refuseProbabilities(probabilities: boolean): void {
  if (!probabilities) return
  throw new HardpackError('UNSUPPORTED_MODEL', 'Energy expected logits, got probabilities.', {
    hint: 'Name the value before the Softmax, or use max-softmax.',
  })
}
