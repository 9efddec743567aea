/**
 * Class probabilities and labels out of what a classifier gives, in float64: the plain reference of
 * `tier.ts`, which does the same in a graph.
 */

import { HardpackError } from '../sdk/core/index.ts'
import { checkFeatures, type Features } from './features.ts'

/** What a classifier gives: logits, or probabilities as a last Softmax makes them. */
export type ClassifierOutput = 'logits' | 'probabilities'

/** Probabilities below this are taken as this, so that a logarithm stays finite. */
export const LEAST_PROBABILITY = 1e-12

/**
 * The natural logarithm of class probabilities, rows × columns.
 *
 * @param what names them in errors
 * @throws HardpackError `INVALID_ARGUMENT` for what `checkFeatures` refuses, and for negative probabilities.
 * @example
 * logProbabilities('logits', { rows: 1, columns: 2, data: Float32Array.of(0, 0) }) // [-0.693, -0.693]
 */
export function logProbabilities(what: string, outputs: Features, kind: ClassifierOutput = 'logits'): Float64Array {
  checkFeatures(what, outputs)
  const { rows, columns, data } = outputs
  if (kind === 'probabilities') {
    const negative = data.find((value) => value < 0)
    if (negative !== undefined) {
      throw new HardpackError('INVALID_ARGUMENT', `${what} expected probabilities, got ${negative}.`, {
        hint: 'Say that they are logits.',
      })
    }
    return Float64Array.from(data, (value) => Math.log(Math.min(1, Math.max(value, LEAST_PROBABILITY))))
  }
  const logs = new Float64Array(rows * columns)
  for (let row = 0; row < rows; row++) {
    const logits = data.subarray(row * columns, (row + 1) * columns)
    const most = logits.reduce((a, b) => Math.max(a, b))
    const logSum = Math.log(logits.reduce((sum, value) => sum + Math.exp(value - most), 0))
    logits.forEach((value, i) => {
      logs[row * columns + i] = value - most - logSum
    })
  }
  return logs
}

/** The label of each sample: the first of its largest outputs. */
export function labelsOf({ rows, columns, data }: Features): number[] {
  return Array.from({ length: rows }, (_, row) => {
    const outputs = data.subarray(row * columns, (row + 1) * columns)
    return outputs.indexOf(outputs.reduce((a, b) => Math.max(a, b)))
  })
}

/**
 * Jeffreys' divergence of two rows of log-probabilities in nats, Σ (p − q)(log p − log q): the sum of both
 * Kullback–Leibler divergences (Jeffreys, "An invariant form for the prior probability", 1946). Every term is positive.
 */
export function jeffreys(logP: ArrayLike<number>, atP: number, logQ: ArrayLike<number>, atQ: number, classes: number) {
  let sum = 0
  for (let i = 0; i < classes; i++) {
    const [a, b] = [logP[atP + i], logQ[atQ + i]]
    sum += (Math.exp(a) - Math.exp(b)) * (a - b)
  }
  return sum
}
