/** Which components of a layer carry a class: shares of the energy of its outputs, w_ciᵀ E[u_i u_iᵀ] w_ci, on sets of samples. */

import { topComponents } from '../fidelity.ts'
import type { PrunableLayer } from '../layers.ts'
import type { InputStatistics } from '../statistics.ts'

/** Below this share of the mean, how seldom an input speaks on samples to retain counts no more. */
const FLOOR = 0.1

/** w_ciᵀ E[u_i u_iᵀ] w_ci of each output c and input i, `[rows, inputs]`. */
export function energies({ layout, weights }: PrunableLayer, { gram }: InputStatistics): Float64Array {
  const { rows, columns, columnsOfInput: taps } = layout
  const inputs = columns / taps
  const found = new Float64Array(rows * inputs)
  for (let row = 0; row < rows; row++) {
    for (let input = 0; input < inputs; input++) {
      let sum = 0
      for (let a = input * taps; a < (input + 1) * taps; a++) {
        for (let b = input * taps; b < (input + 1) * taps; b++) {
          sum += weights[row * columns + a] * gram[a * columns + b] * weights[row * columns + b]
        }
      }
      found[row * inputs + input] = sum
    }
  }
  return found
}

/** Of each output, the share of each input: ModHiFi's score for features that are not correlated (theorem 3.9). */
export function componentShares(layer: PrunableLayer, statistics: InputStatistics): Float64Array {
  const shares = energies(layer, statistics)
  const inputs = shares.length / layer.layout.rows
  for (let from = 0; from < shares.length; from += inputs) {
    const row = shares.subarray(from, from + inputs)
    const total = row.reduce((sum, value) => sum + value, 0) || 1
    for (let i = 0; i < inputs; i++) row[i] /= total
  }
  return shares
}

/** Of each input, its share of the layer's output energy on samples to forget / the same on those to retain. */
export function inputScores(layer: PrunableLayer, forget: InputStatistics, retain: InputStatistics): Float64Array {
  const [ofForget, ofRetain] = [forget, retain].map((statistics) => {
    const all = energies(layer, statistics)
    const inputs = all.length / layer.layout.rows
    const sums = new Float64Array(inputs)
    for (let i = 0; i < all.length; i++) sums[i % inputs] += all[i]
    const total = sums.reduce((sum, value) => sum + value, 0) || 1
    return sums.map((sum) => sum / total)
  })
  return ofForget.map((share, i) => share / (ofRetain[i] + FLOOR / ofForget.length))
}

/** The columns of a share of the inputs, those that score highest. */
export function columnsOfTop({ layout }: PrunableLayer, scores: Float64Array, share: number): number[] {
  const taps = layout.columnsOfInput
  return topComponents(scores, Math.round(share * scores.length)).flatMap((input) =>
    Array.from({ length: taps }, (_, tap) => input * taps + tap),
  )
}

/** Columns that stay, and the weights that a refit keeps near to. */
export function editedColumns(
  { layout, weights }: PrunableLayer,
  top: readonly number[],
  edit: 'zero' | 'negate',
): { kept: number[]; weights: Float64Array } {
  const gone = new Set(top)
  const factor = edit === 'zero' ? 0 : -1
  const all = Array.from({ length: layout.columns }, (_, i) => i)
  return {
    kept: edit === 'zero' ? all.filter((column) => !gone.has(column)) : all,
    weights: weights.map((value, i) => (gone.has(i % layout.columns) ? factor * value : value)),
  }
}

/** The weights with a share of the components zero or negated, those of the highest scores. */
export function editedComponents(
  { layout, weights }: PrunableLayer,
  scores: Float64Array,
  share: number,
  edit: 'zero' | 'negate',
): Float64Array {
  const taps = layout.columnsOfInput
  const edited = Float64Array.from(weights)
  for (const component of topComponents(scores, Math.round(share * scores.length))) {
    for (let i = component * taps; i < (component + 1) * taps; i++) edited[i] = edit === 'zero' ? 0 : -edited[i]
  }
  return edited
}
