/**
 * BEYOND (He, Yang, Chen, Xu, Ho, "Be Your Own Neighborhood", ICML 2024): an honest image keeps its label and its
 * representation among its augmented neighbours, an attacked one does not. The label is the protected model's. The
 * neighbours' classes come from the encoder's class head where it has one, as in the paper, else from the protected
 * model.
 *
 * - `counts`, the paper's rule (section 3.2): how many neighbours keep the label, and how many have a representation with
 *   a cosine above a threshold; flagged when either is too few. The score is minus the smaller share of the two, so
 *   one threshold on it, which calibration sets, is the same threshold on both counts.
 * - `fused`, the official code's: s_i = α·cos(onehot(label), logits(x_i)) + (1 − α)·cos(r(x), r(x_i)), and of these an
 *   order statistic, the 20th largest of 50.
 * - `divergence`: the mean Jeffreys divergence, in bits, between the class distribution of the protected model and the
 *   neighbours'. It needs no representation, and separates best where the encoder has a class head.
 * - `disagreement`: that, and the mean of −log₂ q(label) over the neighbours' distributions q, which sees attacks that leave the
 *   protected model unsure.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { type ClassifierOutput, jeffreys, labelsOf, logProbabilities } from '../class-probabilities.ts'
import { checkFeatures, type Features } from '../features.ts'

export interface CountsRule {
  readonly rule: 'counts'
  /** A neighbour counts as similar above this cosine; `fitBeyondCounts` finds it. */
  readonly similarity: number
}

export interface FusedRule {
  readonly rule: 'fused'
  /** Weight of the label; 0.8 unless told. */
  readonly alpha?: number
  /** Which of the largest counts, 1 for the largest; 0.4 · k, rounded, unless told. */
  readonly order?: number
}

export interface DivergenceRule {
  readonly rule: 'divergence'
}

export interface DisagreementRule {
  readonly rule: 'disagreement'
}

export type BeyondRule = CountsRule | DisagreementRule | DivergenceRule | FusedRule

export interface BeyondSignals {
  /** What the protected model gives on n samples. */
  readonly outputs: Features
  readonly kind?: ClassifierOutput
  /** Class outputs on the neighbours: n · k rows, those of one sample after another. */
  readonly neighbours: Features
  readonly neighboursKind?: ClassifierOutput
  /** Representations of the n samples; not for `divergence`. */
  readonly representations?: Features
  /** Representations of the n · k neighbours. */
  readonly neighbourRepresentations?: Features
}

const refuse = (expected: string, got: string, hint?: string): never => {
  throw new HardpackError('INVALID_ARGUMENT', `BEYOND expected ${expected}, got ${got}.`, { hint })
}

/** Keeps the norm of a representation of zeros from dividing by zero; the graph has the same. */
export const LEAST_NORM = 1e-12

/** The rule with its defaults for k neighbours. */
export function checkRule(
  rule: BeyondRule,
  k: number,
): CountsRule | Required<FusedRule> | DisagreementRule | DivergenceRule {
  if (rule.rule === 'divergence' || rule.rule === 'disagreement') return rule
  if (rule.rule === 'fused') {
    const { alpha = 0.8, order = Math.max(1, Math.round(0.4 * k)) } = rule
    if (!(alpha >= 0 && alpha <= 1)) refuse('an alpha from 0 to 1', `${alpha}`)
    if (!(Number.isInteger(order) && order >= 1 && order <= k)) refuse(`an order from 1 to ${k}`, `${order}`)
    return { rule: 'fused', alpha, order }
  }
  if (rule.rule !== 'counts')
    return refuse('"counts", "fused", "divergence" or "disagreement"', `"${(rule as { rule: string }).rule}"`)
  if (!(rule.similarity >= -1 && rule.similarity <= 1)) refuse('a cosine from −1 to 1', `${rule.similarity}`)
  return rule
}

/** Cosines of each row with its k neighbours, n × k. */
function cosines(one: Features, many: Features): Float64Array {
  const { columns } = one
  const k = many.rows / one.rows
  const norm = (data: Float32Array): number => Math.max(Math.hypot(...data), LEAST_NORM)
  return Float64Array.from({ length: many.rows }, (_, i) => {
    const from = Math.floor(i / k) * columns
    const a = one.data.subarray(from, from + columns)
    const b = many.data.subarray(i * columns, (i + 1) * columns)
    return a.reduce((sum, value, j) => sum + value * b[j], 0) / (norm(a) * norm(b))
  })
}

interface Checked {
  readonly n: number
  readonly k: number
  readonly classes: number
}

