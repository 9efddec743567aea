/** What an attack maximises, as a function of the answers; its derivative by them is the cotangent of the gradient. */

import type { Answers } from './oracle.ts'

export interface Objective {
  /** The value for row `i` of the answers, a variant of input `input`, whose label is `label`. */
  value(answers: Answers, i: number, label: number, input: number): number
  /** Writes the derivative by the answers of row `i`. */
  derive(answers: Answers, i: number, label: number, cotangent: Answers, input: number): void
  /** Whether row `i` is a success: attacks without gradients spend no more queries on its input. */
  reached(answers: Answers, i: number, label: number): boolean
}

/** The row of logits of input `i`. */
export function rowOf({ logits }: Answers, i: number, classes: number): Float32Array {
  return logits.subarray(i * classes, (i + 1) * classes)
}

/** The index of the largest logit. */
export function largest(row: ArrayLike<number>, without = -1): number {
  let best = -1
  for (let k = 0; k < row.length; k++) if (k !== without && (best < 0 || row[k] > row[best])) best = k
  return best
}

/** Whether the largest logit is that of another class. */
const misclassified =
  (classes: number): Objective['reached'] =>
  (answers, i, label) =>
    largest(rowOf(answers, i, classes)) !== label

/** log Σ exp(row − row[label]): the cross-entropy −log softmax(row)[label]. */
function surprise(row: Float32Array, label: number): number {
  const top = row[largest(row)]
  let sum = 0
  for (const logit of row) sum += Math.exp(logit - top)
  return top - row[label] + Math.log(sum)
}

/**
 * Cross-entropy of the true label (Goodfellow et al. 2015; Madry et al. 2018).
 *
 * @example
 * pgd(oracle, images, labels, { ...options, objective: crossEntropy(10) })
 */
export function crossEntropy(classes: number): Objective {
  return {
    value: (answers, i, label) => surprise(rowOf(answers, i, classes), label),
    derive: (answers, i, label, cotangent) => {
      const row = rowOf(answers, i, classes)
      const out = rowOf(cotangent, i, classes)
      const top = row[largest(row)]
      let sum = 0
      for (const logit of row) sum += Math.exp(logit - top)
      // 1 − p[label] as a sum over the others: the difference would be 0 for a model that is sure.
      let others = 0
      for (let k = 0; k < classes; k++) {
        out[k] = Math.exp(row[k] - top) / sum
        if (k !== label) others += out[k]
      }
      out[label] = -others
    },
    reached: misclassified(classes),
  }
}

/**
 * The margin max over other classes − label's logit (Carlini and Wagner 2017, f₆): above 0 exactly when the input is
 * misclassified.
 *
 * @param confidence κ: beyond it the objective is flat, so that nothing more is spent on the label
 */
export function margin(classes: number, confidence = Number.POSITIVE_INFINITY): Objective {
  const leadOf = (row: Float32Array, label: number): number => row[largest(row, label)] - row[label]
  return {
    value: (answers, i, label) => Math.min(leadOf(rowOf(answers, i, classes), label), confidence),
    derive: (answers, i, label, cotangent) => {
      const row = rowOf(answers, i, classes)
      const out = rowOf(cotangent, i, classes).fill(0)
      if (leadOf(row, label) >= confidence) return
      out[largest(row, label)] = 1
      out[label] = -1
    },
    reached: misclassified(classes),
  }
}
