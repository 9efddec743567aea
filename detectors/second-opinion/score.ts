/**
 * Second opinion: does a small model that was trained independently give the same answer? An attack made for one model
 * moves another one less, so the two then disagree.
 *
 * `label` is −log₂ p₂(label of the protected model). `divergence` is Jeffreys' divergence between both distributions, in
 * bits: it lets the protected model be unsure, so that its honest mistakes raise fewer false alarms. That costs
 * detection where an attack stops as soon as the label changes (Carlini–Wagner), and leaves the protected model unsure.
 * `disagreement` is the sum of both.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { type ClassifierOutput, jeffreys, labelsOf, logProbabilities } from '../class-probabilities.ts'
import type { Features } from '../features.ts'

export type SecondOpinionRule = 'disagreement' | 'divergence' | 'label'

export interface SecondOpinionScoring {
  /** `divergence` unless told. */
  readonly rule?: SecondOpinionRule
  /** What the protected model gives; logits unless told. */
  readonly kind?: ClassifierOutput
  /** What the second model gives; logits unless told. */
  readonly secondKind?: ClassifierOutput
}

/**
 * The score of each sample: what `secondOpinionGraph` computes on a device.
 *
 * @param outputs of the protected model, n × classes
 * @param second outputs of the second model on the same samples, n × classes
 * @returns n scores in bits; higher means stranger
 * @throws HardpackError `INVALID_ARGUMENT` when the two do not have the same size, and for NaN.
 * @example
 * const logits = (...data: number[]) => ({ rows: 1, columns: 2, data: Float32Array.from(data) })
 * scoreSecondOpinion(logits(9, 0), logits(0, 0), { rule: 'label' }) // [1]
 */
export function scoreSecondOpinion(
  outputs: Features,
  second: Features,
  { rule = 'divergence', kind, secondKind }: SecondOpinionScoring = {},
): Float64Array {
  const { rows, columns } = outputs
  const logP = logProbabilities('Outputs of the protected model', outputs, kind)
  const logQ = logProbabilities('Outputs of the second model', second, secondKind)
  if (second.rows !== rows || second.columns !== columns) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `A second opinion expected ${rows} × ${columns} outputs, got ${second.rows} × ${second.columns}.`,
      { hint: 'Take a second model for the same classes, and run it on the same samples.' },
    )
  }
  const labels = labelsOf(outputs)
  return Float64Array.from({ length: rows }, (_, row) => {
    const at = row * columns
    const surprise = rule === 'divergence' ? 0 : -logQ[at + labels[row]]
    const divergence = rule === 'label' ? 0 : jeffreys(logP, at, logQ, at, columns)
    return (surprise + divergence) / Math.LN2
  })
}
