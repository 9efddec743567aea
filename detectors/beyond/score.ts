/**
 * BEYOND (He, Yang, Chen, Xu, Ho, "Be Your Own Neighborhood", ICML 2024): an honest image keeps its label and its
 * representation among its augmented neighbours, an attacked one does not. The label is the protected model's. The
 * neighbours' classes come from the encoder's class head where it has one, as in the paper, else from the protected
 * model.
 *
 * - `counts`, the paper's rule (section 3.2): how many neighbours keep the label, and how many have a representation with
 *   a cosine of at least a threshold. An image is flagged when either count falls below its own threshold; the score
 *   passes −1 exactly then.
 * - `fused`, the official code's: s_i = α·cos(onehot(label), logits(x_i)) + (1 − α)·cos(r(x), r(x_i)), and of these an
 *   order statistic, the 20th largest of 50.
 * - `divergence`: the mean Jeffreys divergence, in bits, between the class distribution of the protected model and the
 *   neighbours'. It needs no representation, and separates best where the encoder has a class head.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { type ClassifierOutput, jeffreys, labelsOf, logProbabilities } from '../class-probabilities.ts'
import { checkFeatures, type Features } from '../features.ts'

export interface CountsRule {
  readonly rule: 'counts'
  /** A neighbour counts as similar from this cosine on. */
  readonly similarity: number
  /** Flagged when fewer neighbours keep the label. */
  readonly labels: number
  /** Flagged when fewer neighbours are similar. */
  readonly similar: number
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

export type BeyondRule = CountsRule | DivergenceRule | FusedRule

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
export function checkRule(rule: BeyondRule, k: number): Required<CountsRule> | Required<FusedRule> | DivergenceRule {
  if (rule.rule === 'divergence') return rule
  if (rule.rule === 'fused') {
    const { alpha = 0.8, order = Math.max(1, Math.round(0.4 * k)) } = rule
    if (!(alpha >= 0 && alpha <= 1)) refuse('an alpha from 0 to 1', `${alpha}`)
    if (!(Number.isInteger(order) && order >= 1 && order <= k)) refuse(`an order from 1 to ${k}`, `${order}`)
    return { rule: 'fused', alpha, order }
  }
  if (rule.rule !== 'counts') return refuse('"counts", "fused" or "divergence"', `"${(rule as { rule: string }).rule}"`)
  const { similarity, labels, similar } = rule
  if (!(similarity >= -1 && similarity <= 1)) refuse('a cosine from −1 to 1', `${similarity}`)
  for (const count of [labels, similar]) {
    if (!(count > 0 && count <= k)) refuse(`counts above 0 and up to ${k}`, `${count}`)
  }
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
 * What the counts are made of, for `fitBeyondCounts`.
 *
 * @returns n × k each: 1 where a neighbour keeps the label, and the cosine of its representation
 * @throws HardpackError `INVALID_ARGUMENT` for sizes that do not fit, missing representations, and NaN.
 */
export function beyondSignals(signals: BeyondSignals): { agreement: Features; similarity: Features } {
  const checked = check(signals)
  const { n, k } = checked
  const labels = labelsOf(signals.outputs)
  const kept = Float32Array.from(labelsOf(signals.neighbours), (label, i) =>
    Number(label === labels[Math.floor(i / k)]),
  )
  return {
    agreement: { rows: n, columns: k, data: kept },
    similarity: { rows: n, columns: k, data: Float32Array.from(similarities(signals, checked)) },
  }
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
  if (settled.rule === 'divergence') {
    const logP = logProbabilities('BEYOND outputs', signals.outputs, signals.kind)
    const logQ = logProbabilities('BEYOND outputs on neighbours', signals.neighbours, signals.neighboursKind)
    return Float64Array.from({ length: n }, (_, row) => {
      let nats = 0
      for (let i = row * k; i < (row + 1) * k; i++) nats += jeffreys(logP, row * classes, logQ, i * classes, classes)
      return nats / k / Math.LN2
    })
  }
  if (settled.rule === 'counts') {
    const { agreement, similarity } = beyondSignals(signals)
    return Float64Array.from({ length: n }, (_, row) => {
      const own = ({ data }: Features): Float32Array => data.subarray(row * k, (row + 1) * k)
      const labels = own(agreement).reduce((sum, value) => sum + value, 0)
      const similar = own(similarity).filter((value) => value >= settled.similarity).length
      return -Math.min(labels / settled.labels, similar / settled.similar)
    })
  }
  const { alpha, order } = settled
  const cosine = similarities(signals, checked)
  const labels = labelsOf(signals.outputs)
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
 * Thresholds of the two counts from clean samples: the cosine that all but a share of neighbours reach, then for each
 * count the largest threshold under which at most half of the false alarms fall.
 *
 * @param agreement of clean samples, n × k, from `beyondSignals` or the outputs of `beyondSignalsGraph`
 * @param similarity of the same samples
 * @param falseAlarms share of clean samples that may be flagged, 0 to 1; 0.05 unless told
 * @throws HardpackError `INVALID_ARGUMENT` for sizes that differ, and a share that is none.
 * @example
 * const rule = fitBeyondCounts(agreement, similarity, 0.05)
 */
export function fitBeyondCounts(agreement: Features, similarity: Features, falseAlarms = 0.05): CountsRule {
  checkFeatures('BEYOND agreement', agreement)
  checkFeatures('BEYOND similarity', similarity, agreement.columns)
  const { rows, columns: k } = agreement
  if (similarity.rows !== rows) refuse(`similarity of ${rows} samples`, `${similarity.rows}`)
  if (!(falseAlarms > 0 && falseAlarms < 1)) refuse('a share of false alarms between 0 and 1', `${falseAlarms}`)
  const ascending = Float32Array.from(similarity.data).sort()
  const at = Math.floor(falseAlarms * rows * k)
  // Between two samples: no sample of these lies on the threshold, where rounding would decide.
  const cosine = (ascending[Math.max(0, at - 1)] + ascending[at]) / 2
  const countsOf = ({ data }: Features, keeps: (value: number) => boolean): number[] =>
    Array.from({ length: rows }, (_, row) => data.subarray(row * k, (row + 1) * k).filter(keeps).length)
  const threshold = (counts: number[]): number => {
    const sorted = counts.sort((a, b) => a - b)
    return Math.max(1, sorted[Math.floor((falseAlarms / 2) * rows)])
  }
  return {
    rule: 'counts',
    similarity: cosine,
    labels: threshold(countsOf(agreement, (value) => value > 0.5)),
    similar: threshold(countsOf(similarity, (value) => value >= cosine)),
  }
}
