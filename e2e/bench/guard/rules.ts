/**
 * Second opinion and BEYOND by each of their rules, on attacked images. The rules that a guard takes unless told are among them,
 * so that all are compared on the same images. Fifty neighbours, which take three times as long, see fewer of them.
 */

import { drawAugmentations } from '../../../detectors/beyond/augmentations.ts'
import { type BeyondOptions, beyondGraph, beyondSimilarityGraph } from '../../../detectors/beyond/graph.ts'
import { type BeyondRule, fitBeyondCounts } from '../../../detectors/beyond/score.ts'
import { auroc, tnrAtTpr } from '../../../detectors/metrics/index.ts'
import { secondOpinionGraph } from '../../../detectors/second-opinion/graph.ts'
import type { SecondOpinionRule } from '../../../detectors/second-opinion/score.ts'
import { LOGITS_INPUT, SCORE_OUTPUT } from '../../../detectors/tier-names.ts'
import type { Tensor } from '../../../sdk/core/index.ts'
import { type Model, readModel, writeModel } from '../../../sdk/onnx/index.ts'
import { runSamples } from '../../../sdk/pack/guard/samples.ts'
import { type SampleSet, subset } from '../../../sdk/pack/samples/index.ts'
import { rowsOf } from '../../../sdk/run/rows.ts'
import { node } from '../../../targets/node.ts'
import type { Session } from '../../../targets/types.ts'
import { type GuardData, INPUT } from './data.ts'
import type { DetectionRow } from './detection.ts'

export interface RuleRow extends Omit<DetectionRow, 'detected'> {
  readonly rule: string
  /** Clean images that it was compared with. */
  readonly clean: number
}

interface Rule {
  readonly detector: string
  readonly rule: string
  readonly graph: Model
  readonly most: number
}

const CLASSES = 10
const SIZE = { height: 28, width: 28, channels: 1, seed: 1 }
/** As when a guard is packed. */
const COUNTED = 1000
/** Images of a set that the fifty neighbours see. */
const FEW = 1000

export function first(set: SampleSet, count: number): SampleSet {
  return subset(
    set,
    Array.from({ length: Math.min(count, set.count) }, (_, i) => i),
  )
}

/** A column of a graph that takes images and the logits of the classifier. */
async function column(graph: Model, set: SampleSet, logits: Tensor, output: string): Promise<Float32Array> {
  const session = await node().create({ model: writeModel(graph) })
  try {
    return (await rowsFrom(session, set, output, (positions) => ({ [LOGITS_INPUT]: rowsOf(logits, positions) }))).data
  } finally {
    await session.close()
  }
}

async function rowsFrom(
  session: Session,
  set: SampleSet,
  output: string,
  feeds?: (positions: readonly number[]) => Record<string, Tensor>,
): Promise<{ columns: number; data: Float32Array }> {
  const all = Array.from({ length: set.count }, (_, i) => i)
  return (await runSamples(session, INPUT.name, set, all, [output], { stage: 'rules', feeds }))[output]
}

async function rulesOf(model: Model, simsiam: Uint8Array, train: SampleSet): Promise<Rule[]> {
  const encoder = { model: readModel(simsiam), representation: 'representation' }
  const withHead = { ...encoder, output: { name: 'logits' } }
  const counts = async (options: Omit<BeyondOptions, 'rule'>): Promise<BeyondRule> => {
    const k = options.augmentations.neighbours.length
    const some = first(train, COUNTED)
    const nothing: Tensor = { dtype: 'float32', shape: [COUNTED, CLASSES], data: new Float32Array(COUNTED * CLASSES) }
    const similarity = await column(beyondSimilarityGraph(model, options), some, nothing, 'similarity')
    return fitBeyondCounts({ rows: some.count, columns: k, data: similarity })
  }
  const opinion = (rule: SecondOpinionRule): Rule => ({
    detector: 'second-opinion',
    rule,
    graph: secondOpinionGraph(model, { second: readModel(simsiam), rule }),
    most: Number.POSITIVE_INFINITY,
  })
  const all = Number.POSITIVE_INFINITY
  const beyond = (name: string, options: BeyondOptions, most = all): Rule => ({
    detector: 'beyond',
    rule: name,
    graph: beyondGraph(model, options),
    most,
  })
  const mild = { augmentations: drawAugmentations(SIZE), encoder: withHead }
  const paper = { augmentations: drawAugmentations({ ...SIZE, preset: 'paper' }), encoder: withHead }
  return [
    ...(['divergence', 'label', 'disagreement'] as const).map(opinion),
    beyond('divergence', mild),
    beyond('disagreement', { ...mild, rule: { rule: 'disagreement' } }),
    beyond('divergence, without the class head', { ...mild, encoder }),
    beyond('counts', { ...mild, rule: await counts(mild) }),
    beyond('fused', { ...mild, rule: { rule: 'fused' } }),
    beyond('divergence, 50 neighbours', paper, FEW),
    beyond('counts, 50 neighbours', { ...paper, rule: await counts(paper) }, FEW),
    beyond('fused, 50 neighbours', { ...paper, rule: { rule: 'fused' } }, FEW),
  ]
}

/** One row a rule and set, against clean images. */
export async function ruleRows(
  { trained, train }: GuardData,
  clean: SampleSet,
  sets: readonly (readonly [name: string, set: SampleSet])[],
  note: (what: string) => void,
): Promise<RuleRow[]> {
  const classifier = await trained('fashion-cnn')
  const session = await node().create({ model: classifier })
  const logits = new Map<SampleSet, Tensor>()
  const rows: RuleRow[] = []
  try {
    for (const set of [clean, ...sets.map(([, images]) => images)]) {
      const { columns, data } = await rowsFrom(session, set, 'logits')
      logits.set(set, { dtype: 'float32', shape: [set.count, columns], data })
    }
    for (const { detector, rule, graph, most } of await rulesOf(
      readModel(classifier),
      await trained('fashion-simsiam'),
      train,
    )) {
      note(`${detector}: ${rule}`)
      const scored = async (set: SampleSet): Promise<Float64Array> => {
        const known = logits.get(set) as Tensor
        return Float64Array.from(await column(graph, first(set, most), known, SCORE_OUTPUT))
      }
      const negatives = await scored(clean)
      for (const [set, images] of sets) {
        const positives = await scored(images)
        const area = auroc(negatives, positives)
        rows.push({
          set,
          images: positives.length,
          clean: negatives.length,
          detector,
          rule,
          auroc: 100 * area.auroc,
          low: 100 * area.low,
          high: 100 * area.high,
          tnrAtTpr95: 100 * tnrAtTpr(negatives, positives).rate,
        })
      }
    }
  } finally {
    await session.close()
  }
  return rows
}
