/** Detectors that need passes of their own: each is a graph that takes the model's input and its logits. */

import { drawAugmentations } from '../../../detectors/beyond/augmentations.ts'
import { type BeyondOptions, beyondGraph, beyondSimilarityGraph } from '../../../detectors/beyond/graph.ts'
import { type CountsRule, fitBeyondCounts } from '../../../detectors/beyond/score.ts'
import { featureSqueezingGraph } from '../../../detectors/feature-squeezing/graph.ts'
import { secondOpinionGraph } from '../../../detectors/second-opinion/graph.ts'
import type { ClassOutput, Layout } from '../../../detectors/tier.ts'
import { LOGITS_INPUT, SCORE_OUTPUT } from '../../../detectors/tier-names.ts'
import type { Target } from '../../../targets/types.ts'
import type { GuardDetector } from '../../container/manifest.ts'
import { type CallOptions, HardpackError, type Tensor } from '../../core/index.ts'
import { appendToFile, type Model, makeValue, readModel, signatureOf, writeModel } from '../../onnx/index.ts'
import type { GraphFile } from '../graphs.ts'
import { valueRange } from '../samples/index.ts'
import type { DetectorChoice } from './choice.ts'
import type { FitContext } from './fit.ts'
import type { GuardOptions } from './make.ts'
import { parameterList } from './parameters.ts'
import { runSamples, type Samples } from './samples.ts'

export interface Tier {
  readonly graph: GraphFile
  readonly detector: Omit<GuardDetector, 'tier'>
}

export type TierChoice = Extract<DetectorChoice, { kind: 'feature-squeezing' | 'second-opinion' | 'beyond' }>

/**
 * The pass of a detector.
 *
 * @throws HardpackError `UNSUPPORTED_MODEL` for a model that the detector does not fit; `INVALID_ARGUMENT` for its options.
 */
export async function tierOf(
  choice: TierChoice,
  context: FitContext,
  { fit }: GuardOptions,
  target: Target,
  call: CallOptions,
): Promise<Tier> {
  const layout: Layout = fit.format?.layout ?? 'nchw'
  const output: ClassOutput = { name: context.logits, kind: context.probabilities ? 'probabilities' : 'logits' }
  const model = tappedModel(context)
  const range = rangeOf(choice, fit)
  if (choice.kind === 'feature-squeezing') {
    return tier(choice.kind, featureSqueezingGraph(model, { output, layout, range }), {})
  }
  if (choice.kind === 'second-opinion') {
    const second = readModel(choice.model)
    const secondOutput = choice.logits === undefined ? undefined : { name: choice.logits }
    const { rule = 'divergence' } = choice
    return tier(choice.kind, secondOpinionGraph(model, { second, rule, output, secondOutput, layout }), { rule })
  }
  const options = beyondOptions(choice, context, { layout, output, range })
  const { rule: name = 'divergence', preset = 'mild' } = choice
  const rule =
    name === 'counts'
      ? await fitCounts(beyondSimilarityGraph(model, options), context, fit, target, call)
      : { rule: name }
  return tier(choice.kind, beyondGraph(model, { ...options, rule }), {
    rule: name,
    neighbours: `${options.augmentations.neighbours.length} ${preset}, seed ${context.seed}`,
    encoder: choice.encoder ? 'its own' : 'the features of the model, which is weaker',
  })
}

function beyondOptions(
  { encoder: file, representation, preset }: Extract<TierChoice, { kind: 'beyond' }>,
  { main, seed, features, samples }: FitContext,
  common: Pick<BeyondOptions, 'layout' | 'output' | 'range'>,
): Omit<BeyondOptions, 'rule'> {
  const [, ...dims] = main.inputs[0].shape
  const [channels, height, width] = common.layout === 'nhwc' ? [dims[2], dims[0], dims[1]] : dims
  const augmentations = drawAugmentations({
    height: Number(height),
    width: Number(width),
    channels: Number(channels),
    preset,
    seed,
  })
  if (!file) return { ...common, augmentations, representation: features }
  const model = readModel(file)
  const rows = signatureOf(model).outputs.filter(({ shape }) => shape?.length === 2)
  const head = rows.find(({ shape, name }) => shape?.[1] === samples.logits && name !== representation)
  const embedding = representation ?? rows.find(({ name }) => name !== head?.name)?.name ?? head?.name
  if (embedding === undefined) {
    throw new HardpackError(
      'UNSUPPORTED_MODEL',
      'The encoder of BEYOND expected an output with a row a sample, got none.',
      {
        hint: 'Export its representation as an output.',
      },
    )
  }
  return {
    ...common,
    augmentations,
    encoder: { model, representation: embedding, output: head && { name: head.name } },
  }
}

/** So many clean samples tell from which cosine on a neighbour counts as similar. */
const COUNTED = 1000

async function fitCounts(
  similarities: Model,
  { main }: FitContext,
  samples: Samples,
  target: Target,
  call: CallOptions,
): Promise<CountsRule> {
  const session = await target.create(
    { model: writeModel(similarities) },
    { optimization: 'basic', signal: call.signal },
  )
  try {
    const rows = Array.from({ length: Math.min(COUNTED, samples.count) }, (_, i) => i)
    const [input] = main.inputs
    // The graph does not look at the logits.
    const feeds = (positions: readonly number[]): Record<string, Tensor> => {
      const wanted = session.inputs.find(({ name }) => name === LOGITS_INPUT)
      const columns = Number(wanted?.shape[1] ?? 0)
      const data = new Float32Array(positions.length * columns)
      return wanted ? { [LOGITS_INPUT]: { dtype: 'float32', shape: [positions.length, columns], data } } : {}
    }
    const stage = 'counts of BEYOND'
    const { similarity } = await runSamples(session, input.name, samples, rows, ['similarity'], {
      ...call,
      stage,
      feeds,
    })
    return fitBeyondCounts({ rows: rows.length, ...similarity })
  } finally {
    await session.close()
  }
}

/** The model with its logits as an output of known width, and its features as a value: what tiers run again. */
function tappedModel({ main, tapping, samples, logits }: FitContext): Model {
  const [batch] = main.inputs[0].shape
  const model = readModel(appendToFile(main.file, { ...tapping, outputs: [] }).file)
  const others = model.graph.output.filter(({ name }) => name !== logits)
  const output = [...others, makeValue(logits, 'float32', [batch, samples.logits])]
  return { ...model, graph: { ...model.graph, output } }
}

/** What a pixel of the input can be: as told, or as the samples are prepared. */
function rangeOf(choice: TierChoice, { format }: GuardOptions['fit']): { min: number; max: number } | undefined {
  if ('range' in choice && choice.range) return { min: choice.range[0], max: choice.range[1] }
  return format && valueRange(format)
}

function tier(kind: string, model: Model, parameters: Readonly<Record<string, string>>): Tier {
  const { inputs } = signatureOf(model)
  const [batch] = inputs[0].shape
  return {
    graph: {
      name: kind,
      file: writeModel(model),
      inputs,
      outputs: [{ name: SCORE_OUTPUT, dtype: 'float32', shape: [batch] }],
    },
    detector: { name: kind, kind, score: SCORE_OUTPUT, twoSided: false, parameters: parameterList(parameters) },
  }
}
