/**
 * Feature squeezing (Xu, Evans, Qi, "Feature squeezing: detecting adversarial examples in deep neural networks", NDSS
 * 2018, section 5): a model answers nearly the same on an honest image and on a squeezed copy of it; a small perturbation
 * does not survive the squeezing. The score is the largest L1 distance between the class probabilities on the image and
 * on a squeezed copy, 0 to 2.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { type ClassifierOutput, logProbabilities } from '../class-probabilities.ts'
import type { Features } from '../features.ts'

/**
 * The score of each sample: what `featureSqueezingGraph` computes on a device.
 *
 * @param outputs of the protected model, n × classes
 * @param squeezed its outputs on each squeezer's copies of the same samples, each n × classes
 * @returns n scores, 0 to 2; higher means stranger
 * @throws HardpackError `INVALID_ARGUMENT` for no squeezer, other sizes, and NaN.
 * @example
 * const logits = (...data: number[]) => ({ rows: 1, columns: 2, data: Float32Array.from(data) })
 * scoreFeatureSqueezing(logits(50, 0), [logits(50, 0), logits(0, 50)]) // [2]
 */
export function scoreFeatureSqueezing(
  outputs: Features,
  squeezed: readonly Features[],
  kind: ClassifierOutput = 'logits',
): Float64Array {
  const { rows, columns } = outputs
  const probabilities = logProbabilities('Outputs of the protected model', outputs, kind).map(Math.exp)
  if (squeezed.length === 0) {
    throw new HardpackError('INVALID_ARGUMENT', 'Feature squeezing expected at least one squeezer, got none.')
  }
  const scores = new Float64Array(rows)
  for (const copies of squeezed) {
    if (copies.rows !== rows || copies.columns !== columns) {
      throw new HardpackError(
        'INVALID_ARGUMENT',
        `Feature squeezing expected ${rows} × ${columns} outputs on squeezed copies, got ${copies.rows} × ${copies.columns}.`,
      )
    }
    const others = logProbabilities('Outputs on squeezed copies', copies, kind).map(Math.exp)
    for (let row = 0; row < rows; row++) {
      let distance = 0
      for (let i = row * columns; i < (row + 1) * columns; i++) distance += Math.abs(probabilities[i] - others[i])
      scores[row] = Math.max(scores[row], distance)
    }
  }
  return scores
}