function check({ outputs, neighbours }: BeyondSignals): Checked {
  checkFeatures('BEYOND outputs', outputs)
  checkFeatures('BEYOND outputs on neighbours', neighbours, outputs.columns)
  const k = neighbours.rows / outputs.rows
  if (!Number.isInteger(k)) refuse(`a multiple of ${outputs.rows} neighbours`, `${neighbours.rows}`)
  return { n: outputs.rows, k, classes: outputs.columns }
}

function similarities({ representations, neighbourRepresentations }: BeyondSignals, { n, k }: Checked): Float64Array {
  if (!representations || !neighbourRepresentations) {
    return refuse('representations', 'none', 'Give them, or take the rule "divergence".')
  }
  checkFeatures('BEYOND representations', representations)
  checkFeatures('BEYOND representations of neighbours', neighbourRepresentations, representations.columns)
  if (representations.rows !== n || neighbourRepresentations.rows !== n * k) {
    const got = `${representations.rows} and ${neighbourRepresentations.rows}`
    refuse(`representations of ${n} samples and ${n * k} neighbours`, got)
  }
  return cosines(representations, neighbourRepresentations)
}

/**
 * The score of each sample: what `beyondGraph` computes on a device.
 *
 * @returns n scores; higher means stranger
 * @throws HardpackError `INVALID_ARGUMENT` for sizes that do not fit, missing representations, and NaN.
 * @example
 * const outputs = { rows: 1, columns: 2, data: Float32Array.of(2, 0) }
 * const neighbours = { rows: 2, columns: 2, data: Float32Array.of(2, 0, 2, 0) }
 * scoreBeyond({ outputs, neighbours }, { rule: 'divergence' }) // [0]
 */
export function scoreBeyond(signals: BeyondSignals, rule: BeyondRule): Float64Array {
  const checked = check(signals)
  const { n, k, classes } = checked
  const settled = checkRule(rule, k)
  if (settled.rule === 'divergence' || settled.rule === 'disagreement') {
    const labels = labelsOf(signals.outputs)
    const logP = logProbabilities('BEYOND outputs', signals.outputs, signals.kind)
    const logQ = logProbabilities('BEYOND outputs on neighbours', signals.neighbours, signals.neighboursKind)
    return Float64Array.from({ length: n }, (_, row) => {
      let nats = 0
      for (let i = row * k; i < (row + 1) * k; i++) {
        nats += jeffreys(logP, row * classes, logQ, i * classes, classes)
        if (settled.rule === 'disagreement') nats -= logQ[i * classes + labels[row]]
      }
      return nats / k / Math.LN2
    })
  }
  const cosine = similarities(signals, checked)
  const labels = labelsOf(signals.outputs)
  if (settled.rule === 'counts') {
    const theirs = labelsOf(signals.neighbours)
    return Float64Array.from({ length: n }, (_, row) => {
      const [from, to] = [row * k, (row + 1) * k]
      const kept = theirs.slice(from, to).filter((label) => label === labels[row]).length
      const similar = cosine.subarray(from, to).filter((value) => value > settled.similarity).length
      return -Math.min(kept, similar) / k
    })
  }
  const { alpha, order } = settled
  const { data } = signals.neighbours
  return Float64Array.from({ length: n }, (_, row) => {
    const fused = Array.from({ length: k }, (_, j) => {
      const i = row * k + j
      const logits = data.subarray(i * classes, (i + 1) * classes)
      const toLabel = logits[labels[row]] / Math.max(Math.hypot(...logits), LEAST_NORM)
      return alpha * toLabel + (1 - alpha) * cosine[i]
    })
    return -fused.sort((a, b) => b - a)[order - 1]
  })
}

/**
 * The cosine above which a neighbour counts as similar: all but a share of the neighbours of clean samples are above it.
 *
 * @param similarity cosines of clean samples, n × k: the output of `beyondSimilarityGraph`
 * @param below that share, 0 to 1; 0.1 unless told
 * @throws HardpackError `INVALID_ARGUMENT` for no samples, NaN, and a share that is none.
 * @example
 * const rule = fitBeyondCounts({ rows: 1, columns: 4, data: Float32Array.of(0.5, 0.7, 0.8, 0.9) }, 0.25) // similarity 0.6
 */
export function fitBeyondCounts(similarity: Features, below = 0.1): CountsRule {
  checkFeatures('BEYOND similarity', similarity)
  if (!(below > 0 && below < 1)) refuse('a share between 0 and 1', `${below}`)
  const ascending = Float32Array.from(similarity.data).sort()
  const at = Math.floor(below * ascending.length)
  // Between two of them, so that rounding decides for none.
  const middle = (ascending[Math.max(0, at - 1)] + ascending[at]) / 2
  return { rule: 'counts', similarity: Math.min(1, Math.max(-1, middle)) }
}
